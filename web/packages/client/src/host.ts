//! The one place of a browser that runs the engine. Every tab speaks with it by values that can be cloned.
//!
//! Takes wishes and questions, gives answers and notices. A notice about rows comes after they are durable, so a tab that
//! reads them then sees them. It is there as soon as the first lines of the list are read; the engine begins when the rest
//! is, and wishes wait for it. A wish with a token is done once: whoever asks again with the same token, also of the next
//! host over the same store, gets the first answer. If the store fails, a new engine goes on over the next store of the
//! source; the old engine never goes on without its store.

import { closeReason, errorCode, type MessageRow, WireError } from "@tenon/wire";
import { type Connect, Driver } from "./driver.js";
import { Engine } from "./engine.js";
import { lineOf } from "./engine/conversation.js";
import { type Answer, type AppEvent, type Command, type ConnectionState, engineConfig, type EngineConfig, type ListLine } from "./engine/speech.js";
import { isSameTotals, LineList, NO_TOTALS, type ListTotals, type Placed, Tally } from "./lines.js";
import { onlyStore, type Opened, type Storage, type StoreSource } from "./local.js";
import { Changes } from "./changes.js";
import { cryptoRandom, type Random } from "./random.js";
import { type ConversationRow, ConvState, isDone, type Loaded, type OutboxRow, type Settled } from "./rows.js";
import { type Glance, type RowRange, type Slice, type Store, StoreDamaged, type StoreOp } from "./store.js";
import { OPENED } from "./store/evict.js";

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
  readonly storage: Storage;
  readonly isListComplete: boolean;
  /** The first lines of the list; `lines` of the port gives those behind them. */
  readonly lines: ListLine[];
  /** Over the whole list. */
  readonly totals: ListTotals;
  /** True once every line of the store is read; until then they come as notices. */
  readonly isWhole: boolean;
  /** Which reading of a store this comes from, as `whole` names it. */
  readonly reading: string;
  /** Newest messages of these lines, as far as they are at hand. */
  readonly tails: readonly (readonly [conv: bigint, row: MessageRow])[];
  readonly outbox: OutboxRow[];
  readonly failed: FailedRow[];
  /** All of them once the list is whole, until then those that the first lines need. */
  readonly values: Map<string, unknown>;
  /** The number of the next event; a tab that has heard of a higher one has heard another store. */
  readonly nextEvent: bigint;
}

/** What changed. */
export type Notice =
  | { readonly type: "state"; readonly state: ConnectionState }
  | { readonly type: "listComplete" }
  | { readonly type: "lines"; readonly lines: ListLine[]; readonly gone: bigint[]; readonly totals: ListTotals }
  /** Every line of the store is read, and every value. */
  | { readonly type: "whole"; readonly reading: string }
  /** Rows of the timeline of this conversation, somewhere in `lo..=hi`. */
  | { readonly type: "rows"; readonly conv: bigint; readonly lo: bigint; readonly hi: bigint }
  | { readonly type: "outbox"; readonly rows: OutboxRow[]; readonly done: bigint[] }
  | { readonly type: "failed"; readonly failed: FailedRow[] }
  | { readonly type: "values"; readonly values: readonly (readonly [key: string, value: unknown])[] }
  | { readonly type: "event"; readonly event: AppEvent }
  /** A new engine runs over another store: read the snapshot again. */
  | { readonly type: "renewed" };

/** What a tab asks of the host; every value can be cloned. */
export interface Port {
  snapshot(): Promise<Snapshot>;
  /** `token`: the wish is done once, however often it is asked with it. */
  ask(wish: Wish, token?: string): Promise<Answer>;
  tell(hint: Hint): void;
  rows(range: RowRange): Promise<MessageRow[]>;
  /** The newest message row of each conversation, in the same order. */
  tails(convs: readonly bigint[]): Promise<(MessageRow | undefined)[]>;
  /** Up to `limit` lines behind this one, in the order of the list; hidden ones come last. */
  lines(behind: Placed | undefined, limit: number): Promise<ListLine[]>;
  /** One line, also if the list is not read so far yet; `undefined` if the user is no member. */
  line(conv: bigint): Promise<ListLine | undefined>;
  /** Forgets a failed message. */
  dropFailed(local: bigint): Promise<void>;
  /** Keeps values of the app; those that are `undefined` are forgotten. */
  putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
}

