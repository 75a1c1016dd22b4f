//! A message and everything that answers it, wherever in the archive that stands.
//!
//! Takes and gives: pages of history from the first message down to the newest in; a view out. The protocol has no request
//! for the answers of one message, so the archive is looked through page by page, each a verified stretch that the store keeps.
//! Invariants: everything up to `lookedTo` is looked through, with no hole, and all answers in it are in the view; `all` is
//! said only after the server had nothing newer; one call of `look` asks for at most [`PAGES`] pages. Not here: rows that
//! stand in no conversation order (private messages).

import type { MessageRow, Overlay } from "@tenon/wire";
import type { HistoryAnswer } from "./engine/speech.js";
import type { Port } from "./host.js";
import { compare, max, min, minus, U64_MAX } from "./numbers.js";
import { isHidden } from "./overlay.js";
import type { Outgoing } from "./timeline.js";
import { Value } from "./value.js";

/** Rows of one page: the most that the server gives. */
const PAGE = 100;
/** Pages that one look asks for: 5,000 messages. Whoever wants more says so. */
const PAGES = 50;
/** Steps from an answer up to the first message. */
const CLIMB_MAX = 100;

/** How far the archive was looked through. */
export type ThreadState =
  /** Pages are being read. */
  | "looking"
  /** Enough for once; `look` goes on. */
  | "paused"
  /** The next page cannot be had now; `look` tries again. */
  | "failed"
  /** Every answer there is stands in the view; those that come are added. */
  | "all";

/** What is to be shown. */
export interface ThreadView {
  /** Place of the first message. */
  readonly rootSeq: bigint;
  /** The first message; `undefined` until it is read, or if it is not visible. */
  readonly root: MessageRow | undefined;
  /** Answers by rising seq. Those above `lookedTo` are what happens to be known. */
  readonly rows: readonly MessageRow[];
  /** Answers on their way, by the order of sending. */
  readonly outgoing: readonly Outgoing[];
  readonly state: ThreadState;
  readonly lookedTo: bigint;
  /** When the message at `lookedTo` was written, Unix milliseconds; 0 = not known. */
  readonly lookedToMs: number;
}

/** What a thread needs. */
export interface ThreadOf {
  readonly conv: bigint;
  /** The first message, or any answer. */
  readonly seq: bigint;
  readonly port: () => Port;
  /** Rows at hand. */
  readonly nearby: readonly MessageRow[];
  /** What is on its way out of the conversation. */
  readonly outgoing: () => readonly Outgoing[];
  readonly closed: (thread: Thread) => void;
}

/** A thread that is looked at until it is closed. */
export class Thread {
  readonly view: Value<ThreadView>;
  /** The first message and its answers. */
  private readonly held = new Map<bigint, MessageRow>();
  private overlay: Overlay | undefined;
  private looking: Promise<void> | undefined;
  private isClosed = false;
  /** A change beyond what was looked through came since the last page was asked for. */
  private isBehind = false;
  private isClimbed = false;
  private nearby: readonly MessageRow[] = [];

  constructor(private readonly of: ThreadOf) {
    this.view = new Value<ThreadView>({ rootSeq: of.seq, root: undefined, rows: [], outgoing: [], state: "looking", lookedTo: 0n, lookedToMs: 0 });
    this.nearby = of.nearby;
    void this.look();
  }

  /** Looks through the next stretch of the archive; resolves when it is shown or cannot be had now. */
  look(): Promise<void> {
    this.looking ??= this.run().finally(() => {
      this.looking = undefined;
      if (this.isBehind && this.view.get().state === "all") void this.look();
    });
    return this.looking;
  }

  /** Rows `lo..=hi` of the conversation changed. */
  changed(lo: bigint, hi: bigint): void {
    if (this.isClosed) return;
    // Another engine answers from now on: what was looked through is looked through again.
    if (lo === 0n && hi === U64_MAX) this.show({ lookedTo: 0n, lookedToMs: 0, state: "looking" });
    const { lookedTo, state } = this.view.get();
    if (lo <= lookedTo) void this.reread(lo, min(hi, lookedTo));
    if (hi <= lookedTo) return;
    this.isBehind = true;
    if (state === "all" || state === "looking") void this.look();
    else void this.read(max(lo, lookedTo + 1n), hi);
  }

  /** Rows that the conversation shows: answers among them are shown too. */
  near(rows: readonly MessageRow[]): void {
    this.nearby = rows;
    if (this.isClimbed) this.add(rows);
  }

  /** What is on its way out changed. */
  outgoingChanged(): void {
    this.show({});
  }

  close(): void {
    this.isClosed = true;
    this.of.closed(this);
  }

