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

interface Line {
  readonly sender: bigint;
  readonly ms: number;
  readonly row?: MessageRow;
  readonly outgoing?: Outgoing;
}

const joins = (a: Line | undefined, b: Line | undefined): boolean =>
  a !== undefined && b !== undefined && a.sender === b.sender && b.ms - a.ms < GROUP_MS && isSameDay(a.ms, b.ms);

/** Puts a timeline in order for the screen. `newAbove` is the read mark when the chat was opened, if anything lay above it. */
export function entriesOf(rows: readonly MessageRow[], outgoing: readonly Outgoing[], me: bigint, newAbove: bigint | undefined): Entry[] {
  const lines: Line[] = [
    ...rows.map((row) => ({ sender: row.sender, ms: Number(row.ts), row })),
    ...outgoing.map((one) => ({ sender: me, ms: one.atMs, outgoing: one })),
  ];
  const firstNew = newAbove !== undefined ? rows.find((row) => row.seq > newAbove && row.sender !== me) : undefined;
  const entries: Entry[] = [];
  lines.forEach((line, index) => {
    const before = lines[index - 1];
    const hasDay = before === undefined || !isSameDay(before.ms, line.ms);
    if (hasDay) entries.push({ type: "day", key: `day/${line.row?.seq ?? line.outgoing?.local}`, ms: line.ms });
    const isNew = firstNew !== undefined && line.row === firstNew;
    if (isNew) entries.push({ type: "new", key: "new" });
    const next = lines[index + 1];
    const isFirst = isNew || !joins(before, line);
    const isLast = !joins(line, next) || (firstNew !== undefined && next?.row === firstNew);
    if (line.row) entries.push({ type: "row", key: `seq/${line.row.seq}`, row: line.row, isFirst, isLast });
    else if (line.outgoing) entries.push({ type: "outgoing", key: `out/${line.outgoing.local}`, outgoing: line.outgoing, isFirst, isLast });
  });
  return entries;
}

/** The message that a thread began with, as far as `bySeq` reaches. */
export function rootOf(row: MessageRow, bySeq: ReadonlyMap<bigint, MessageRow>): bigint {
  let root = row.seq;
  for (let at: MessageRow | undefined = row; at !== undefined && at.replySeq > 0n && at.replySeq < at.seq; at = bySeq.get(at.replySeq)) root = at.replySeq;
  return root;
}

/** Number of answers to every message, answers to answers included. */
export function replyCounts(rows: readonly MessageRow[]): Map<bigint, number> {
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const counts = new Map<bigint, number>();
  for (const row of rows) {
    const root = rootOf(row, bySeq);
    if (root !== row.seq) counts.set(root, (counts.get(root) ?? 0) + 1);
  }
  return counts;
}
