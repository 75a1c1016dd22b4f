//! Which message rows a full disk gives up: the oldest of the conversations that were opened longest ago.
//!
//! Takes what is held, gives for each conversation up to where it goes. Invariants: at least the share asked for goes; the
//! newest rows of all conversations go last, and of those the very newest, which the list shows, only with a share of 1.
//! Not here: taking rows and intervals out, which is one transaction of the store.

import { compare } from "../numbers.js";
import { IntervalSet } from "../engine/interval.js";
import type { IntervalRow } from "../rows.js";

/** Key of the value that says when a conversation was opened last, Unix milliseconds. */
export const OPENED = "opened/";
/** Rows that a conversation keeps while older ones of others can go: one page. */
const KEPT = 50;

/** What is held of one conversation. */
export interface HeldRows {
  readonly conv: bigint;
  /** Rising. */
  readonly seqs: readonly bigint[];
  /** 0 = never, or not known. */
  readonly openedMs: number;
}

/** Everything of `conv` up to and with `hi` goes. */
export interface Cut {
  readonly conv: bigint;
  readonly hi: bigint;
}

/** Cuts that give up at least `share` (0 to 1) of all rows. */
export function planEviction(held: readonly HeldRows[], share: number): Cut[] {
  const order = [...held].sort((a, b) => a.openedMs - b.openedMs || compare(a.conv, b.conv));
  let owed = Math.ceil(held.reduce((sum, { seqs }) => sum + seqs.length, 0) * Math.min(share, 1));
  const gone = new Map<bigint, number>();
  for (const kept of share >= 1 ? [0] : [KEPT, 1]) {
    for (const { conv, seqs } of order) {
      const before = gone.get(conv) ?? 0;
      const more = Math.max(0, Math.min(seqs.length - kept - before, owed));
      gone.set(conv, before + more);
      owed -= more;
    }
  }
  return order.flatMap(({ conv, seqs }) => {
    const hi = seqs[(gone.get(conv) ?? 0) - 1];
    return hi === undefined ? [] : [{ conv, hi }];
  });
}

/** The intervals that are left above `hi`. */
export function intervalsAbove(rows: readonly IntervalRow[], hi: bigint): IntervalRow[] {
  const set = new IntervalSet([...rows]);
  set.cut(0n, hi);
  return set.rows();
}
