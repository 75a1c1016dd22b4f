//! Where the entries of a long list stand when most of them were never drawn.
//!
//! Takes and gives: entries with keys and guessed heights in; heights that were measured in; tops, the entry at a height, and
//! the place that keeps an anchor where it was out. All lengths are CSS pixels.
//! Invariants: tops rise; a measured height is kept as long as its entry is in the list; an update costs one pass over numbers.
//! Not here: the page (message-window), what an entry is (entries).

/** What the layout knows of an entry. */
export interface Placed {
  readonly key: string;
}

/** An entry and how far its top lies above the top of the screen (negative: below). */
export interface Anchor {
  readonly key: string;
  readonly delta: number;
  /** Where the entry was found last; a hint. */
  readonly index: number;
}

/** Heights and tops of a list. */
export class Layout<T extends Placed> {
  private entries: readonly T[] = [];
  private heights = new Float64Array(0);
  private isMeasured = new Uint8Array(0);
  /** `tops[i]` for every entry, and the height of the whole at the end; right below `dirtyFrom`. */
  private tops = new Float64Array(1);
  private dirtyFrom = 0;

  constructor(private readonly guess: (entry: T) => number) {}

  get length(): number {
    return this.entries.length;
  }

  /** Height of the whole list. */
  get total(): number {
    this.settle();
    return this.tops[this.entries.length] ?? 0;
  }

  /** Takes the list anew; entries with the key they had at the same end of the list keep what is known of them. */
  update(entries: readonly T[]): void {
    const before = this.entries;
    if (before === entries) return;
    const most = Math.min(before.length, entries.length);
    let head = 0;
    while (head < most && same(before[head], entries[head])) head += 1;
    let tail = 0;
    while (tail < most - head && same(before[before.length - 1 - tail], entries[entries.length - 1 - tail])) tail += 1;
    const known = new Map<string, number>();
    for (let i = head; i < before.length - tail; i++) if (this.isMeasured[i] === 1) known.set(before[i]?.key ?? "", this.heights[i] ?? 0);
    const heights = new Float64Array(entries.length);
    const isMeasured = new Uint8Array(entries.length);
    heights.set(this.heights.subarray(0, head));
    isMeasured.set(this.isMeasured.subarray(0, head));
    heights.set(this.heights.subarray(before.length - tail), entries.length - tail);
    isMeasured.set(this.isMeasured.subarray(before.length - tail), entries.length - tail);
    for (let i = head; i < entries.length - tail; i++) {
      const entry = entries[i] as T;
      const height = known.get(entry.key);
      heights[i] = height ?? this.guess(entry);
      isMeasured[i] = height === undefined ? 0 : 1;
    }
    this.entries = entries;
    this.heights = heights;
    this.isMeasured = isMeasured;
    this.tops = new Float64Array(entries.length + 1);
    this.dirtyFrom = 0;
  }

  /** Takes a measured height; true if that moves what stands below. */
  measure(index: number, height: number): boolean {
    if (index < 0 || index >= this.entries.length) return false;
    const isNews = Math.abs((this.heights[index] ?? 0) - height) >= 0.5;
    this.isMeasured[index] = 1;
    if (!isNews) return false;
    this.heights[index] = height;
    this.dirtyFrom = Math.min(this.dirtyFrom, index);
    return true;
  }

  /** Forgets that anything was measured: the width changed. The heights stay as guesses. */
  loosen(): void {
    this.isMeasured.fill(0);
  }

  at(index: number): T | undefined {
    return this.entries[index];
  }

  topOf(index: number): number {
    this.settle();
    return this.tops[Math.max(0, Math.min(index, this.entries.length))] ?? 0;
  }

  heightOf(index: number): number {
    return this.heights[index] ?? 0;
  }

  /** The entry that covers height `y`; the first or last one outside the list, 0 of an empty one. */
  indexAt(y: number): number {
    this.settle();
    let lo = 0;
    let hi = this.entries.length - 1;
    while (lo < hi) {
      const middle = (lo + hi + 1) >> 1;
      if ((this.tops[middle] ?? 0) <= y) lo = middle;
      else hi = middle - 1;
    }
    return Math.max(0, lo);
  }

  /** The place of a key, -1 if it is not there. `hint`: where it may be, counted from either end of a list of `length` entries. */
  indexOf(key: string, hint = -1, length = this.entries.length): number {
    for (const guess of [hint, hint + this.entries.length - length]) if (this.entries[guess]?.key === key) return guess;
    return this.entries.findIndex((entry) => entry.key === key);
  }

  /** What to hold on to while the list changes: the first entry in `top..bottom` that `may` be held. */
  anchorAt(top: number, bottom: number, may: (entry: T) => boolean): Anchor | undefined {
    for (let index = this.indexAt(top); index < this.entries.length && this.topOf(index) < bottom; index++) {
      const entry = this.entries[index];
      if (entry && may(entry)) return { key: entry.key, delta: top - this.topOf(index), index };
    }
    return undefined;
  }

  /** Which entries to draw for a screen of `top..bottom` with `over` pixels more at both sides; `to` is not drawn. */
  range(top: number, bottom: number, over: number): { readonly from: number; readonly to: number } {
    if (this.entries.length === 0) return { from: 0, to: 0 };
    return { from: this.indexAt(top - over), to: this.indexAt(bottom + over) + 1 };
  }

  private settle(): void {
    const { heights, tops } = this;
    const count = this.entries.length;
    if (this.dirtyFrom > count) return;
    let top = this.dirtyFrom === 0 ? 0 : (tops[this.dirtyFrom] ?? 0);
    for (let i = this.dirtyFrom; i < count; i++) {
      tops[i] = top;
      top += heights[i] ?? 0;
    }
    tops[count] = top;
    this.dirtyFrom = count + 1;
  }
}

const same = (a: Placed | undefined, b: Placed | undefined): boolean => a === b || a?.key === b?.key;
