//! The client of one account in one tab: what an app shows, and what its user can do.
//!
//! Everything to show is a `Readable`. Everything to do resolves when it is durable on this device; what the server says
//! comes as an event and in the values. Not here: the protocol (engine), words for people (the app).

import {
  AddMembers, Collection, CollectionPage, ConvKind, ConvMeta, CreateConversation, DeviceInfo, EMPTY, eventType, GetCollection, GetMessages, GetRoster, HistoryPage, Leave, type Member,
  type MessageRow, method, type MessageType, Op, OpenDirect, opType, RemoveDevice, RemoveMembers, ResolvedNames, ResolveNames, RosterPage, setting, SetConversation, SetSummary, Summary, type Send,
  Edit, EntityHint, Ephemeral, ephemeralType, React, Recall, type SyncEvent, Watch,
} from "@tenon/wire";
import { type Connection, connectionOf, newConnection } from "./connection.js";
import { type Connect, webSocketTo } from "./driver.js";
import type { AppEvent, ConnectionState, ListLine } from "./engine/speech.js";
import { Host, type FailedRow, type Notice, type Port } from "./host.js";
import { isSameTotals, LineList, type ListTotals, NO_TOTALS } from "./lines.js";
import { compare, tryDecode } from "./numbers.js";
import { LocalStores, type Storage, type StoreSource } from "./local.js";
import { People, personKey } from "./people.js";
import { Previews } from "./previews.js";
import type { Random } from "./random.js";
import { type ConversationRow, isDone, type OutboxRow, type Settled } from "./rows.js";
import { freshTicket, type Session, socketUrl } from "./session.js";
import type { Store } from "./store.js";
import { type TabGround, Tabs } from "./tabs.js";
import { type Outgoing, Timeline } from "./timeline.js";
import { type Readable, Value } from "./value.js";

/** The server said no; `code` is a wire code. */
export class Refused extends Error {
  constructor(
    readonly code: number,
    text: string,
  ) {
    super(text);
    this.name = "Refused";
  }
}

/** What a client needs. */
export interface ClientOptions {
  readonly session: Session;
  /** Where rows are kept; the browser's database of this account unless told. */
  readonly stores?: StoreSource | Store;
  /** A fresh ticket, as bytes or base64, if not by HTTP with the credential of the session. Asked for one at a time. */
  readonly getToken?: () => Promise<Uint8Array | string>;
  /** Opens links, if not by WebSocket to the server of the session. */
  readonly connect?: Connect;
  readonly random?: Random;
  /** Locks and channel between tabs, if not those of the browser. */
  readonly ground?: TabGround;
}

/** What happened, by name. */
export interface ClientEvents {
  /** A new message in a conversation, told once. */
  message: { readonly conv: bigint; readonly seq: bigint; readonly sender: bigint; readonly flags: number };
  /** Something about a message changed: edited, recalled, expired, its reactions. */
  changed: { readonly conv: bigint; readonly seq: bigint };
  /** Members of a conversation came or went. */
  members: { readonly conv: bigint };
  /** Something lossy came from another device, for instance that somebody writes. */
  ephemeral: Ephemeral;
  /** A command ended. */
  settled: Settled;
  /** The queue of the user was skipped: everything may have changed, and the list is read again. */
  rebased: { readonly unit: number; readonly reason: number };
  /** An event of a type that this version does not know, with its bytes. */
  unknown: SyncEvent;
}

/** A signed-in device of the user. */
export interface Device {
  readonly id: bigint;
  readonly kind: number;
  readonly name: string;
  readonly lastSeenMs: bigint;
  readonly isOnline: boolean;
  /** This browser. */
  readonly isOwn: boolean;
}

/** Bits of `SetSummary.mask`. */
const SUMMARY = { PINNED: 1, NOTIFY: 2, HIDDEN: 4, MARKED_UNREAD: 16 } as const;
const ROSTER_PAGE = 500;
/** The rest of the store waits this long for the first screen, milliseconds. */
const DRAWN_MAX = 300;
/** Lines read at once behind those of a snapshot. */
const LINES_PAGE = 500;
/** Events that change a message. */
const CHANGES: ReadonlySet<number> = new Set([eventType.MESSAGE_EDITED, eventType.MESSAGE_RECALLED, eventType.MESSAGE_EXPIRED, eventType.REACTIONS_CHANGED, eventType.CARD_UPDATED]);
/** Event types that this version knows. */
const KNOWN: ReadonlySet<number> = new Set(Object.values(eventType));

