//! One conversation on the screen: a window of verified history, and what is on its way out.
//!
//! Takes and gives: the engine's answers and the store's rows in; a view out. Invariants: the rows of a view have no hole; a
//! window at the tip follows it, and one that was moved elsewhere stays where it is until it is moved again.

import type { MessageRow, Overlay, Send } from "@tenon/wire";
import type { HistoryAnswer, HistoryWant } from "./engine/speech.js";
import type { Port } from "./host.js";
import { compare, max, min, U64_MAX } from "./numbers.js";
import { isHidden } from "./overlay.js";
import { Thread } from "./thread.js";
import { Value } from "./value.js";

/** Rows of one page. */
const PAGE = 50;
/** Rows of a page that covers a window again. */
const COVER_PAGE = 100;
/** Rows read from the store at once. */
const READ_MAX = 2_000;
/** Rows shown before a message that was jumped to. */
const BEFORE_JUMP = 25n;
/** A window that follows a flood gives its oldest rows back above the first number, down to the second. */
const FOLLOWED_MAX = 2_000;
const FOLLOWED_KEPT = 1_000;

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
  /** Nothing lies below the last row but what is on its way out. */
  readonly isTip: boolean;
  readonly isLoading: boolean;
  /** False while the rows are only what happens to be stored. */
  readonly isVerified: boolean;
}

/** Rows of the page that a jump reads: some before the message, more after it. */
const JUMP_PAGE = 75;

/** True if a page that was read downwards from older to newer came to the newest message. */
const endsAtTip = (answer: HistoryAnswer, limit: number): boolean => answer.lo > answer.hi || answer.hi - answer.lo + 1n < BigInt(limit);

