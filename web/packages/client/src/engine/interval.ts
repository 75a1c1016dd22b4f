//! The set of verified history of one conversation.

import type { IntervalRow } from "../rows.js";
import { min } from "../numbers.js";

/** Disjoint intervals by `lo`. One is current if its `vrev` is not below the conversation's `breakRev`. */
export class IntervalSet {
  /** `held` must be disjoint and rising. */
  constructor(private held: IntervalRow[] = []) {}

  /** The intervals by `lo`. */
  rows(): IntervalRow[] {
    return this.held.map((row) => ({ ...row }));
  }

  get isEmpty(): boolean {
    return this.held.length === 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.held = [];
  }

  /** Adds `lo..=hi` as of `vrev`: it replaces what it overlaps and joins what it touches, if that is current.
   * The joined interval is as old as its oldest part. An empty range is ignored. */
  add(lo: bigint, hi: bigint, vrev: bigint, breakRev: bigint): void {
    if (lo === 0n || lo > hi) return;
    this.cut(lo, hi);
    let row: IntervalRow = { lo, hi, vrev };
    const joins = (other: IntervalRow | undefined): other is IntervalRow => other !== undefined && other.vrev >= breakRev && vrev >= breakRev;
    const below = this.held.find((other) => other.hi + 1n === lo);
    if (joins(below)) {
      this.held = this.held.filter((other) => other !== below);
      row = { lo: below.lo, hi: row.hi, vrev: min(row.vrev, below.vrev) };
    }
    const above = this.held.find((other) => hi + 1n === other.lo);
    if (joins(above)) {
      this.held = this.held.filter((other) => other !== above);
      row = { lo: row.lo, hi: above.hi, vrev: min(row.vrev, above.vrev) };
    }
    const at = this.held.findIndex((other) => other.lo > row.lo);
    this.held.splice(at < 0 ? this.held.length : at, 0, row);
  }

  /** A new message `seq` as of `rev`: extends the current interval that ends right below it, else stands alone. */
  extend(seq: bigint, rev: bigint, breakRev: bigint): void {
    const below = this.held.find((row) => row.hi + 1n === seq);
    if (below && below.vrev >= breakRev) this.add(below.lo, seq, below.vrev, breakRev);
    else if (!this.held.some((row) => row.lo <= seq && seq <= row.hi)) this.add(seq, seq, rev, breakRev);
  }

  /** Takes `lo..=hi` out, splitting what reaches over it. */
  cut(lo: bigint, hi: bigint): void {
    this.held = this.held.flatMap((row) => {
      if (row.hi < lo || row.lo > hi) return [row];
      const parts: IntervalRow[] = [];
      if (row.lo < lo) parts.push({ ...row, hi: lo - 1n });
      if (row.hi > hi) parts.push({ ...row, lo: hi + 1n });
      return parts;
    });
  }

  /** The current interval that holds `seq`. */
  around(seq: bigint, breakRev: bigint): IntervalRow | undefined {
    return this.held.find((row) => row.lo <= seq && seq <= row.hi && row.vrev >= breakRev);
  }

  /** The lowest seq such that everything from it up to `hi` is current; `undefined` if `hi` itself is not. */
  reachDown(hi: bigint, breakRev: bigint): bigint | undefined {
    let lo = this.around(hi, breakRev)?.lo;
    while (lo !== undefined && lo > 0n) {
      const below = this.around(lo - 1n, breakRev);
      if (below === undefined) break;
      lo = below.lo;
    }
    return lo;
  }

  /** The highest seq such that everything from `lo` up to it is current; `undefined` if `lo` itself is not. */
  reachUp(lo: bigint, breakRev: bigint): bigint | undefined {
    let hi = this.around(lo, breakRev)?.hi;
    while (hi !== undefined) {
      const above = this.around(hi + 1n, breakRev);
      if (above === undefined) break;
      hi = above.hi;
    }
    return hi;
  }
}