  private async run(): Promise<void> {
    // Whoever had everything looks for what came since, which is seldom more than a moment's.
    if (this.view.get().state !== "all") this.show({ state: "looking" });
    if (!this.isClimbed && !(await this.climb())) return this.show({ state: "failed" });
    for (let n = 0; n < PAGES && !this.isClosed; n++) {
      this.isBehind = false;
      const before = this.view.get().lookedTo;
      const page = await this.page(before === 0n ? minus(this.view.get().rootSeq, 1n) : before, 0n, PAGE);
      if (this.isClosed) return;
      // Told to begin anew meanwhile.
      if (before !== this.view.get().lookedTo) continue;
      if (page === undefined || !page.answer.isStable) return this.show({ state: "failed" });
      const { lo, hi } = page.answer;
      if (hi - lo + 1n >= BigInt(PAGE)) this.show({ state: "looking" });
      if (lo <= hi) this.take(page.rows, lo, hi);
      else if (!this.isBehind) return this.show({ state: "all" });
    }
    this.show({ state: "paused" });
  }

  /** Finds the first message; false if the server cannot be asked. */
  private async climb(): Promise<boolean> {
    let seq = this.view.get().rootSeq;
    for (let n = 0; n < CLIMB_MAX; n++) {
      const row = await this.one(seq);
      if (row === undefined) return false;
      this.show({ rootSeq: seq });
      if (row === "none") break;
      if (row.replySeq === 0n || row.replySeq >= seq) {
        this.held.set(seq, row);
        break;
      }
      seq = row.replySeq;
    }
    this.isClimbed = true;
    this.add(this.nearby);
    return true;
  }

  private async one(seq: bigint): Promise<MessageRow | "none" | undefined> {
    const held = this.nearby.find((row) => row.seq === seq);
    if (held) return held;
    const page = await this.page(seq - 1n, seq + 1n, 1);
    return page && (page.rows.find((row) => row.seq === seq) ?? "none");
  }

  /** A page above `aboveSeq` with its rows. */
  private async page(aboveSeq: bigint, belowSeq: bigint, limit: number): Promise<{ readonly answer: HistoryAnswer; readonly rows: readonly MessageRow[] } | undefined> {
    try {
      const said = await this.of.port().ask({ type: "history", want: { conv: this.of.conv, aboveSeq, belowSeq, limit, isUpward: true } });
      if (said.type !== "history") return undefined;
      const { history: answer } = said;
      this.overlay = answer.overlay;
      const isHere = answer.rows.length > 0 || answer.lo > answer.hi;
      const rows = isHere ? answer.rows : await this.of.port().rows({ conv: this.of.conv, lo: answer.lo, hi: answer.hi, limit, isUpward: true });
      return { answer, rows };
    } catch {
      return undefined;
    }
  }

  /** Everything in `lo..=hi` is in `rows`. */
  private take(rows: readonly MessageRow[], lo: bigint, hi: bigint): void {
    const { rootSeq } = this.view.get();
    for (const seq of this.held.keys()) if (seq >= lo && seq <= hi && seq !== rootSeq) this.held.delete(seq);
    const ms = Number(rows.at(-1)?.ts ?? 0n) || this.view.get().lookedToMs;
    this.add(rows, { lookedTo: hi, lookedToMs: ms });
  }

  /** Rows that changed in what was looked through: only those that are shown can matter, the others answer something else. */
  private async reread(lo: bigint, hi: bigint): Promise<void> {
    const shown = [...this.held.keys()].filter((seq) => seq >= lo && seq <= hi);
    for (const seq of shown) await this.read(seq, seq);
  }

  private async read(lo: bigint, hi: bigint): Promise<void> {
    const rows = await this.of.port().rows({ conv: this.of.conv, lo, hi, limit: PAGE, isUpward: true }).catch(() => []);
    this.add(rows);
  }

  /** Adds the answers among rows by rising seq. */
  private add(rows: readonly MessageRow[], change: Partial<ThreadView> = {}): void {
    const { rootSeq } = this.view.get();
    let isNew = false;
    for (const row of rows) {
      const before = this.held.get(row.seq);
      const belongs = before !== undefined || row.seq === rootSeq || (row.replySeq > 0n && (row.replySeq === rootSeq || this.held.has(row.replySeq)));
      if (!belongs || (before !== undefined && (before === row || before.ver > row.ver))) continue;
      this.held.set(row.seq, row);
      isNew = true;
    }
    if (isNew || Object.keys(change).length > 0) this.show(change, isNew || change.lookedTo !== undefined);
  }

  private show(change: Partial<ThreadView>, hasRows = false): void {
    if (this.isClosed) return;
    const view = { ...this.view.get(), ...change };
    const visible = (row: MessageRow | undefined) => (row === undefined || isHidden(row, this.overlay) ? undefined : row);
    const answers = () => [...this.held.values()].filter((row) => row.seq !== view.rootSeq && visible(row)).sort((a, b) => compare(a.seq, b.seq));
    const rows = hasRows ? answers() : view.rows;
    const isOurs = ({ send, seq }: Outgoing) => (send.replySeq === view.rootSeq || this.held.has(send.replySeq)) && !this.held.has(seq);
    this.view.set({ ...view, root: visible(this.held.get(view.rootSeq)), rows, outgoing: this.of.outgoing().filter(isOurs) });
  }
}