/** One account. */
export class Client {
  readonly me: bigint;
  readonly device: bigint;
  /** The state of the engine as it is. */
  readonly connection = new Value<ConnectionState>({ type: "connecting" });
  /** The same for people: state, reason, when the next try is due. */
  readonly status = new Value<Connection>(newConnection(Date.now()));
  /** How rows are kept on this device. */
  readonly storage = new Value<Storage>({ type: "disk", isNew: false, why: "" });
  /** True once every page of the list was read on this device. */
  readonly isListComplete = new Value(false);
  /** True once every line that is stored on this device was read; before that the list has its first lines only. */
  readonly isListWhole = new Value(false);
  /** Pinned first, then newest first; hidden ones are left out. */
  readonly conversations = new Value<readonly ListLine[]>([]);
  /** What is unread, over the whole list also while its first lines are there only. */
  readonly totals = new Value<ListTotals>(NO_TOTALS);
  readonly people: People;
  private readonly tabs: Tabs;
  private readonly list = new LineList();
  /** Lines that somebody asked for. */
  private readonly lines = new Map<bigint, Value<ListLine | undefined>>();
  private readonly previews = new Previews(() => this.tabs);
  /** Lines held before another engine began, that it has not told of yet. */
  private unconfirmed = new Set<bigint>();
  /** Lines that came while a page of the list was under way: the page may be older. */
  private readonly fresh = new Set<bigint>();
  /** The snapshot and all its pages were taken. */
  private isPaged = false;
  /** Which reading of the store the lines come from, and which one has ended. */
  private reading: string | undefined;
  private wholeReading = "";
  private readonly rosters = new Map<bigint, Value<readonly Member[]>>();
  private readonly timelines = new Map<bigint, { timeline: Timeline; users: number }>();
  private readonly outbox = new Map<bigint, Outgoing>();
  private failed: readonly FailedRow[] = [];
  private readonly heard = new Map<keyof ClientEvents, Set<(event: never) => void>>();
  private readonly settling = new Map<bigint, { resolve: (settled: Settled) => void; reject: (error: Error) => void }>();
  private readonly nobody = new Value<readonly Member[]>([]);
  private readonly unmarking = new Set<bigint>();
  private isShowing = false;
  private isOnline = typeof navigator === "undefined" || navigator.onLine !== false;
  /** The highest event told; those of a takeover may come a second time. */
  private toldEvents = 0n;
  private readonly stores: StoreSource | Store;

  constructor(options: ClientOptions) {
    const { session } = options;
    this.me = BigInt(session.user);
    this.device = BigInt(session.device);
    const name = `tenon/${session.user}/${session.device}`;
    this.stores = options.stores ?? new LocalStores(name);
    this.people = new People(() => this.tabs);
    const start = async (notify: (notice: Notice) => void) => {
      const { getToken } = options;
      const getTicket = getToken ? async () => bytesOf(await getToken()) : () => freshTicket(session);
      const connect = options.connect ?? webSocketTo(socketUrl(session.server, globalThis.location?.href ?? session.server));
      const random = options.random === undefined ? {} : { random: options.random };
      return Host.open({ stores: this.stores, connect, getTicket, config: { device: this.device }, firstKeys: (rows, last) => this.firstKeys(rows, last), drawn, ...random }, notify);
    };
    const events = {
      notice: (notice: Notice) => this.noticed(notice),
      restarted: () => queueMicrotask(() => void this.restart()),
    };
    this.tabs = Tabs.join(name, start, events, options.ground);
    this.listen(true);
  }

