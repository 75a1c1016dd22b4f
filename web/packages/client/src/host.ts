//! The one place of a browser that runs the engine. Every tab speaks with it by values that can be cloned.
//!
//! Takes wishes and questions, gives answers and notices. A notice about rows comes after they are durable, so a tab that
//! reads them then sees them.

import { type MessageRow, WireError, errorCode } from "@tenon/wire";
import { type Connect, Driver } from "./driver.js";
import { Engine } from "./engine.js";
import { type Answer, type AppEvent, type Command, type ConnectionState, engineConfig, type EngineConfig, type ListLine } from "./engine/speech.js";
import { max, min } from "./numbers.js";
import { cryptoRandom, type Random } from "./random.js";
import { ConvState, isDone, type OutboxRow, type Settled } from "./rows.js";
import type { RowRange, Store, StoreOp } from "./store.js";

/** A command that is answered. */
export type Wish = WithoutTicket<Extract<Command, { ticket: number }>>;
/** A command that is not. */
export type Hint = Exclude<Command, { ticket: number }>;
type WithoutTicket<T> = T extends unknown ? Omit<T, "ticket"> : never;

/** A message that was refused for good and waits for the user. */
export interface FailedRow {
  readonly settled: Settled;
  readonly atMs: number;
}

/** Everything a tab needs to begin. */
export interface Snapshot {
  readonly user: bigint;
  readonly device: bigint;
  readonly state: ConnectionState;
  readonly isListComplete: boolean;
  readonly lines: ListLine[];
  readonly outbox: OutboxRow[];
  readonly failed: FailedRow[];
  readonly values: Map<string, unknown>;
}

/** What changed. */
export type Notice =
  | { readonly type: "state"; readonly state: ConnectionState }
  | { readonly type: "listComplete" }
  | { readonly type: "lines"; readonly lines: ListLine[]; readonly gone: bigint[] }
  /** Rows of the timeline of this conversation, somewhere in `lo..=hi`. */
  | { readonly type: "rows"; readonly conv: bigint; readonly lo: bigint; readonly hi: bigint }
  | { readonly type: "outbox"; readonly rows: OutboxRow[]; readonly done: bigint[] }
  | { readonly type: "failed"; readonly failed: FailedRow[] }
  | { readonly type: "values"; readonly values: readonly (readonly [key: string, value: unknown])[] }
  | { readonly type: "event"; readonly event: AppEvent };

/** What a tab asks of the host; every value can be cloned. */
export interface Port {
  snapshot(): Promise<Snapshot>;
  ask(wish: Wish): Promise<Answer>;
  tell(hint: Hint): void;
  rows(range: RowRange): Promise<MessageRow[]>;
  /** Forgets a failed message. */
  dropFailed(local: bigint): Promise<void>;
  /** Keeps values of the app; those that are `undefined` are forgotten. */
  putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
}

/** What a host needs. */
export interface HostOptions {
  readonly store: Store;
  readonly connect: Connect;
  /** A fresh ticket; rejects with a `WireError` of class AUTH if the session is over, otherwise it is asked again. */
  readonly getTicket: () => Promise<Uint8Array>;
  readonly random?: Random;
  readonly config?: Partial<EngineConfig>;
}

const FAILED = "failed/";
/** Pause before a ticket is asked for again, milliseconds. */
const TICKET_PAUSE = 3_000;