/** What a host needs. */
export interface HostOptions {
  /** Where rows are kept; a store that fails is replaced by the next one of the source. */
  readonly stores: StoreSource | Store;
  readonly connect: Connect;
  /** A fresh ticket; rejects with a `WireError` of class AUTH if the session is over, otherwise it is asked again. */
  readonly getTicket: () => Promise<Uint8Array>;
  readonly random?: Random;
  readonly config?: Partial<EngineConfig>;
  /** Resolves when the first screen has been drawn; the rest of the store is read after it. */
  readonly drawn?: () => Promise<void>;
  /** Keys of values that the first screen needs beside the rows. */
  readonly firstKeys?: (rows: readonly ConversationRow[], last: readonly MessageRow[]) => string[];
}

const FAILED = "failed/";
const TOKEN = "token/";
/** The totals of the list as they were committed last. */
const TOTALS = "list/totals";
/** Lines that are read first: more than any screen shows. */
const FIRST_LINES = 40;
/** Lines of a snapshot. */
const SNAPSHOT_LINES = 400;
/** Pause before a ticket is asked for again, milliseconds. */
const TICKET_PAUSE = 3_000;
/** A token is remembered this long, milliseconds; a tab that waits longer for its answer is gone. */
const TOKEN_LIFE = 600_000;

interface TokenRow {
  readonly local: bigint;
  readonly atMs: number;
}

interface Waiting {
  readonly wish: Wish;
  readonly token: string | undefined;
  readonly resolve: (answer: Answer) => void;
}

/** The engine and its hands. */
interface Running {
  readonly engine: Engine;
  readonly driver: Driver;
}

/** The engine with its driver, as tabs see it. */
export class Host implements Port {
  /** `undefined` while the store is being read. */
  private running: Running | undefined;
  private glance: Glance | undefined;
  private readonly source: StoreSource;
  private readonly waiting = new Map<number, Waiting>();
  /** Hints that came while the store was being read. */
  private hints: Hint[] = [];
  /** Wishes with a token that are not answered yet. */
  private readonly asked = new Map<string, Promise<Answer>>();
  /** Tokens of commands that are in the engine, but in no transaction yet. */
  private readonly tokens = new Map<bigint, string>();
  private values = new Map<string, unknown>();
  private reading = "";
  private list = new LineList();
  private tally = new Tally();
  /** What stands in the store, or is on its way there. */
  private totals: ListTotals | undefined;
  /** Conversations on a screen. */
  private open: readonly bigint[] = [];
  private nextTicket = 1;
  private state: ConnectionState = { type: "connecting" };
  private isListComplete = false;
  private eventsTo = 0n;
  private isClosed = false;
  private isOnline = true;
  private authorizing: Promise<void> | undefined;
  private auth = new Uint8Array(0);
  /** Tickets that were refused one after the other. */
  private refusedTickets = 0;
  /** The server ended the session, and the device asks whether it may still come in. */
  private isAskingAgain = false;
  /** Called when the engine runs, or never will. */
  private readonly begun: (() => void)[] = [];

  private constructor(
    private opened: Opened,
    private readonly options: HostOptions,
    private readonly notify: (notice: Notice) => void,
  ) {
    this.source = sourceOf(options.stores);
  }

  /** Opens the store and reads the first lines; then reads the rest and goes online. */
  static async open(options: HostOptions, notify: (notice: Notice) => void): Promise<Host> {
    const host = new Host(await sourceOf(options.stores).open(), options, notify);
    await host.begin();
    void host.authorize(true);
    return host;
  }

  async snapshot(): Promise<Snapshot> {
    const loaded = this.glance?.loaded;
    const device = this.running?.engine.device ?? loaded?.device;
    const outbox = this.running ? [...this.running.engine.outbox.rows.values()].map((held) => held.row) : (loaded?.outbox ?? []);
    return {
      user: device?.user ?? 0n,
      device: device?.device ?? this.options.config?.device ?? 0n,
      state: this.state,
      storage: this.opened.storage,
      isListComplete: this.isListComplete,
      lines: this.list.behind(undefined, SNAPSHOT_LINES),
      totals: this.running ? this.tally.totals : (this.totals ?? this.tally.totals),
      isWhole: this.running !== undefined,
      reading: this.reading,
      // Once the engine runs they may be old.
      tails: this.running ? [] : [...(this.glance?.last ?? [])],
      outbox,
      failed: this.failed(),
      values: this.values,
      nextEvent: device?.nextEvent ?? 1n,
    };
  }

