//! One conversation on the screen: a window of verified history that ends at the tip, and what is on its way out.

import { flag, type MessageRow, type Overlay, type Send } from "@tenon/wire";
import type { HistoryAnswer } from "./engine/speech.js";
import type { Port } from "./host.js";
import { compare, max, min, U64_MAX } from "./numbers.js";
import { Value } from "./value.js";

/** Rows of one page. */
const PAGE = 50;
/** Rows read from the store at once. */
const READ_MAX = 2_000;

/** A message that has no place in the timeline yet. */
export interface Outgoing {
  readonly local: bigint;
  readonly conv: bigint;
  readonly send: Send;
  readonly atMs: number;
  /** Refused for good, with this wire code. */
  readonly failedCode: number | undefined;
  /** Its place, once the server gave it one. */
  readonly seq: bigint;
}

/** What is to be shown. */
export interface TimelineView {
  /** By rising seq. */
  readonly rows: readonly MessageRow[];
  /** By the order of sending. */
  readonly outgoing: readonly Outgoing[];
  /** Nothing visible lies above the first row. */
  readonly isFloor: boolean;
  readonly isLoading: boolean;
  /** False while the rows are only what happens to be stored. */
  readonly isVerified: boolean;
}

const EMPTY_VIEW: TimelineView = { rows: [], outgoing: [], isFloor: false, isLoading: true, isVerified: false };

/** True if the user deleted the row or cleared it away. */
function isHidden(row: MessageRow, overlay: Overlay | undefined): boolean {
  if (row.flags & flag.HIDDEN) return true;
  return overlay !== undefined && (row.seq <= overlay.clearedToSeq || overlay.deletedSeqs.some((r) => r.lo <= row.seq && row.seq <= r.hi));
}

/** A window that follows its conversation until it is closed. */
export class Timeline {
  readonly view = new Value<TimelineView>(EMPTY_VIEW);
  private range: { lo: bigint; hi: bigint } | undefined;
  private overlay: Overlay | undefined;
  /** Rows of the window by rising seq; a row that did not change stays the same object. */
  private rows: readonly MessageRow[] = [];
  private isRefreshing = false;
  /** Seqs that changed since they were read. */
  private dirty: { lo: bigint; hi: bigint } | undefined;
  private older: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    readonly conv: bigint,
    private readonly port: () => Port,
    private readonly outgoing: () => readonly Outgoing[],
  ) {
    void this.begin();
  }

  /** Rows `lo..=hi` of this conversation changed. */
  changed(lo = 0n, hi = U64_MAX): void {
    this.dirty = this.dirty ? { lo: min(lo, this.dirty.lo), hi: max(hi, this.dirty.hi) } : { lo, hi };
    void this.refresh();
  }

  /** The list of outgoing messages changed. */
  outgoingChanged(): void {
    this.show({});
  }

  /** Reads one page above the first row; resolves when it is shown or cannot be had now. */
  loadOlder(): Promise<void> {
    const range = this.range;
    if (range === undefined || this.view.get().isFloor) return Promise.resolve();
    this.older ??= this.page(range.lo).finally(() => (this.older = undefined));
    return this.older;
  }

  close(): void {
    this.isClosed = true;
  }

  /** What is stored is shown at once; what is verified follows. */
  private async begin(): Promise<void> {
    const rows = await this.port()
      .rows({ conv: this.conv, lo: 0n, hi: U64_MAX, limit: PAGE, isUpward: false })
      .catch(() => []);
    if (this.range === undefined) this.show({ rows, isLoading: rows.length === 0 });
    this.changed();
  }

  private async refresh(): Promise<void> {
    if (this.isRefreshing || this.isClosed) return;
    this.isRefreshing = true;
    try {
      while (this.dirty && !this.isClosed) {
        const { dirty } = this;
        this.dirty = undefined;
        const answer = await this.history(0n);
        if (answer) await this.takeNewest(answer, dirty);
        else if (this.range) await this.read(dirty.lo, dirty.hi, this.view.get().isFloor);
      }
    } finally {
      this.isRefreshing = false;
    }
  }

  private async takeNewest(answer: HistoryAnswer, dirty: { lo: bigint; hi: bigint }): Promise<void> {
    const held = this.range;
    const joins = held !== undefined && answer.lo <= held.hi + 1n && answer.hi >= held.hi;
    const isEmpty = answer.lo > answer.hi;
    if (isEmpty) this.range = held ?? { lo: 1n, hi: 0n };
    else this.range = joins ? { lo: min(held.lo, answer.lo), hi: answer.hi } : { lo: answer.lo, hi: answer.hi };
    const isFloor = joins && held.lo <= answer.lo ? this.view.get().isFloor || answer.isFloor : answer.isFloor;
    // Unchanged rows below the old end are not read again.
    const lo = joins && answer.lo >= held.lo ? min(dirty.lo, held.hi + 1n) : 0n;
    await this.read(lo, U64_MAX, isFloor);
  }

  private async page(below: bigint): Promise<void> {
    this.show({ isLoading: true });
    const answer = await this.history(below);
    if (answer === undefined || this.range === undefined) return this.show({ isLoading: false });
    if (answer.lo <= answer.hi) this.range = { lo: min(answer.lo, this.range.lo), hi: max(answer.hi, this.range.hi) };
    await this.read(answer.lo, below - 1n, answer.isFloor);
  }

  private async history(belowSeq: bigint): Promise<HistoryAnswer | undefined> {
    const want = { conv: this.conv, aboveSeq: 0n, belowSeq, limit: PAGE, isUpward: false };
    try {
      const answer = await this.port().ask({ type: "history", want });
      if (answer.type !== "history") return undefined;
      this.overlay = answer.history.overlay;
      return answer.history;
    } catch {
      return undefined;
    }
  }

  /** Reads `from..=to` as far as it lies in the window, and puts it in the place of what was there. */
  private async read(from: bigint, to: bigint, isFloor: boolean): Promise<void> {
    const range = this.range ?? { lo: 1n, hi: 0n };
    const [lo, hi] = [max(from, range.lo), min(to, range.hi)];
    const isNothing = lo > hi;
    const read = isNothing ? [] : await this.port().rows({ conv: this.conv, lo, hi, limit: READ_MAX, isUpward: false }).catch(() => undefined);
    if (read === undefined) return this.show({ isLoading: false });
    const kept = this.rows.filter(({ seq }) => seq >= range.lo && seq <= range.hi && (isNothing || seq < lo || seq > hi));
    this.rows = [...kept, ...read].sort((a, b) => compare(a.seq, b.seq));
    this.show({ rows: this.rows, isFloor, isLoading: false, isVerified: true });
  }

  private show(change: Partial<TimelineView>): void {
    if (this.isClosed) return;
    const next = { ...this.view.get(), ...change };
    const rows = change.rows ? change.rows.filter((row) => !isHidden(row, this.overlay)) : next.rows;
    const shown = new Set(rows.map((row) => row.seq));
    const outgoing = this.outgoing().filter((one) => one.seq === 0n || !shown.has(one.seq));
    this.view.set({ ...next, rows, outgoing });
  }
}
