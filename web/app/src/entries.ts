//! What stands in a chat, from top to bottom: days, the line above what is new, messages in groups.

import type { Outgoing } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { isSameDay } from "./time.js";

/** Messages of one person within this time stand together. */
const GROUP_MS = 5 * 60_000;

/** One thing in a chat. */
export type Entry =
  | { readonly type: "day"; readonly key: string; readonly ms: number }
  | { readonly type: "new"; readonly key: string }
  | { readonly type: "row"; readonly key: string; readonly row: MessageRow; readonly isFirst: boolean; readonly isLast: boolean }
  | { readonly type: "outgoing"; readonly key: string; readonly outgoing: Outgoing; readonly isFirst: boolean; readonly isLast: boolean };

/** The line above what is new stands above this row. */
type FirstNew = MessageRow | undefined;

interface Line {
  readonly sender: bigint;
  readonly ms: number;
  readonly row?: MessageRow;
  readonly outgoing?: Outgoing;
}

const joins = (a: Line | undefined, b: Line | undefined): boolean =>
  a !== undefined && b !== undefined && a.sender === b.sender && b.ms - a.ms < GROUP_MS && isSameDay(a.ms, b.ms);

const lineOf = (row: MessageRow): Line => ({ sender: row.sender, ms: Number(row.ts), row });

function put(entries: Entry[], before: Line | undefined, line: Line, next: Line | undefined, firstNew: FirstNew): void {
  const hasDay = before === undefined || !isSameDay(before.ms, line.ms);
  if (hasDay) entries.push({ type: "day", key: `day/${line.row?.seq ?? line.outgoing?.local}`, ms: line.ms });
  const isNew = firstNew !== undefined && line.row === firstNew;
  if (isNew) entries.push({ type: "new", key: "new" });
  const isFirst = isNew || !joins(before, line);
  const isLast = !joins(line, next) || (firstNew !== undefined && next?.row === firstNew);
  if (line.row) entries.push({ type: "row", key: `seq/${line.row.seq}`, row: line.row, isFirst, isLast });
  else if (line.outgoing) entries.push({ type: "outgoing", key: `out/${line.outgoing.local}`, outgoing: line.outgoing, isFirst, isLast });
}

/** The lowest row above the mark that counts and that somebody else wrote; none while rows between the mark and the window are missing. */
function firstNewOf({ rows, me, newAbove, newAboveCnt = -1n, isFloor }: Omit<EntriesOf, "outgoing">): FirstNew {
  if (newAbove === undefined || !reachesMark(rows, { newAbove, newAboveCnt, isFloor })) return undefined;
  for (let at = indexOf(rows, newAbove + 1n); at < rows.length; at++) {
    const row = rows[at];
    if (row && row.sender !== me && row.cnt > newAboveCnt) return row;
  }
  return undefined;
}

/** True if nothing that is new lies above the rows. */
export function reachesMark(rows: readonly MessageRow[], mark: { readonly newAbove: bigint; readonly newAboveCnt: bigint; readonly isFloor: boolean }): boolean {
  const [first] = rows;
  return first !== undefined && (mark.isFloor || first.seq <= mark.newAbove + 1n || first.cnt <= mark.newAboveCnt);
}

/** What decides the entries of a timeline. */
export interface EntriesOf {
  readonly rows: readonly MessageRow[];
  readonly outgoing: readonly Outgoing[];
  readonly me: bigint;
  /** The read mark when the chat was opened, if anything lay above it. */
  readonly newAbove: bigint | undefined;
  /** What was counted up to here when the chat was opened is read: the rows of an archive lie above the mark and are not new. */
  readonly newAboveCnt?: bigint;
  /** Nothing lies above the first row. */
  readonly isFloor: boolean;
}

/** Entries of one timeline; a change at an end of it costs no more than the rows that are new. */
export class EntryBook {
  private rows: readonly MessageRow[] = [];
  private firstNew: FirstNew;
  /** Entries of the rows, without what is on its way. */
  private entries: readonly Entry[] = [];
  /** Where the entries of each row begin. */
  private starts: readonly number[] = [];

