//! Read marks: merged by maximum, stored until they arrived, at most one each few seconds.

import { ReadMark, type ReadMarksAck } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { compare, max, pieces } from "../numbers.js";
import type { ReadPendingRow } from "../rows.js";
import { after } from "./backoff.js";
import type { Now } from "./speech.js";

/** Marks in one frame. */
const MARKS_MAX = 64;

/** Marks on their way. */
export class Reads {
  readonly rows = new Map<bigint, ReadPendingRow>();
  /** When the next mark of a conversation may leave. */
  readonly nextAt = new Map<bigint, number>();
  /** Marks that are on the link, by frame. */
  readonly open = new Map<number, ReadMark[]>();

  linkDown(): void {
    this.open.clear();
  }
}

export function markRead(e: Engine, conv: bigint, upToSeq: bigint, upToPcnt: bigint, now: Now): void {
  const held = e.conversations.get(conv)?.row;
  const isRead = held !== undefined && held.readSeq >= upToSeq && held.readPcnt >= upToPcnt;
  if (conv === 0n || (isRead && !held.summary?.markedUnread)) return;
  const row = e.reads.rows.get(conv);
  e.reads.rows.set(conv, { conv, upToSeq: max(row?.upToSeq ?? 0n, upToSeq), upToPcnt: max(row?.upToPcnt ?? 0n, upToPcnt) });
  e.tx.pending.reads.add(conv);
  if (!e.reads.nextAt.has(conv)) e.reads.nextAt.set(conv, now.mono);
  readsTimeout(e, now);
}

export function readsLinkUp(e: Engine, now: Now): void {
  e.reads.nextAt.clear();
  for (const conv of e.reads.rows.keys()) e.reads.nextAt.set(conv, now.mono);
  readsTimeout(e, now);
}

export function readsDeadline(e: Engine): number | undefined {
  const waiting = [...e.reads.rows.keys()].flatMap((conv) => e.reads.nextAt.get(conv) ?? []);
  return e.link.isLive && waiting.length > 0 ? Math.min(...waiting) : undefined;
}

export function readsTimeout(e: Engine, now: Now): void {
  if (!e.link.isLive) return;
  const due = [...e.reads.rows.values()].filter((row) => (e.reads.nextAt.get(row.conv) ?? 0) <= now.mono);
  const atMs = BigInt(Math.trunc(now.wall));
  const marks = due.sort((a, b) => compare(a.conv, b.conv)).map((row) => ReadMark.of({ ...row, atMs }));
  for (const mark of marks) e.reads.nextAt.set(mark.conv, now.mono + e.config.readPause);
  for (const some of pieces(marks, MARKS_MAX)) e.up({ type: "reads", marks: some });
}

export function transmitReads(e: Engine, marks: ReadMark[]): void {
  const id = e.link.session?.sendReadMarks({ marks });
  if (id !== undefined) e.reads.open.set(id, marks);
}

export function onReadMarksAck(e: Engine, id: number, ack: ReadMarksAck, now: Now): void {
  const marks = e.reads.open.get(id) ?? [];
  e.reads.open.delete(id);
  for (const mark of marks) if (ack.done.includes(mark.conv)) readArrived(e, mark.conv, mark.upToSeq, mark.upToPcnt);
  const wait = after(e.random, ack.retryAfterMs);
  for (const conv of ack.retry) e.reads.nextAt.set(conv, now.mono + wait);
}

/** The mark is at least this far on the server. */
export function readArrived(e: Engine, conv: bigint, readSeq: bigint, readPcnt: bigint): void {
  const row = e.reads.rows.get(conv);
  if (row === undefined || row.upToSeq > readSeq || row.upToPcnt > readPcnt) return;
  e.reads.rows.delete(conv);
  e.reads.nextAt.delete(conv);
  e.tx.pending.reads.add(conv);
}
