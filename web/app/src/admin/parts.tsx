//! Small things of which the pages are made: tables, search, faults, what stands in an empty list.

import { type ReactNode, useEffect, useState } from "react";
import type { Fault } from "../first-run/ask.js";
import { type IconName, Icon } from "../views/icon.js";
import { wordOfFault } from "./faults.js";
import type { Paged } from "./use-pages.js";
import { useAdminWords } from "./words.js";

/** A column: its name, and what a row says in it. */
export interface Column<T> {
  readonly name: string;
  readonly cell: (row: T) => ReactNode;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** The name is for screen readers only. */
  readonly isBare?: boolean;
}

export interface TableProps<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** A click on a row; its first column holds a button that does the same for the keyboard. */
  readonly onRow?: (row: T) => void;
  readonly isFaint?: (row: T) => boolean;
}

/** A table. On a phone each row is a card; the roles keep it a table for screen readers. */
export function Table<T>({ label, columns, rows, keyOf, onRow, isFaint }: TableProps<T>) {
  return (
    <table className={`table${onRow ? " has-rows" : ""}`} role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.name} role="columnheader" scope="col" className={column.isNumber ? "is-number" : ""}>
              <span className={column.isBare ? "sr-only" : ""}>{column.name}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row" className={isFaint?.(row) ? "is-faint" : ""} onClick={onRow && (() => onRow(row))}>
            {columns.map((column, at) => (
              <td key={column.name} role="cell" className={column.isNumber ? "is-number" : ""} data-name={at === 0 || column.isBare ? undefined : column.name}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export interface PagedTableProps<T> extends Omit<TableProps<T>, "rows"> {
  readonly paged: Paged<T>;
  /** Stands in place of the table when there is no row. */
  readonly empty: ReactNode;
}

/** A table whose rows come in parts. */
export function PagedTable<T>({ paged, empty, ...table }: PagedTableProps<T>) {
  const words = useAdminWords();
  const { rows, fault, isLoading, hasMore, more, again } = paged;
  return (
    <div aria-busy={isLoading}>
      {rows === undefined && isLoading && <Skeletons />}
      {rows?.length === 0 && !fault && !hasMore && empty}
      {rows !== undefined && rows.length > 0 && <Table {...table} rows={rows} />}
      {fault && <FaultLine fault={fault} onRetry={rows === undefined ? again : more} />}
      {hasMore && !fault && (
        <button type="button" className="button more" disabled={isLoading} onClick={more}>
          {words(isLoading ? "loading" : "more")}
        </button>
      )}
    </div>
  );
}

export function Skeletons({ count = 5 }: { readonly count?: number }) {
  const words = useAdminWords();
  return (
    <div className="skeletons" role="status" aria-label={words("loading")}>
      {Array.from({ length: count }, (_, at) => (
        <span key={at} className="skeleton" />
      ))}
    </div>
  );
}

/** What went wrong, and a way to try again. */
export function FaultLine({ fault, onRetry }: { readonly fault: Fault; readonly onRetry?: () => void }) {
  const words = useAdminWords();
  return (
    <p className="fault-line" role="alert">
      <Icon name="warn" size={20} />
      <span>{words(wordOfFault(fault), { code: fault.code })}</span>
      {onRetry && (
        <button type="button" className="button is-small" onClick={onRetry}>
          {words("retry")}
        </button>
      )}
    </p>
  );
}

export function Empty({ icon, title, hint }: { readonly icon: IconName; readonly title: string; readonly hint?: string }) {
  return (
    <div className="empty">
      <Icon name={icon} size={36} />
      <strong>{title}</strong>
      {hint && <p>{hint}</p>}
    </div>
  );
}

/** Milliseconds without a key before a search begins. */
const PAUSE_MS = 250;

/** A search field; tells the trimmed text once the typing pauses. */
export function SearchBox({ label, onQuery }: { readonly label: string; readonly onQuery: (query: string) => void }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => onQuery(text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, onQuery]);
  return (
    <label className="search-field">
      <Icon name="search" size={18} />
      <input type="search" value={text} placeholder={label} aria-label={label} onChange={(event) => setText(event.target.value)} autoComplete="off" spellCheck={false} />
    </label>
  );
}

/** How good what a tag says is. */
export type Tone = "plain" | "good" | "bad" | "warn" | "accent";

export const Tag = ({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }) => <span className={`state is-${tone}`}>{children}</span>;

export interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly onChange: (value: T) => void;
}

/** One of a few, all of them visible. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <fieldset className="choices">
      <legend>{label}</legend>
      {options.map(([option, text]) => (
        <label key={option} className={option === value ? "is-on" : ""}>
          <input type="radio" name={label} checked={option === value} onChange={() => onChange(option)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

/** The head of a page: its name, and what can be done on it. */
export function PageHead({ title, hint, children }: { readonly title: string; readonly hint?: string; readonly children?: ReactNode }) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {hint && <p>{hint}</p>}
      </div>
      <div className="page-tools">{children}</div>
    </header>
  );
}