  /** Resolves once the list is there, from disk or from the server. Rejects if the client stops before. @throws Refused */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const status = this.status.get();
        const isStopped = status.state === "stopped";
        if (!isStopped && !this.isListComplete.get() && this.conversations.get().length === 0) return;
        for (const end of ends) end();
        if (isStopped) reject(new Refused(status.code, status.text || status.reason));
        else resolve();
      };
      const ends = [this.status.subscribe(look), this.isListComplete.subscribe(look), this.conversations.subscribe(look)];
      look();
    });
  }

  /** Hears of `name`; gives what ends that. */
  on<K extends keyof ClientEvents>(name: K, told: (event: ClientEvents[K]) => void): () => void {
    const set = this.heard.get(name) ?? new Set();
    this.heard.set(name, set);
    set.add(told);
    return () => set.delete(told);
  }

  /** One line of the list; `undefined` while the user is no member. */
  conversation(conv: bigint): Readable<ListLine | undefined> {
    return this.line(conv);
  }

  /** The newest message held of a conversation. */
  preview(conv: bigint): Readable<MessageRow | undefined> {
    return this.previews.of(conv);
  }

  /** The timeline of a conversation; give it back with `closeTimeline`. */
  openTimeline(conv: bigint): Timeline {
    const held = this.timelines.get(conv);
    const timeline = held?.timeline ?? new Timeline(conv, () => this.tabs, () => this.outgoingOf(conv));
    this.timelines.set(conv, { timeline, users: (held?.users ?? 0) + 1 });
    if (held === undefined) this.watch();
    return timeline;
  }

  closeTimeline(conv: bigint): void {
    const held = this.timelines.get(conv);
    if (held === undefined) return;
    held.users -= 1;
    if (held.users > 0) return;
    held.timeline.close();
    this.timelines.delete(conv);
    this.watch();
  }

  /** Members of a group; read from the server when first asked for. Of conversation 0 there are none. */
  members(conv: bigint): Readable<readonly Member[]> {
    if (conv === 0n) return this.nobody;
    let value = this.rosters.get(conv);
    if (value === undefined) {
      value = new Value<readonly Member[]>([]);
      this.rosters.set(conv, value);
      void this.readRoster(conv);
    }
    return value;
  }

  /** Sends a message; resolves with its local id once it is durable here. @throws Refused */
  async send(send: Send): Promise<bigint> {
    const answer = await this.tabs.ask({ type: "send", send, after: 0n });
    return queuedOf(answer);
  }

  /** Replaces the content of an own message; resolves when the server has done it. @throws Refused */
  async edit(conv: bigint, seq: bigint, content: Pick<Send, "kind" | "body" | "mentions">): Promise<void> {
    await this.op(conv, opType.EDIT, Edit, Edit.of({ seq, kind: content.kind, body: content.body, mentions: content.mentions }));
  }

  /** Takes a message back for everybody. @throws Refused */
  async recall(conv: bigint, seq: bigint): Promise<void> {
    await this.op(conv, opType.RECALL, Recall, Recall.of({ seq }));
  }

  /** Sets or takes away a reaction of the user. @throws Refused */
  async react(conv: bigint, seq: bigint, code: string, on: boolean): Promise<void> {
    await this.op(conv, opType.REACT, React, { seq, code, on });
  }

  /** Tells the others that the user writes; lossy, and nothing is kept. */
  typing(conv: bigint): void {
    this.tabs.tell({ type: "ephemeral", ephemeral: Ephemeral.of({ conv, type: ephemeralType.TYPING }) });
  }

  /** Sends a failed message once more. */
  async retry(local: bigint): Promise<void> {
    const row = this.failed.find((one) => one.settled.local === local);
    if (row?.settled.send === undefined) return;
    await this.send(row.settled.send);
    await this.tabs.dropFailed(local);
  }

  /** Takes a message back that is not sent yet, or forgets a failed one. */
  async discard(local: bigint): Promise<void> {
    if (this.failed.some((one) => one.settled.local === local)) await this.tabs.dropFailed(local);
    else this.tabs.tell({ type: "cancel", local });
  }

  /** The user has read up to here; "marked as unread" ends with it. */
  markRead(conv: bigint, upToSeq: bigint): void {
    const line = this.list.get(conv);
    if (line && line.readSeq >= upToSeq) {
      // A mark that moves nothing is told to nobody, so what was marked by hand is taken back by hand.
      if (line.summary?.markedUnread) void this.unmark(conv);
      if (line.unread === 0n) return;
    }
    this.tabs.tell({ type: "markRead", conv, upToSeq, upToPcnt: 0n });
  }

  /** The direct conversation with a user. @throws Refused */
  async openDirect(user: bigint): Promise<bigint> {
    return (await this.op(0n, opType.OPEN_DIRECT, OpenDirect, { user })).id;
  }

  /** A new group with the caller as owner. @throws Refused */
  async createGroup(title: string, members: bigint[]): Promise<bigint> {
    const meta = ConvMeta.of({ kind: ConvKind.GROUP, title, settings: setting.NEWCOMERS_SEE_HISTORY });
    return (await this.op(0n, opType.CREATE_CONVERSATION, CreateConversation, { meta, members, joinPolicy: 0 })).id;
  }

  async rename(conv: bigint, title: string): Promise<void> {
    await this.op(conv, opType.SET_CONVERSATION, SetConversation, { meta: ConvMeta.of({ title }), mask: 1, joinPolicy: 0 });
  }

  async addMembers(conv: bigint, users: bigint[]): Promise<void> {
    await this.op(conv, opType.ADD_MEMBERS, AddMembers, { users, note: "" });
    await this.readRoster(conv);
  }

  async removeMembers(conv: bigint, users: bigint[]): Promise<void> {
    await this.op(conv, opType.REMOVE_MEMBERS, RemoveMembers, { users, block: false });
    await this.readRoster(conv);
  }

  async leave(conv: bigint): Promise<void> {
    await this.op(conv, opType.LEAVE, Leave, {});
  }

  async setPinned(conv: bigint, pinned: boolean): Promise<void> {
    await this.setSummary(Summary.of({ conv, pinned }), SUMMARY.PINNED);
  }

  /** 0 all, 1 mentions, 2 none. */
  async setNotify(conv: bigint, notify: number): Promise<void> {
    await this.setSummary(Summary.of({ conv, notify }), SUMMARY.NOTIFY);
  }

  async setHidden(conv: bigint, hidden: boolean): Promise<void> {
    await this.setSummary(Summary.of({ conv, hidden }), SUMMARY.HIDDEN);
  }

  private async unmark(conv: bigint): Promise<void> {
    if (this.unmarking.has(conv)) return;
    this.unmarking.add(conv);
    await this.setMarkedUnread(conv, false).catch(() => undefined);
    this.unmarking.delete(conv);
  }

  async setMarkedUnread(conv: bigint, markedUnread: boolean): Promise<void> {
    await this.setSummary(Summary.of({ conv, markedUnread }), SUMMARY.MARKED_UNREAD);
  }

  /** Users by login name; `undefined` for names that are not known. @throws Refused */
  async findUsers(names: readonly string[]): Promise<(bigint | undefined)[]> {
    const body = ResolveNames.encode({ users: [...names], groups: [] });
    const found = await this.request(method.RESOLVE_NAMES, body, ResolvedNames);
    return found.users.map((one) => (one.id === 0n ? undefined : one.id));
  }

  /** One message that may lie outside every window; `undefined` if it is not visible. */
  async message(conv: bigint, seq: bigint): Promise<MessageRow | undefined> {
    const [held] = await this.tabs.rows({ conv, lo: seq, hi: seq, limit: 1, isUpward: true });
    if (held) return held;
    const body = GetMessages.encode({ conv, seqs: [seq], pids: [], minRev: 0n });
    return (await this.request(method.GET_MESSAGES, body, HistoryPage)).normal[0];
  }

  /** Signed-in devices of the user, this one first. @throws Refused */
  async devices(): Promise<Device[]> {
    const body = GetCollection.encode(GetCollection.of({ collection: Collection.DEVICES, limit: 100 }));
    const page = await this.request(method.GET_COLLECTION, body, CollectionPage);
    const infos = page.items.flatMap((item) => (item.gone ? [] : (tryDecode(DeviceInfo, item.body) ?? [])));
    const devices = infos.map(({ device: id, kind, name, lastSeenMs, online }) => ({ id, kind, name, lastSeenMs, isOnline: online, isOwn: id === this.device }));
    return devices.sort((a, b) => Number(b.isOwn) - Number(a.isOwn) || compare(b.lastSeenMs, a.lastSeenMs));
  }

  /** Signs a device of the user out. @throws Refused */
  async removeDevice(device: bigint): Promise<void> {
    await this.op(0n, opType.REMOVE_DEVICE, RemoveDevice, { device });
  }

  /** Tries to connect now instead of after the pause. */
  connectNow(): void {
    this.tabs.tell({ type: "start" });
  }

  /** A value of the app, stored beside the account's rows. */
  putValue(key: string, value: unknown): Promise<void> {
    return this.tabs.putValues([[key, value]]);
  }

  /** Leaves the account in this tab. With `forget` its local rows go too. */
  async close(forget: boolean): Promise<void> {
    this.listen(false);
    const host = this.tabs.leading;
    if (forget && host) await host.destroy();
    this.tabs.leave();
    if (forget && !host) await this.stores.destroy();
  }

  /** Begins or ends to hear what the browser says of network and screen; outside a browser nothing is said. */
  private listen(isOn: boolean): void {
    if (typeof document === "undefined") return;
    const turn = isOn ? "addEventListener" : "removeEventListener";
    globalThis[turn]("online", this.online);
    globalThis[turn]("offline", this.offline);
    document[turn]("visibilitychange", this.shown);
  }

  private readonly online = (): void => this.network(true);
  private readonly offline = (): void => this.network(false);

  private network(isOnline: boolean): void {
    this.isOnline = isOnline;
    this.tabs.leading?.network(isOnline);
    this.tellStatus();
  }

  private tellStatus(): void {
    const around = { isOnline: this.isOnline, isListComplete: this.isListComplete.get(), nowMs: Date.now() };
    this.status.update((before) => connectionOf(this.connection.get(), around, before));
  }

  private readonly shown = (): void => {
    const isWaiting = this.connection.get().type === "backoff";
    if (document.visibilityState === "visible" && isWaiting) this.connectNow();
  };

  private async restart(): Promise<void> {
    const port: Port = this.tabs;
    this.fresh.clear();
    const snapshot = await port.snapshot().catch(() => undefined);
    if (snapshot === undefined) return;
    this.connection.set(snapshot.state);
    this.isListComplete.set(snapshot.isListComplete);
    this.storage.update((held) => (held.type === snapshot.storage.type && held.why === snapshot.storage.why ? held : snapshot.storage));
    if (this.toldEvents >= snapshot.nextEvent) this.toldEvents = 0n;
    this.tellStatus();
    this.people.load(snapshot.values, snapshot.isWhole || this.wholeReading === snapshot.reading);
    this.previews.restart(snapshot.tails);
    this.unconfirmed = new Set(this.list.convs());
    this.reading = snapshot.reading;
    if (snapshot.isWhole) this.wholeReading = snapshot.reading;
    this.isPaged = false;
    this.takeLines(snapshot.lines.filter((line) => !this.fresh.has(line.conv)), [], snapshot.totals);
    this.outbox.clear();
    this.takeOutbox(snapshot.outbox);
    this.failed = snapshot.failed;
    for (const { timeline } of this.timelines.values()) void timeline.renewed();
    this.watch();
    this.tellOutgoing();
    await this.readPages(snapshot.lines.at(-1));
  }

  /** Reads the lines behind those of a snapshot. */
  private async readPages(first: ListLine | undefined): Promise<void> {
    const mine = this.unconfirmed;
    for (let last = first; last !== undefined; ) {
      this.fresh.clear();
      const page: ListLine[] | undefined = await this.tabs.lines(last, LINES_PAGE).catch(() => undefined);
      // Without an answer the engine went to another tab, and its snapshot is read next.
      if (page === undefined || this.unconfirmed !== mine) return;
      this.takeLines(page.filter((line) => !this.fresh.has(line.conv)), []);
      last = page.length < LINES_PAGE ? undefined : page.at(-1);
    }
    this.isPaged = true;
    this.whole();
  }

  /** Once everything was told: what nobody told of is gone. */
  private whole(): void {
    if (!this.isPaged || this.wholeReading !== this.reading) return;
    this.takeLines([], [...this.unconfirmed]);
    this.isListWhole.set(true);
  }

  /** Keys of people whose names stand in the first lines. */
  private firstKeys(rows: readonly ConversationRow[], last: readonly MessageRow[]): string[] {
    const users = new Set([this.me, ...rows.map((row) => row.meta?.peer ?? 0n), ...last.map((row) => row.sender)]);
    return [...users].map(personKey);
  }

  private noticed(notice: Notice): void {
    switch (notice.type) {
      case "state":
        this.connection.set(notice.state);
        return this.tellStatus();
      case "listComplete":
        this.isListComplete.set(true);
        return this.tellStatus();
      case "renewed":
        return void this.restart();
      case "lines":
        return this.takeLines(notice.lines, notice.gone, notice.totals);
      case "whole":
        this.wholeReading = notice.reading;
        this.people.loaded();
        return this.whole();
      case "rows":
        this.previews.changed(notice.conv);
        return this.timelines.get(notice.conv)?.timeline.changed(notice.lo, notice.hi);
      case "outbox":
        this.takeOutbox(notice.rows);
        return this.tellOutgoing();
      case "failed":
        this.failed = notice.failed;
        return this.tellOutgoing();
      case "values":
        for (const [key, value] of notice.values) this.people.stored(key, value);
        return;
      case "event":
        return this.happened(notice.event);
    }
  }

  private happened(event: AppEvent): void {
    if (event.type === "ephemeral") return this.tell("ephemeral", event.ephemeral);
    if ("n" in event) {
      if (event.n <= this.toldEvents) return;
      this.toldEvents = event.n;
    }
    if (event.type === "settled") return this.settled(event.settled);
    if (event.type === "rebased") {
      for (const conv of this.rosters.keys()) void this.readRoster(conv);
      return this.tell("rebased", event.rebased);
    }
    if (event.type !== "sync") return;
    const { conv, seq, sender, flags, type } = event.event;
    if (type === eventType.MESSAGE) this.tell("message", { conv, seq, sender, flags });
    else if (CHANGES.has(type)) this.tell("changed", { conv, seq });
    else if (type === eventType.MEMBERS_CHANGED) this.tell("members", { conv });
    else if (!KNOWN.has(type)) this.tell("unknown", event.event);
    if (type === eventType.MEMBERS_CHANGED && this.rosters.has(conv)) void this.readRoster(conv);
    if (type === eventType.ENTITY_CHANGED) {
      const hint = tryDecode(EntityHint, event.event.body);
      if (hint) this.people.want(hint.id);
    }
  }

  /** The row is gone from the outbox; its copy stays on the screen until the message itself is there. */
  private settled(settled: Settled): void {
    const held = this.outbox.get(settled.local);
    if (held && isDone(settled) && settled.seq > 0n) this.outbox.set(settled.local, { ...held, seq: settled.seq });
    else this.outbox.delete(settled.local);
    this.tellOutgoing();
    const waits = this.settling.get(settled.local);
    this.settling.delete(settled.local);
    if (isDone(settled)) waits?.resolve(settled);
    else waits?.reject(new Refused(settled.code, "refused"));
    this.tell("settled", settled);
    if (held && settled.seq > 0n) setTimeout(() => this.outbox.delete(settled.local), 60_000);
  }

  private tell<K extends keyof ClientEvents>(name: K, event: ClientEvents[K]): void {
    for (const told of this.heard.get(name) ?? []) {
      try {
        (told as (event: ClientEvents[K]) => void)(event);
      } catch (error) {
        // A fault of the app is the app's: it is reported as uncaught, and the engine goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  private takeOutbox(rows: readonly OutboxRow[]): void {
    for (const { local, conv, send, firstAtMs } of rows) {
      if (send) this.outbox.set(local, { local, conv, send, atMs: firstAtMs, failedCode: undefined, seq: 0n });
    }
  }

  private tellOutgoing(): void {
    for (const { timeline } of this.timelines.values()) timeline.outgoingChanged();
  }

  private outgoingOf(conv: bigint): Outgoing[] {
    const waiting = [...this.outbox.values()].filter((one) => one.conv === conv);
    const failed = this.failed.flatMap(({ settled, atMs }): Outgoing[] => {
      if (settled.conv !== conv || settled.send === undefined) return [];
      return [{ local: settled.local, conv, send: settled.send, atMs, failedCode: settled.code, seq: 0n }];
    });
    return [...failed, ...waiting].sort((a, b) => compare(a.local, b.local));
  }

  private line(conv: bigint): Value<ListLine | undefined> {
    const held = this.lines.get(conv);
    if (held !== undefined) return held;
    const value = new Value<ListLine | undefined>(this.list.get(conv));
    this.lines.set(conv, value);
    if (value.get() === undefined && !this.isListWhole.get()) void this.readLine(conv, value);
    return value;
  }

  /** A line that is wanted before the list is read as far as it. */
  private async readLine(conv: bigint, value: Value<ListLine | undefined>): Promise<void> {
    const line = await this.tabs.line(conv).catch(() => undefined);
    if (!this.isListWhole.get() && value.get() === undefined) value.set(line);
  }

  private takeLines(lines: readonly ListLine[], gone: readonly bigint[], totals?: ListTotals): void {
    this.list.take(lines, gone);
    for (const line of lines) this.lines.get(line.conv)?.set(line);
    for (const conv of gone) this.lines.get(conv)?.set(undefined);
    for (const conv of [...lines.map((line) => line.conv), ...gone]) {
      this.unconfirmed.delete(conv);
      this.fresh.add(conv);
    }
    if (totals) this.totals.update((held) => (isSameTotals(held, totals) ? held : totals));
    this.show();
  }

  /** Shows the list, once for all changes of a moment. */
  private show(): void {
    if (this.isShowing) return;
    this.isShowing = true;
    queueMicrotask(() => {
      this.isShowing = false;
      this.conversations.set(this.list.visible());
    });
  }

  private async readRoster(conv: bigint): Promise<void> {
    const members: Member[] = [];
    let next: Uint8Array = EMPTY;
    try {
      do {
        const body = GetRoster.encode({ conv, sinceVer: 0n, next, limit: ROSTER_PAGE });
        const page: RosterPage = await this.request(method.GET_ROSTER, body, RosterPage);
        members.push(...page.members.filter((member) => !member.gone));
        next = page.next;
      } while (next.length > 0);
      this.rosters.get(conv)?.set(members);
    } catch {
      // It is asked for again with the next change of members or when a view opens.
      if (this.rosters.get(conv)?.get().length === 0) this.rosters.delete(conv);
    }
  }

  /** Tells the server what is on the screen: at most four conversations. */
  private watch(): void {
    const open = [...this.timelines.keys()].slice(-4);
    this.tabs.tell({ type: "watch", watch: Watch.of({ open, listVisible: true }) });
  }

  private async setSummary(summary: Summary, mask: number): Promise<void> {
    await this.op(0n, opType.SET_SUMMARY, SetSummary, { summary, mask });
  }

  private async request<T>(number: number, body: Uint8Array, type: MessageType<T>): Promise<T> {
    const answer = await this.tabs.ask({ type: "request", method: number, body });
    if (answer.type === "refused") throw new Refused(answer.info.code, answer.info.text);
    const value = answer.type === "response" ? tryDecode(type, answer.body) : undefined;
    if (value === undefined) throw new Refused(0, "the answer does not decode");
    return value;
  }

  /** Queues a command and waits for its outcome. */
  private async op<T>(conv: bigint, number: number, type: MessageType<T>, value: T): Promise<Settled> {
    const op = Op.of({ conv, type: number, body: type.encode(value) });
    const local = queuedOf(await this.tabs.ask({ type: "op", op, after: 0n }));
    return new Promise((resolve, reject) => this.settling.set(local, { resolve, reject }));
  }
}

/** The next frame is on the screen; at once where there are no frames, and soon in a tab that nobody sees. */
const drawn = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof requestAnimationFrame === "undefined") return resolve();
    const timer = setTimeout(resolve, DRAWN_MAX);
    requestAnimationFrame(() => setTimeout(() => (clearTimeout(timer), resolve())));
  });

const bytesOf = (token: Uint8Array | string): Uint8Array => (typeof token === "string" ? Uint8Array.from(atob(token), (c) => c.charCodeAt(0)) : token);

function queuedOf(answer: { readonly type: string }): bigint {
  const given = answer as Awaited<ReturnType<Port["ask"]>>;
  if (given.type === "queued") return given.local;
  throw given.type === "refused" ? new Refused(given.info.code, given.info.text) : new Refused(0, "no answer");
}
