//! The list of conversations in its order, kept up to date line by line, and what is unread in it.
//!
//! Takes lines and the ids of those that went; gives arrays that are never changed afterwards. Invariants: the order is what
//! sorting all lines would give, and a change of a few lines copies the array once and moves only them; totals are sums over
//! all lines that are held. Not here: where lines come from.

import type { ListLine } from "./engine/speech.js";
import { compare } from "./numbers.js";

/** Changes of more lines than this are merged as a whole instead of one by one. */
const FEW = 64;
/** `Summary.notify` of a conversation that is muted. */
const NOTIFY_NONE = 2;

/** Sums over the lines that are shown. */
export interface ListTotals {
  /** All of them. */
  readonly lines: number;
  /** Those with something to read, or marked as unread by the user. */
  readonly unreadLines: number;
  /** The same without muted ones. */
  readonly loudLines: number;
  /** Those with unread messages, without muted ones. */
  readonly conversations: number;
  /** Unread messages, without muted conversations. */
  readonly count: bigint;
  /** Those in which somebody mentioned the user above his read mark, without muted ones. */
  readonly mentions: number;
}

/** Of an empty list. */
export const NO_TOTALS: ListTotals = { lines: 0, unreadLines: 0, loudLines: 0, conversations: 0, count: 0n, mentions: 0 };

/** True if the two say the same. */
export const isSameTotals = (a: ListTotals, b: ListTotals): boolean => (Object.keys(NO_TOTALS) as (keyof ListTotals)[]).every((name) => a[name] === b[name]);

/** The part of a line that decides about its place. */
export type Placed = Pick<ListLine, "conv" | "sortTs" | "summary">;

/** 0 pinned, 1 others, 2 hidden: those are not shown. */
export const shelfOf = ({ summary }: Pick<ListLine, "summary">): 0 | 1 | 2 => (summary?.hidden ? 2 : summary?.pinned ? 0 : 1);

/** Pinned first, hidden last, the newest first on each shelf. No two lines are equal. */
export const inListOrder = (a: Placed, b: Placed): number => shelfOf(a) - shelfOf(b) || compare(b.sortTs, a.sortTs) || compare(a.conv, b.conv);

/** Index of the first line that does not stand before `line`. */
function placeOf(lines: readonly Placed[], line: Placed): number {
  let [lo, hi] = [0, lines.length];
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    const at = lines[middle];
    if (at !== undefined && inListOrder(at, line) < 0) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

/** Both are in order; so is the result. Most of `a` is copied without being compared. */
function merged(a: readonly ListLine[], b: readonly ListLine[]): ListLine[] {
  const parts: (readonly ListLine[])[] = [];
  let from = 0;
  for (const line of b) {
    const at = placeOf(a, line);
    parts.push(a.slice(from, at), [line]);
    from = at;
  }
  return [...parts, a.slice(from)].flat();
}

/** Lines in their order. */
export class LineList {
  private readonly held = new Map<bigint, ListLine>();
  private sorted: readonly ListLine[] = [];
  private shown: readonly ListLine[] | undefined;

  get size(): number {
    return this.held.size;
  }

  get(conv: bigint): ListLine | undefined {
    return this.held.get(conv);
  }

  convs(): IterableIterator<bigint> {
    return this.held.keys();
  }

  /** All lines but hidden ones; the same array until something changes. */
  visible(): readonly ListLine[] {
    const { sorted } = this;
    const last = sorted.at(-1);
    if (last === undefined || shelfOf(last) !== 2) return sorted;
    this.shown ??= sorted.slice(0, sorted.findIndex((line) => shelfOf(line) === 2));
    return this.shown;
  }

  /** Up to `limit` lines that stand behind `line`, or the first ones; hidden ones come at the end. */
  behind(line: Placed | undefined, limit: number): ListLine[] {
    const at = line === undefined ? 0 : placeOf(this.sorted, line);
    const from = line !== undefined && this.sorted[at]?.conv === line.conv ? at + 1 : at;
    return this.sorted.slice(from, from + limit);
  }

  /** Takes lines as they are now, and forgets those of `gone`. */
  take(lines: readonly ListLine[], gone: readonly bigint[]): void {
    const changed = new Map<bigint, ListLine | undefined>(lines.map((line) => [line.conv, line]));
    for (const conv of gone) if (this.held.has(conv) || changed.has(conv)) changed.set(conv, undefined);
    if (changed.size === 0) return;
    this.shown = undefined;
    this.sorted = changed.size <= FEW ? this.moved(changed) : this.rebuilt(changed);
    for (const [conv, line] of changed) {
      if (line === undefined) this.held.delete(conv);
      else this.held.set(conv, line);
    }
  }

  private moved(changed: ReadonlyMap<bigint, ListLine | undefined>): ListLine[] {
    const next = this.sorted.slice();
    for (const [conv, line] of changed) {
      const before = this.held.get(conv);
      const at = before === undefined ? -1 : placeOf(next, before);
      if (before !== undefined && line !== undefined && inListOrder(before, line) === 0) next[at] = line;
      else {
        if (before !== undefined) next.splice(at, 1);
        if (line !== undefined) next.splice(placeOf(next, line), 0, line);
      }
    }
    return next;
  }

  private rebuilt(changed: ReadonlyMap<bigint, ListLine | undefined>): ListLine[] {
    const kept = this.sorted.filter((line) => !changed.has(line.conv));
    const news = [...changed.values()].filter((line) => line !== undefined).sort(inListOrder);
    return merged(kept, news);
  }
}

/** What one line adds to the totals; lines that add the same share one object. */
interface Share {
  readonly unread: bigint;
  readonly isUnread: boolean;
  readonly isLoud: boolean;
  readonly isMentioned: boolean;
}

const QUIET: Share = { unread: 0n, isUnread: false, isLoud: true, isMentioned: false };

function shareOf(line: ListLine): Share | undefined {
  if (shelfOf(line) === 2) return undefined;
  const isUnread = line.unread > 0n || (line.summary?.markedUnread ?? false);
  if (!isUnread) return QUIET;
  return { unread: line.unread, isUnread, isLoud: line.summary?.notify !== NOTIFY_NONE, isMentioned: line.unread > 0n && line.mentionSeq > line.readSeq };
}

/** Totals, kept up to date line by line. */
export class Tally {
  private readonly shares = new Map<bigint, Share>();
  private held = NO_TOTALS;

  /** The totals; the same object while they say the same. */
  get totals(): ListTotals {
    return this.held;
  }

  /** Takes a line as it is now; `undefined`: it went. */
  take(conv: bigint, line: ListLine | undefined): void {
    const before = this.shares.get(conv);
    const after = line && shareOf(line);
    if (after === undefined) this.shares.delete(conv);
    else this.shares.set(conv, after);
    const next = added(added(this.held, before, -1), after, 1);
    if (!isSameTotals(next, this.held)) this.held = next;
  }
}

function added(totals: ListTotals, share: Share | undefined, by: 1 | -1): ListTotals {
  if (share === undefined) return totals;
  const { lines, unreadLines, loudLines, conversations, count, mentions } = totals;
  if (!share.isUnread) return { ...totals, lines: lines + by };
  const isCounted = share.isLoud && share.unread > 0n;
  return {
    lines: lines + by,
    unreadLines: unreadLines + by,
    loudLines: loudLines + (share.isLoud ? by : 0),
    conversations: conversations + (isCounted ? by : 0),
    count: count + (isCounted ? share.unread * BigInt(by) : 0n),
    mentions: mentions + (isCounted && share.isMentioned ? by : 0),
  };
}