  /** Entries that did not change are the objects they were. */
  take(of: EntriesOf): Entry[] {
    const { rows, outgoing, me } = of;
    const firstNew = firstNewOf(of);
    // Changes at both ends are taken one after the other, so that what lies between stays.
    const held = this.rows[0]?.seq;
    if (held !== undefined && (rows[0]?.seq ?? held) < held) this.takeRows(rows.slice(indexOf(rows, held)), firstNew);
    this.takeRows(rows, firstNew);
    const lines = outgoing.map((one): Line => ({ sender: me, ms: one.atMs, outgoing: one }));
    const last = rows.at(-1);
    const entries = [...this.entries];
    if (last !== undefined && lines.length > 0) {
      entries.length = this.starts.at(-1) ?? 0;
      const before = rows.at(-2);
      put(entries, before && lineOf(before), lineOf(last), lines[0], this.firstNew);
    }
    lines.forEach((line, index) => put(entries, lines[index - 1] ?? (last && lineOf(last)), line, lines[index + 1], this.firstNew));
    return entries;
  }

  private takeRows(rows: readonly MessageRow[], firstNew: FirstNew): void {
    const before = this.rows;
    if (before === rows && firstNew === this.firstNew) return;
    const isSameLine = firstNew === this.firstNew;
    const most = isSameLine ? Math.min(before.length, rows.length) : 0;
    let head = 0;
    while (head < most && before[head] === rows[head]) head += 1;
    let tail = 0;
    while (tail < most - head && before[before.length - 1 - tail] === rows[rows.length - 1 - tail]) tail += 1;
    // The last row of the head and the first of the tail have new neighbours, unless nothing changed there.
    const keptHead = Math.max(0, head - 1);
    const keptTail = Math.max(0, tail - 1);
    const headEnd = keptHead < before.length ? (this.starts[keptHead] ?? 0) : this.entries.length;
    const tailStart = keptTail === 0 ? this.entries.length : (this.starts[before.length - keptTail] ?? 0);
    const entries = this.entries.slice(0, headEnd);
    const starts = this.starts.slice(0, keptHead);
    for (let i = keptHead; i < rows.length - keptTail; i++) {
      starts.push(entries.length);
      const [above, row, below] = [rows[i - 1], rows[i] as MessageRow, rows[i + 1]];
      put(entries, above && lineOf(above), lineOf(row), below && lineOf(below), firstNew);
    }
    const shift = entries.length - tailStart;
    for (let i = before.length - keptTail; i < before.length; i++) starts.push((this.starts[i] ?? 0) + shift);
    this.entries = keptTail === 0 ? entries : entries.concat(this.entries.slice(tailStart));
    this.starts = starts;
    this.rows = rows;
    this.firstNew = firstNew;
  }
}

/** The entries of a timeline that is looked at once. */
export const entriesOf = (rows: readonly MessageRow[], outgoing: readonly Outgoing[], me: bigint, newAbove: bigint | undefined): Entry[] =>
  new EntryBook().take({ rows, outgoing, me, newAbove, isFloor: true });

/** The message that a thread began with, as far as `bySeq` reaches. */
export function rootOf(row: MessageRow, bySeq: (seq: bigint) => MessageRow | undefined): bigint {
  let root = row.seq;
  for (let at: MessageRow | undefined = row; at !== undefined && at.replySeq > 0n && at.replySeq < at.seq; at = bySeq(at.replySeq)) root = at.replySeq;
  return root;
}

/** Index of the first row that is not below `seq`, in rows by rising seq. */
function indexOf(rows: readonly MessageRow[], seq: bigint): number {
  let [lo, hi] = [0, rows.length];
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if ((rows[middle]?.seq ?? 0n) < seq) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

/** The row of a seq in rows by rising seq. */
export function rowOf(rows: readonly MessageRow[], seq: bigint): MessageRow | undefined {
  const found = rows[indexOf(rows, seq)];
  return found?.seq === seq ? found : undefined;
}

/** Number of answers to every message, answers to answers included. */
export function replyCounts(rows: readonly MessageRow[]): Map<bigint, number> {
  const answers = rows.filter((row) => row.replySeq > 0n);
  const counts = new Map<bigint, number>();
  for (const row of answers) {
    const root = rootOf(row, (seq) => rowOf(answers, seq));
    if (root !== row.seq) counts.set(root, (counts.get(root) ?? 0) + 1);
  }
  return counts;
}
