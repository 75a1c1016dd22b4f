//! Who changed what, and when.

import { useCallback, useState } from "react";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import type { AuditEntry } from "./api.js";
import { actorName, isWanted, SUBJECTS, type Subject, subjectOf } from "./audit-filter.js";
import { useDesk } from "./context.js";
import { type Column, Empty, FaultLine, PageHead, SearchBox, Skeletons, Table, Tag } from "./parts.js";
import { usePages } from "./use-pages.js";
import { type AdminWord, type Say, useAdminWords, wordNamed } from "./words.js";

const SUBJECT_WORDS: Record<Subject, AdminWord> = { user: "kindUser", invitation: "kindInvitation", group: "kindGroup", device: "kindDevice", app: "kindApps", server: "kindServer", other: "kindOther" };

/** Characters from which on a text is cut. */
const LONG = 90;

/** What an action is called; its own name if it has none here. */
function deedOf(action: string, words: Say): string {
  const word = wordNamed(action);
  return word === undefined ? action : words(word);
}

export function Audit() {
  const words = useAdminWords();
  const { api } = useDesk();
  const [subject, setSubject] = useState<Subject>();
  const [query, setQuery] = useState("");
  const read = useCallback(
    async (before: string | undefined, signal: AbortSignal) => {
      const { entries, next } = await api.audit({ before }, signal);
      return { rows: entries, next };
    },
    [api],
  );
  const { rows, fault, isLoading, hasMore, more, again } = usePages(read);
  const columns = useColumns();
  const isFiltered = subject !== undefined || query !== "";
  const shown = rows?.filter((entry) => isWanted(entry, deedOf(entry.action, words), subject, query));
  const none = words(isFiltered && rows ? "noAuditFound" : "noAudit", { n: rows?.length ?? 0 });
  return (
    <>
      <PageHead title={words("audit")} hint={words("auditHint")}>
        <label className="select">
          <span className="sr-only">{words("filter")}</span>
          <select value={subject ?? ""} onChange={(event) => setSubject(SUBJECTS.find((one) => one === event.target.value))}>
            <option value="">{words("everything")}</option>
            {SUBJECTS.map((one) => (
              <option key={one} value={one}>
                {words(SUBJECT_WORDS[one])}
              </option>
            ))}
          </select>
        </label>
        <SearchBox label={words("auditSearch")} onQuery={setQuery} />
      </PageHead>
      <div aria-busy={isLoading}>
        {rows === undefined && isLoading && <Skeletons />}
        {shown?.length === 0 && <Empty icon="list" title={none} />}
        {shown !== undefined && shown.length > 0 && <Table label={words("audit")} columns={columns} rows={shown} keyOf={(entry) => entry.entry} />}
        {fault && <FaultLine fault={fault} onRetry={rows === undefined ? again : more} />}
        {hasMore && !fault && (
          <button type="button" className="button more" disabled={isLoading} onClick={more}>
            {words(isLoading ? "loading" : isFiltered ? "searchOlder" : "more")}
          </button>
        )}
      </div>
    </>
  );
}

function useColumns(): readonly Column<AuditEntry>[] {
  const words = useAdminWords();
  const language = useLanguage();
  return [
    { name: words("auditWhen"), cell: (entry) => <span className="when">{moment(entry.at_ms, language)}</span> },
    { name: words("auditWho"), cell: (entry) => actorName(entry.actor) ?? <em className="when">{words("operator")}</em> },
    { name: words("auditWhat"), cell: (entry) => <Tag tone={subjectOf(entry.action) === "user" ? "accent" : "plain"}>{deedOf(entry.action, words)}</Tag> },
    { name: words("auditTarget"), cell: (entry) => entry.target && <Long text={entry.target} /> },
    { name: words("auditDetail"), cell: (entry) => entry.detail && <Long text={entry.detail} /> },
  ];
}

/** A text of which the table shows a few lines, all of it when it is pointed at or opened. */
function Long({ text }: { readonly text: string }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > LONG;
  if (!isLong) return <span className="long">{text}</span>;
  return (
    <button type="button" className={`long${isOpen ? "" : " is-cut"}`} title={text} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
      {text}
    </button>
  );
}