  ask(wish: Wish, token?: string): Promise<Answer> {
    if (token === undefined) return this.askNow(wish, undefined);
    const done = this.values.get(`${TOKEN}${token}`) as TokenRow | undefined;
    const asked = this.asked.get(token) ?? (done ? Promise.resolve<Answer>({ type: "queued", local: done.local }) : this.askNow(wish, token));
    this.asked.set(token, asked);
    void asked.finally(() => this.asked.delete(token));
    return asked;
  }

  /** When a conversation was opened last: a full disk gives up the rows of others first. */
  private noteOpened(open: readonly bigint[]): void {
    const fresh = open.filter((conv) => !this.open.includes(conv));
    this.open = open;
    if (fresh.length > 0) void this.putValues(fresh.map((conv) => [`${OPENED}${conv}`, Date.now()] as const)).catch(() => undefined);
  }

  private askNow(wish: Wish, token: string | undefined): Promise<Answer> {
    const ticket = this.nextTicket;
    this.nextTicket += 1;
    return new Promise((resolve) => {
      this.waiting.set(ticket, { wish, token, resolve });
      if (this.running) this.hand(this.running, ticket, wish, token);
    });
  }

  tell(hint: Hint): void {
    if (hint.type === "watch") this.noteOpened(hint.watch.open);
    if (this.running) this.running.driver.command(hint);
    else this.hints.push(hint);
  }

  async lines(behind: Placed | undefined, limit: number): Promise<ListLine[]> {
    return this.list.behind(behind, limit);
  }

  async line(conv: bigint): Promise<ListLine | undefined> {
    const held = this.list.get(conv);
    if (held !== undefined || this.running) return held;
    const single = await this.read((store) => store.single(conv, (row) => this.options.firstKeys?.([row], []) ?? []));
    if (single === undefined || single.row.state !== ConvState.JOINED) return undefined;
    this.notify({ type: "values", values: single.values });
    // The engine may have changed it meanwhile.
    return this.list.get(conv) ?? (this.running ? undefined : lineOf(single.row));
  }

  rows(range: RowRange): Promise<MessageRow[]> {
    return this.read((store) => store.messages(range));
  }

  tails(convs: readonly bigint[]): Promise<(MessageRow | undefined)[]> {
    return this.read((store) => store.tails(convs));
  }

  private async read<T>(how: (store: Store) => Promise<T>): Promise<T> {
    const { opened } = this;
    try {
      return await how(opened.store);
    } catch (error) {
      if (error instanceof StoreDamaged) void this.renew(opened, error);
      throw error;
    }
  }

  async dropFailed(local: bigint): Promise<void> {
    await this.putValues([[`${FAILED}${local}`, undefined]]);
  }