/** The engine with its driver, as tabs see it. */
export class Host implements Port {
  private readonly driver: Driver;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private nextTicket = 1;
  private state: ConnectionState = { type: "connecting" };
  private isListComplete = false;
  private eventsTo = 0n;
  private isClosed = false;
  /** Tickets that were refused one after the other. */
  private refusedTickets = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly options: HostOptions,
    private readonly values: Map<string, unknown>,
    private readonly notify: (notice: Notice) => void,
  ) {
    this.driver = new Driver(engine, options.store, options.connect, {
      answer: (ticket, answer) => this.answered(ticket, answer),
      event: (event) => this.heard(event),
      committed: (ops) => this.committed(ops),
    });
  }

  /** Loads the store and goes online. */
  static async open(options: HostOptions, notify: (notice: Notice) => void): Promise<Host> {
    const [loaded, values] = await Promise.all([options.store.load(), options.store.values()]);
    const config = engineConfig({ type: "ticket", bytes: new Uint8Array(0) }, options.config);
    const engine = new Engine(config, loaded, options.random ?? cryptoRandom);
    const host = new Host(engine, options, values, notify);
    host.driver.run();
    void host.authorize(true);
    return host;
  }

  async snapshot(): Promise<Snapshot> {
    return {
      user: this.engine.device.user,
      device: this.engine.device.device,
      state: this.state,
      isListComplete: this.isListComplete,
      lines: this.engine.list(),
      outbox: [...this.engine.outbox.rows.values()].map((held) => held.row),
      failed: this.failed(),
      values: this.values,
    };
  }

  ask(wish: Wish): Promise<Answer> {
    const ticket = this.nextTicket;
    this.nextTicket += 1;
    return new Promise((resolve) => {
      this.waiting.set(ticket, resolve);
      this.driver.command({ ...wish, ticket });
    });
  }

  tell(hint: Hint): void {
    this.driver.command(hint);
  }

  rows(range: RowRange): Promise<MessageRow[]> {
    return this.options.store.messages(range);
  }

  async dropFailed(local: bigint): Promise<void> {
    await this.putValues([[`${FAILED}${local}`, undefined]]);
  }

  async putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    for (const [key, value] of values) {
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value);
    }
    await this.options.store.putValues(values);
    const others = values.filter(([key]) => !key.startsWith(FAILED));
    if (others.length < values.length) this.notify({ type: "failed", failed: this.failed() });
    if (others.length > 0) this.notify({ type: "values", values: others });
  }

  /** The browser says that the network came or went. */
  network(isOnline: boolean): void {
    if (isOnline) this.driver.command({ type: "start" });
    else this.driver.networkLost();
  }

  /** Ends the engine; another tab may run the next one. */
  close(): void {
    this.isClosed = true;
    this.driver.close();
    this.options.store.close();
  }

  /** Ends the engine and forgets everything that this account has stored here. */
  async destroy(): Promise<void> {
    this.isClosed = true;
    this.driver.close();
    await this.options.store.destroy();
  }

  private async authorize(isFirst: boolean): Promise<void> {
    try {
      const bytes = await this.options.getTicket();
      if (this.isClosed) return;
      this.driver.command({ type: "authorize", auth: { type: "ticket", bytes } });
      if (isFirst) this.driver.command({ type: "start" });
    } catch (error) {
      if (this.isClosed) return;
      if (error instanceof WireError && error.number >= errorCode.ticket_expired && error.number <= errorCode.account_disabled) {
        return this.tellState({ type: "stopped", code: error.number, reason: 0, text: error.message });
      }
      const text = error instanceof Error ? error.message : String(error);
      this.tellState({ type: "backoff", waitMs: TICKET_PAUSE, code: 0, text });
      setTimeout(() => void this.authorize(isFirst), TICKET_PAUSE);
    }
  }

  /** The first time at once; a server that refuses fresh tickets is asked less and less often. */
  private renewTicket(): void {
    const wait = this.refusedTickets === 0 ? 0 : Math.min(1_000 * 2 ** this.refusedTickets, 60_000);
    this.refusedTickets += 1;
    setTimeout(() => void (this.isClosed || this.authorize(false)), wait);
  }

  private tellState(state: ConnectionState): void {
    this.state = state;
    this.notify({ type: "state", state });
  }

  private answered(ticket: number, answer: Answer): void {
    this.waiting.get(ticket)?.(answer);
    this.waiting.delete(ticket);
  }

  private heard(event: AppEvent): void {
    if (event.type === "authWanted") return this.renewTicket();
    // A ticket that has ended is no reason to tell the user: a new one is on its way.
    const isRenewing = event.type === "state" && event.state.type === "stopped" && isTicketCode(event.state.code);
    if (event.type === "state" && event.state.type === "live") this.refusedTickets = 0;
    if (event.type === "state") return this.tellState(isRenewing ? { type: "connecting" } : event.state);
    if (event.type === "listComplete") this.isListComplete = true;
    if (event.type === "listComplete") return this.notify({ type: "listComplete" });
    this.notify({ type: "event", event });
    if (event.type === "settled") void this.keepFailed(event.settled).then(() => this.handled(event.n));
    else if ("n" in event) this.handled(event.n);
  }

  private async keepFailed(settled: Settled): Promise<void> {
    const isForUser = !isDone(settled) && settled.send !== undefined && settled.code !== errorCode.cancelled;
    if (isForUser) await this.putValues([[`${FAILED}${settled.local}`, { settled, atMs: Date.now() } satisfies FailedRow]]);
  }

  /** Tells the engine which events need not come again, a little later and for many at once. */
  private handled(n: bigint): void {
    const isPlanned = this.eventsTo > 0n;
    if (n > this.eventsTo) this.eventsTo = n;
    if (isPlanned) return;
    setTimeout(() => {
      const to = this.eventsTo;
      this.eventsTo = 0n;
      if (!this.isClosed) this.driver.command({ type: "eventsDone", n: to });
    }, 500);
  }

  private failed(): FailedRow[] {
    return [...this.values].filter(([key]) => key.startsWith(FAILED)).map(([, value]) => value as FailedRow);
  }

  private committed(ops: readonly StoreOp[]): void {
    const changed = new Map<bigint, { lo: bigint; hi: bigint }>();
    const note = (conv: bigint, lo: bigint, hi: bigint) => {
      const held = changed.get(conv);
      changed.set(conv, held ? { lo: min(lo, held.lo), hi: max(hi, held.hi) } : { lo, hi });
    };
    const lines = new Map<bigint, ListLine>();
    const gone: bigint[] = [];
    const rows: OutboxRow[] = [];
    const done: bigint[] = [];
    for (const op of ops) {
      if (op.type === "message") note(op.conv, op.row.seq, op.row.seq);
      else if (op.type === "change") note(op.conv, op.seq, op.seq);
      else if (op.type === "gone") note(op.conv, op.lo, op.hi);
      else if (op.type === "outbox") rows.push(op.row);
      else if (op.type === "outboxDone") done.push(op.local);
      else if (op.type === "conversation") {
        const c = this.engine.conversations.get(op.row.conv);
        if (c?.row.state === ConvState.JOINED) lines.set(op.row.conv, c.line());
        else gone.push(op.row.conv);
      }
    }
    // Rows before the outbox: a message that arrived is shown before its waiting copy goes.
    if (lines.size + gone.length > 0) this.notify({ type: "lines", lines: [...lines.values()], gone });
    for (const [conv, range] of changed) this.notify({ type: "rows", conv, ...range });
    if (rows.length + done.length > 0) this.notify({ type: "outbox", rows, done });
  }
}

const isTicketCode = (code: number): boolean => code >= errorCode.ticket_expired && code < errorCode.session_ended;