const EMPTY_VIEW: TimelineView = { rows: [], outgoing: [], isFloor: false, isTip: true, isLoading: true, isVerified: false };

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
  private newer: Promise<void> | undefined;
  private isFollowing = true;
  /** Rises when the window is moved: an answer for the place before is dropped. */
  private place = 0;
  private isClosed = false;
  private readonly threads = new Set<Thread>();

  constructor(
    readonly conv: bigint,
    private readonly port: () => Port,
    private readonly outgoing: () => readonly Outgoing[],
  ) {
    void this.begin();
  }

  /** Rows `lo..=hi` of this conversation changed. */
  changed(lo = 0n, hi = U64_MAX): void {
    for (const thread of this.threads) thread.changed(lo, hi);
    // What lies above the window is read when the window comes there.
    if (this.range !== undefined && hi < this.range.lo) return;
    this.note(lo, hi);
    void this.refresh();
  }

  /** Another engine answers, and its store may have given rows up: what the window shows is had again before it is read. */
  async renewed(): Promise<void> {
    this.place += 1;
    const mine = this.place;
    const isWhole = await this.cover();
    if (mine !== this.place) return;
    if (!isWhole) {
      this.range = undefined;
      this.show({ isTip: true });
    }
    this.changed();
  }

  /** The list of outgoing messages changed. */
  outgoingChanged(): void {
    this.show({});
    for (const thread of this.threads) thread.outgoingChanged();
  }

  /** The thread of a message, looked for in the whole archive; close it when it is not shown any more. */
  openThread(seq: bigint): Thread {
    const { conv, port, outgoing } = this;
    const thread = new Thread({ conv, seq, port, nearby: this.view.get().rows, outgoing, closed: (one) => this.threads.delete(one) });
    this.threads.add(thread);
    return thread;
  }

  /** Reads one page above the first row; resolves when it is shown or cannot be had now. */
  loadOlder(): Promise<void> {
    const range = this.range;
    if (range === undefined || this.view.get().isFloor) return Promise.resolve();
    this.older ??= this.page(range.lo).finally(() => (this.older = undefined));
    return this.older;
  }

  /** Reads one page below the last row of a window that was moved from the tip. */
  loadNewer(): Promise<void> {
    const range = this.range;
    if (range === undefined || this.view.get().isTip) return Promise.resolve();
    this.newer ??= this.pageBelow(range.hi).finally(() => (this.newer = undefined));
    return this.newer;
  }

  /** Moves the window to a message; false if its page cannot be had now. */
  async jumpTo(seq: bigint): Promise<boolean> {
    const rows = this.view.get().rows;
    if ((rows[0]?.seq ?? seq + 1n) <= seq && seq <= (rows.at(-1)?.seq ?? 0n)) return true;
    this.place += 1;
    const mine = this.place;
    this.show({ isLoading: true });
    const from = seq > BEFORE_JUMP ? seq - BEFORE_JUMP : 0n;
    const answer = await this.ask({ aboveSeq: from, belowSeq: 0n, limit: JUMP_PAGE, isUpward: true });
    if (mine !== this.place) return false;
    if (answer === undefined || answer.lo > answer.hi) {
      this.show({ isLoading: false });
      return false;
    }
    this.range = { lo: answer.lo, hi: answer.hi };
    this.show({ isTip: endsAtTip(answer, JUMP_PAGE) });
    await this.read(0n, U64_MAX, answer.isFloor && from === 0n);
    return mine === this.place;
  }

  /** Moves the window back to the newest messages. */
  async toTip(): Promise<void> {
    if (this.view.get().isTip) return;
    this.place += 1;
    const mine = this.place;
    const answer = await this.history(0n);
    if (answer === undefined || mine !== this.place) return;
    this.range = undefined;
    this.show({ isTip: true });
    await this.takeNewest(answer, { lo: 0n, hi: U64_MAX });
  }

  /** Says whether the reader is at the end. While he is not, nothing that he may be looking at is given back. */
  follow(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
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

  /** Asks for everything between the ends of the window; false if a part of it cannot be had now. */
  private async cover(): Promise<boolean> {
    const { range, place } = this;
    for (let above = (range?.lo ?? 1n) - 1n; range !== undefined && above < range.hi; ) {
      const answer = await this.ask({ aboveSeq: above, belowSeq: range.hi + 1n, limit: COVER_PAGE, isUpward: true });
      if (place !== this.place || answer === undefined || answer.hi <= above) return false;
      above = answer.hi;
    }
    return true;
  }

  private note(lo: bigint, hi: bigint): void {
    this.dirty = this.dirty ? { lo: min(lo, this.dirty.lo), hi: max(hi, this.dirty.hi) } : { lo, hi };
  }

  private async refresh(): Promise<void> {
    if (this.isRefreshing || this.isClosed) return;
    this.isRefreshing = true;
    try {
      while (this.dirty && !this.isClosed) {
        const { dirty, place } = this;
        this.dirty = undefined;
        if (!this.view.get().isTip) {
          await this.read(dirty.lo, dirty.hi, this.view.get().isFloor);
          continue;
        }
        const answer = await this.history(0n);
        if (place !== this.place || !this.view.get().isTip) {
          // The window was moved meanwhile: the change is read where it stands now.
          this.note(dirty.lo, dirty.hi);
          continue;
        }
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
    // What came meanwhile is more than a page: a reader further up keeps what he reads, and goes on from there.
    if (held !== undefined && held.lo <= held.hi && !joins && !isEmpty && answer.lo > held.hi && !this.isFollowing) return this.show({ isTip: false, isLoading: false });
    if (isEmpty) this.range = held ?? { lo: 1n, hi: 0n };
    else this.range = joins ? { lo: min(held.lo, answer.lo), hi: answer.hi } : { lo: answer.lo, hi: answer.hi };
    const isFloor = joins && held.lo <= answer.lo ? this.view.get().isFloor || answer.isFloor : answer.isFloor;
    // Unchanged rows below the old end are not read again.
    const lo = joins && answer.lo >= held.lo ? min(dirty.lo, held.hi + 1n) : 0n;
    await this.read(lo, U64_MAX, this.trim() ? false : isFloor);
  }

  /** Gives the oldest rows of a long window back while nobody reads them; true if it did. */
  private trim(): boolean {
    const first = this.rows.length > FOLLOWED_MAX && this.isFollowing ? this.rows.at(-FOLLOWED_KEPT) : undefined;
    if (first === undefined || this.range === undefined || this.older !== undefined) return false;
    this.range = { ...this.range, lo: first.seq };
    return true;
  }

  private async pageBelow(above: bigint): Promise<void> {
    const { place } = this;
    this.show({ isLoading: true });
    const answer = await this.ask({ aboveSeq: above, belowSeq: 0n, limit: PAGE, isUpward: true });
    if (place !== this.place) return;
    if (answer === undefined || this.range === undefined) return this.show({ isLoading: false });
    if (answer.lo <= answer.hi) this.range = { lo: this.range.lo, hi: max(answer.hi, this.range.hi) };
    this.show({ isTip: endsAtTip(answer, PAGE) });
    await this.read(above + 1n, U64_MAX, this.view.get().isFloor);
    // What came since is told again once the window follows the tip.
    if (this.view.get().isTip) this.changed(above + 1n);
  }

  private async page(below: bigint): Promise<void> {
    const { place } = this;
    this.show({ isLoading: true });
    const answer = await this.history(below);
    if (place !== this.place) return;
    if (answer === undefined || this.range === undefined) return this.show({ isLoading: false });
    if (answer.lo <= answer.hi) this.range = { lo: min(answer.lo, this.range.lo), hi: max(answer.hi, this.range.hi) };
    await this.read(answer.lo, below - 1n, answer.isFloor);
  }

  private history(belowSeq: bigint): Promise<HistoryAnswer | undefined> {
    return this.ask({ aboveSeq: 0n, belowSeq, limit: PAGE, isUpward: false });
  }

  private async ask(which: Omit<HistoryWant, "conv">): Promise<HistoryAnswer | undefined> {
    const want = { conv: this.conv, ...which };
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
    // Away from the tip there is no place for what is on its way.
    const outgoing = next.isTip ? this.outgoing().filter((one) => one.seq === 0n || !shown.has(one.seq)) : [];
    this.view.set({ ...next, rows, outgoing });
    if (change.rows) for (const thread of this.threads) thread.near(rows);
  }
}