  async putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    // Nothing is written while the store is being read.
    await this.whenBegun();
    for (const [key, value] of values) {
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value);
    }
    await this.opened.store.putValues(values);
    const others = values.filter(([key]) => !key.startsWith(FAILED));
    if (others.length < values.length) this.notify({ type: "failed", failed: this.failed() });
    if (others.length > 0) this.notify({ type: "values", values: others });
  }

  /** The browser says that the network came or went. */
  network(isOnline: boolean): void {
    this.isOnline = isOnline;
    if (isOnline) this.running?.driver.command({ type: "start" });
    else this.running?.driver.networkLost();
  }

  /** Ends the engine; another tab may run the next one. */
  close(): void {
    this.isClosed = true;
    this.running?.driver.close();
    this.opened.store.close();
  }

  /** Ends the engine and forgets everything that this account has stored here. */
  async destroy(): Promise<void> {
    this.close();
    await this.source.destroy();
  }

  /** Reads the first lines of the store that is open, and goes on with the rest. */
  private async begin(): Promise<void> {
    const { opened } = this;
    const prefixes = [FAILED, TOKEN, TOTALS];
    try {
      const glance = await opened.store.glance({ lines: FIRST_LINES, prefixes, keys: (rows, last) => (this.options.firstKeys?.(rows, last) ?? []) });
      if (this.isClosed || this.opened !== opened) return;
      this.glance = glance;
      this.reading = crypto.randomUUID();
      this.list = new LineList();
      this.tally = new Tally();
      this.values = new Map(glance.values);
      this.totals = this.values.get(TOTALS) as ListTotals | undefined;
      this.takeRows(glance.loaded.conversations);
    } catch (error) {
      return this.renew(opened, error);
    }
    void this.goOn(opened, this.glance).catch((error: unknown) => this.renew(opened, error));
  }

  /** Reads the rest of the store and starts an engine over it. */
  private async goOn(opened: Opened, glance: Glance): Promise<void> {
    const isOver = () => this.isClosed || this.opened !== opened;
    const loaded: Loaded = { ...glance.loaded, conversations: [...glance.loaded.conversations], intervals: [] };
    await this.options.drawn?.();
    if (isOver()) return;
    await opened.store.rest(glance, (slice) => isOver() || this.takeSlice(slice, loaded));
    if (isOver()) return;
    const config = engineConfig({ type: "ticket", bytes: this.auth }, this.options.config);
    const engine = new Engine(config, loaded, this.options.random ?? cryptoRandom);
    const driver = new Driver(engine, opened.store, this.options.connect, {
      answer: (ticket, answer) => this.answered(ticket, answer),
      event: (event) => this.heard(event),
      committed: (ops) => this.committed(engine, ops),
      failed: (error) => void this.renew(opened, error),
      alongside: (ops) => this.alongside(ops),
    });
    await this.dropOldTokens(opened.store);
    if (isOver()) return;
    this.running = { engine, driver };
    this.glance = undefined;
    driver.run();
    this.notify({ type: "lines", lines: [], gone: [], totals: this.tally.totals });
    this.notify({ type: "whole", reading: this.reading });
    for (const [ticket, { wish, token }] of this.waiting) this.hand(this.running, ticket, wish, token);
    for (const hint of this.hints.splice(0)) driver.command(hint);
    this.tellBegun();
  }

  private tellBegun(): void {
    for (const tell of this.begun.splice(0)) tell();
  }

  private whenBegun(): Promise<void> {
    if (this.running || this.state.type === "stopped") return Promise.resolve();
    return new Promise((resolve) => this.begun.push(resolve));
  }

  private takeSlice({ conversations, intervals, values }: Slice, loaded: Loaded): void {
    loaded.conversations.push(...conversations);
    loaded.intervals.push(...intervals);
    const news = values.filter(([key]) => !this.values.has(key));
    for (const [key, value] of news) this.values.set(key, value);
    if (news.length > 0) this.notify({ type: "values", values: news });
    const lines = this.takeRows(conversations);
    if (lines.length > 0) this.notify({ type: "lines", lines, gone: [], totals: this.totals ?? this.tally.totals });
  }

  /** Puts what was read into the list; gives the lines. */
  private takeRows(rows: readonly ConversationRow[]): ListLine[] {
    const lines = rows.filter((row) => row.state === ConvState.JOINED).map(lineOf);
    this.list.take(lines, []);
    for (const line of lines) this.tally.take(line.conv, line);
    return lines;
  }

  /** The store failed: a new engine over the next one, with the wishes that were not answered. */
  private async renew(opened: Opened, error: unknown): Promise<void> {
    if (this.isClosed || this.opened !== opened) return;
    this.running?.driver.close();
    this.running = undefined;
    this.tokens.clear();
    const next = await this.source.after(opened.store, error).catch(() => undefined);
    if (this.isClosed || this.opened !== opened) return;
    const text = error instanceof Error ? error.message : String(error);
    if (next === undefined) {
      this.tellState({ type: "stopped", code: 0, reason: 0, text });
      return this.tellBegun();
    }
    this.opened = next;
    this.isListComplete = false;
    await this.begin();
    this.notify({ type: "renewed" });
    if (this.isOnline) void this.authorize(true);
  }

  /** Gives a wish to the engine; its token goes into the transaction of the row that it makes. */
  private hand({ engine, driver }: Running, ticket: number, wish: Wish, token: string | undefined): void {
    const local = engine.device.nextLocal;
    if (token !== undefined) this.tokens.set(local, token);
    driver.command({ ...wish, ticket });
    if (engine.device.nextLocal === local) this.tokens.delete(local);
  }

  /** Steps of the host's own for the transaction that is about to be performed. */
  private alongside(ops: readonly StoreOp[]): StoreOp[] {
    const own: StoreOp[] = [];
    for (const op of ops) {
      if (op.type === "conversation") this.tally.take(op.row.conv, op.row.state === ConvState.JOINED ? lineOf(op.row) : undefined);
      const token = op.type === "outbox" ? this.tokens.get(op.row.local) : undefined;
      if (op.type !== "outbox" || token === undefined) continue;
      this.tokens.delete(op.row.local);
      const value: TokenRow = { local: op.row.local, atMs: Date.now() };
      this.values.set(`${TOKEN}${token}`, value);
      own.push({ type: "value", key: `${TOKEN}${token}`, value });
    }
    const { totals } = this.tally;
    if (!isSameTotals(totals, this.totals ?? NO_TOTALS)) own.push({ type: "value", key: TOTALS, value: totals });
    this.totals = totals;
    return own;
  }

  private async dropOldTokens(store: Store): Promise<void> {
    const before = Date.now() - TOKEN_LIFE;
    const old = [...this.values].filter(([key, value]) => key.startsWith(TOKEN) && (value as TokenRow).atMs < before);
    for (const [key] of old) this.values.delete(key);
    if (old.length > 0) await store.putValues(old.map(([key]) => [key, undefined] as const));
  }

  /** Asks for a ticket, once at a time. */
  private authorize(isFirst: boolean): Promise<void> {
    this.authorizing ??= this.fetchTicket(isFirst).finally(() => (this.authorizing = undefined));
    return this.authorizing;
  }

  private async fetchTicket(isFirst: boolean): Promise<void> {
    try {
      const bytes = await this.options.getTicket();
      await this.whenBegun();
      if (this.isClosed) return;
      this.auth = Uint8Array.from(bytes);
      this.tell({ type: "authorize", auth: { type: "ticket", bytes } });
      if (isFirst) this.tell({ type: "start" });
    } catch (error) {
      if (this.isClosed) return;
      if (error instanceof WireError && error.number >= errorCode.ticket_expired && error.number <= errorCode.account_disabled) {
        return this.tellState({ type: "stopped", code: error.number, reason: 0, text: error.message });
      }
      const text = error instanceof Error ? error.message : String(error);
      this.tellState({ type: "backoff", waitMs: TICKET_PAUSE, code: 0, text });
      setTimeout(() => void (this.isClosed || this.authorize(isFirst)), TICKET_PAUSE);
    }
  }

  /** The first time at once; a server that refuses fresh tickets is asked less and less often. */
  private renewTicket(): void {
    const wait = this.refusedTickets === 0 ? 0 : Math.min(1_000 * 2 ** this.refusedTickets, 60_000);
    this.refusedTickets += 1;
    setTimeout(() => void (this.isClosed || this.authorize(false)), wait);
  }

  /** A new password ends sessions, not devices: the credential tells whether this one is still welcome. Asked once. */
  private askAgain(): void {
    this.isAskingAgain = true;
    this.tellState({ type: "connecting" });
    void this.authorize(true);
  }

  private tellState(state: ConnectionState): void {
    this.state = state;
    this.notify({ type: "state", state });
  }

  private answered(ticket: number, answer: Answer): void {
    this.waiting.get(ticket)?.resolve(answer);
    this.waiting.delete(ticket);
  }

  private heard(event: AppEvent): void {
    if (event.type === "authWanted") return this.renewTicket();
    // A ticket that has ended is no reason to tell the user: a new one is on its way.
    const isRenewing = event.type === "state" && event.state.type === "stopped" && isTicketCode(event.state.code);
    if (event.type === "state" && event.state.type === "live") {
      this.refusedTickets = 0;
      this.isAskingAgain = false;
    }
    if (event.type === "state" && isSessionEnd(event.state) && !this.isAskingAgain) return this.askAgain();
    if (event.type === "state") return this.tellState(isRenewing ? { type: "connecting" } : event.state);
    if (event.type === "listComplete") this.isListComplete = true;
    if (event.type === "listComplete") return this.notify({ type: "listComplete" });
    this.notify({ type: "event", event });
    if (event.type === "settled") void this.keepFailed(event.settled).then(() => this.handled(event.n), () => undefined);
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
      if (!this.isClosed) this.running?.driver.command({ type: "eventsDone", n: to });
    }, 500);
  }

  private failed(): FailedRow[] {
    return [...this.values].filter(([key]) => key.startsWith(FAILED)).map(([, value]) => value as FailedRow);
  }

  private committed(engine: Engine, ops: readonly StoreOp[]): void {
    for (const notice of new Changes(engine, ops).notices(this.tally.totals)) {
      if (notice.type === "lines") this.list.take(notice.lines, notice.gone);
      this.notify(notice);
    }
  }
}

const sourceOf = (stores: StoreSource | Store): StoreSource => ("after" in stores ? stores : onlyStore(stores));

const isSessionEnd = (state: ConnectionState): boolean => state.type === "stopped" && (state.code === errorCode.session_ended || (state.code === 0 && state.reason === closeReason.SESSION_ENDED));

const isTicketCode = (code: number): boolean => code >= errorCode.ticket_expired && code < errorCode.session_ended;
