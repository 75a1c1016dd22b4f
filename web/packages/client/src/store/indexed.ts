//! The store of a browser: IndexedDB, one object store for each kind of row.
//!
//! Keys that hold 64-bit numbers are 16 hex digits each, so that their order as text is their order as numbers. Every
//! transaction asks for strict durability. A database that cannot be opened, or whose rows are not what this version
//! writes, is set aside by the caller (`local.ts`), never repaired here.

import type { MessageRow, PrivateMessage } from "@tenon/wire";
import { U64_MAX } from "../numbers.js";
import { type ConversationRow, type DeviceRow, type EventRow, type IntervalRow, listKey, type Loaded, type OutboxRow, type ReadPendingRow, type StreamRow } from "../rows.js";
import { changed, type Glance, type GlanceWant, privateVer, type RowRange, type Single, type Slice, type Store, StoreDamaged, type StoreOp } from "../store.js";
import { checkConversations, checkIntervals, checkLoaded, checkMessages } from "./check.js";
import { type HeldRows, intervalsAbove, OPENED, planEviction } from "./evict.js";

/** Schema of the database; a new one migrates forward in `onupgradeneeded`. 2: conversations have an index in list order. */
const SCHEMA = 2;
const TABLES = ["device", "stream", "conversation", "interval", "message", "private", "outbox", "read", "event", "opaque", "value"] as const;
type Table = (typeof TABLES)[number];

/** Index of conversations by `listKey`, which their rows hold under this name. */
const ORDER = "order";
/** Rows of one slice: a few milliseconds of work. */
const SLICE = 400;

/** A conversation as it is stored. */
type StoredConversation = ConversationRow & { [ORDER]?: string };

const key = (...numbers: bigint[]): string => numbers.map((n) => n.toString(16).padStart(16, "0")).join("");

function request<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error("request failed"));
  });
}

function finished(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error ?? new Error("transaction was aborted"));
    tx.onerror = () => reject(tx.error ?? new Error("transaction failed"));
  });
}

/** Brings an older database to this schema, within the transaction that opens it. */
function migrate(asked: IDBOpenDBRequest, from: number): void {
  const { result: db, transaction: tx } = asked;
  for (const table of TABLES) if (!db.objectStoreNames.contains(table)) db.createObjectStore(table);
  if (from >= 2 || tx === null) return;
  const conversations = tx.objectStore("conversation");
  conversations.createIndex(ORDER, ORDER);
  if (from === 0) return;
  const rows = conversations.openCursor();
  rows.onsuccess = () => {
    const cursor = rows.result;
    if (cursor === null) return;
    // A row that is none is found when it is read.
    if (isConversation(cursor.value)) cursor.update(keyed(cursor.value));
    cursor.continue();
  };
}

const isConversation = (value: unknown): value is ConversationRow => {
  const row = value as Partial<ConversationRow> | null | undefined;
  return typeof row === "object" && row !== null && typeof row.conv === "bigint" && typeof row.sortTs === "bigint";
};

const keyed = (row: ConversationRow): StoredConversation => ({ ...row, [ORDER]: listKey(row) });

/** The rows without what only the index needs. @throws StoreDamaged */
function conversationsOf(rows: StoredConversation[]): ConversationRow[] {
  for (const row of rows) delete row[ORDER];
  return checkConversations(rows);
}

/** The newest message of a conversation, from its end. */
function tail(messages: IDBObjectStore, conv: bigint): Promise<MessageRow | undefined> {
  const asked = messages.openCursor(IDBKeyRange.bound(key(conv, 0n), key(conv, U64_MAX)), "prev");
  return request(asked).then((cursor) => (cursor === null ? undefined : checkMessages([cursor.value as MessageRow])[0]));
}

function checked(rows: MessageRow[], resolve: (rows: MessageRow[]) => void, reject: (error: unknown) => void): void {
  try {
    resolve(checkMessages(rows));
  } catch (error) {
    reject(error);
  }
}

/** Reads slice by slice from behind `after`; the next one is read while this one is taken. A slice whose last row has no key is the last. */
async function inSlices<T>(after: string | undefined, read: (after: IDBKeyRange | null) => Promise<T[]>, keyOf: (row: T) => string | undefined, take: (rows: T[]) => void): Promise<void> {
  const behind = (at: string | undefined) => read(at === undefined ? null : IDBKeyRange.lowerBound(at, true));
  for (let rows = await behind(after); rows.length > 0; ) {
    const last = rows.at(-1);
    const at = last === undefined || rows.length < SLICE ? undefined : keyOf(last);
    const next = at === undefined ? undefined : behind(at);
    // What is read ahead is waited for below, unless taking these rows failed.
    next?.catch(() => undefined);
    take(rows);
    rows = (await next) ?? [];
  }
}

async function valuesOf(store: IDBObjectStore, range: IDBKeyRange | null, limit?: number): Promise<(readonly [key: string, value: unknown])[]> {
  const [keys, values] = await Promise.all([request(store.getAllKeys(range, limit)), request(store.getAll(range, limit))]);
  return keys.map((at, index) => [String(at), values[index] as unknown] as const);
}

/** Those of the values that are there. */
async function valuesAt(store: IDBObjectStore, keys: readonly string[]): Promise<(readonly [key: string, value: unknown])[]> {
  const all = await Promise.all(keys.map(async (at) => [at, await request(store.get(at) as IDBRequest<unknown>)] as const));
  return all.filter(([, value]) => value !== undefined);
}

/** Rows of the tables that stay small. */
async function small(tx: IDBTransaction): Promise<Omit<Loaded, "conversations" | "intervals">> {
  const all = <T>(table: Table) => request(tx.objectStore(table).getAll() as IDBRequest<T[]>);
  const [devices, streams, outbox, reads, events] = await Promise.all([all<DeviceRow>("device"), all<StreamRow>("stream"), all<OutboxRow>("outbox"), all<ReadPendingRow>("read"), all<EventRow>("event")]);
  return { device: devices[0], streams, outbox, reads, events };
}

/** One account's rows in IndexedDB. */
export class IndexedStore implements Store {
  /** Another tab deletes the database: the account is left, nothing is to be stored any more. */
  isTakenAway = false;

  private constructor(
    private readonly db: IDBDatabase,
    private readonly name: string,
    private readonly factory: IDBFactory,
  ) {}

  /** Opens or creates the database. @throws if the browser gives no storage */
  static async open(name: string, factory: IDBFactory = indexedDB): Promise<IndexedStore> {
    const asked = factory.open(name, SCHEMA);
    asked.onupgradeneeded = (event) => migrate(asked, event.oldVersion);
    const db = await request(asked);
    const missing = TABLES.filter((table) => !db.objectStoreNames.contains(table));
    if (missing.length > 0) {
      db.close();
      throw new StoreDamaged(`without ${missing.join(", ")}`);
    }
    const store = new IndexedStore(db, name, factory);
    db.onversionchange = () => {
      store.isTakenAway = true;
      db.close();
    };
    return store;
  }

  /** Forgets a database, also one that another tab has open: it is told to close. */
  static async remove(name: string, factory: IDBFactory = indexedDB): Promise<void> {
    await request(factory.deleteDatabase(name));
  }

  async load(): Promise<Loaded> {
    const tx = this.db.transaction([...TABLES], "readonly");
    const all = <T>(table: Table) => request(tx.objectStore(table).getAll() as IDBRequest<T[]>);
    const [rest, conversations, intervals] = await Promise.all([small(tx), all<StoredConversation>("conversation"), all<{ conv: bigint; intervals: IntervalRow[] }>("interval")]);
    return checkLoaded({ ...rest, conversations: conversationsOf(conversations), intervals });
  }

  async glance(want: GlanceWant): Promise<Glance> {
    const tx = this.db.transaction([...TABLES], "readonly");
    const [messages, held] = [tx.objectStore("message"), tx.objectStore("value")];
    const first = async () => {
      const rows = conversationsOf(await request(tx.objectStore("conversation").index(ORDER).getAll(null, want.lines) as IDBRequest<StoredConversation[]>));
      const tails = await Promise.all(rows.map((row) => tail(messages, row.conv)));
      const last = new Map(rows.flatMap(({ conv }, index) => (tails[index] ? [[conv, tails[index]] as const] : [])));
      return { rows, last, named: await valuesAt(held, want.keys(rows, [...last.values()])) };
    };
    const groups = Promise.all(want.prefixes.map((prefix) => valuesOf(held, IDBKeyRange.bound(prefix, `${prefix}\uffff`))));
    const [loaded, { rows: conversations, last, named }, grouped] = await Promise.all([small(tx), first(), groups]);
    const values = new Map([...grouped.flat(), ...named]);
    return { loaded: checkLoaded({ ...loaded, conversations, intervals: [] }), last, values };
  }

  async single(conv: bigint, keys: (row: ConversationRow) => readonly string[]): Promise<Single | undefined> {
    const tx = this.db.transaction(["conversation", "value"], "readonly");
    const stored = await request(tx.objectStore("conversation").get(key(conv)) as IDBRequest<StoredConversation | undefined>);
    const [row] = conversationsOf(stored === undefined ? [] : [stored]);
    return row && { row, values: await valuesAt(tx.objectStore("value"), keys(row)) };
  }

  async rest({ loaded }: Glance, take: (slice: Slice) => void): Promise<void> {
    const none = { conversations: [], intervals: [], values: [] };
    const table = (name: Table) => this.db.transaction(name, "readonly").objectStore(name);
    const rows = (after: IDBKeyRange | null) => request(table("conversation").index(ORDER).getAll(after, SLICE) as IDBRequest<StoredConversation[]>);
    const intervals = (after: IDBKeyRange | null) => request(table("interval").getAll(after, SLICE) as IDBRequest<Loaded["intervals"]>);
    const values = (after: IDBKeyRange | null) => valuesOf(table("value"), after, SLICE);
    const end = loaded.conversations.at(-1);
    let count = loaded.conversations.length;
    await inSlices(end && listKey(end), rows, (row) => row[ORDER], (some) => {
      count += some.length;
      take({ ...none, conversations: conversationsOf(some) });
    });
    // A row without a place in the list would be forgotten, and with it what the device knows of the conversation.
    if ((await request(table("conversation").count())) !== count) throw new StoreDamaged("a conversation stands in no list");
    await inSlices(undefined, intervals, ({ conv }) => (typeof conv === "bigint" ? key(conv) : undefined), (some) => take({ ...none, intervals: checkIntervals(some) }));
    await inSlices(undefined, values, ([at]) => at, (some) => take({ ...none, values: some }));
  }

  async commit(ops: readonly StoreOp[]): Promise<void> {
    const tx = this.db.transaction([...TABLES], "readwrite", { durability: "strict" });
    const done = finished(tx);
    for (const op of ops) if (!isMessageOp(op)) apply(tx, op);
    const rows = ops.filter(isMessageOp);
    if (rows.length > 0) applyToMessages(tx, rows);
    await done;
  }

  async messages(range: RowRange): Promise<MessageRow[]> {
    if (range.lo > range.hi) return [];
    const store = this.db.transaction("message", "readonly").objectStore("message");
    const bounds = IDBKeyRange.bound(key(range.conv, range.lo), key(range.conv, range.hi));
    if (range.isUpward) return checkMessages(await request(store.getAll(bounds, range.limit) as IDBRequest<MessageRow[]>));
    return new Promise((resolve, reject) => {
      const rows: MessageRow[] = [];
      const asked = store.openCursor(bounds, "prev");
      asked.onerror = () => reject(asked.error ?? new Error("cursor failed"));
      asked.onsuccess = () => {
        const cursor = asked.result;
        if (cursor !== null) rows.push(cursor.value as MessageRow);
        if (cursor === null || rows.length >= range.limit) return checked(rows.reverse(), resolve, reject);
        cursor.continue();
      };
    });
  }

  tails(convs: readonly bigint[]): Promise<(MessageRow | undefined)[]> {
    const messages = this.db.transaction("message", "readonly").objectStore("message");
    return Promise.all(convs.map((conv) => tail(messages, conv)));
  }

  privates(conv: bigint, lo: bigint, hi: bigint): Promise<PrivateMessage[]> {
    if (lo > hi) return Promise.resolve([]);
    const store = this.db.transaction("private", "readonly").objectStore("private");
    return request(store.getAll(IDBKeyRange.bound(key(conv, lo, 0n), key(conv, hi, U64_MAX))) as IDBRequest<PrivateMessage[]>);
  }

  async values(): Promise<Map<string, unknown>> {
    return new Map(await valuesOf(this.db.transaction("value", "readonly").objectStore("value"), null));
  }

  async putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    const tx = this.db.transaction("value", "readwrite", { durability: "strict" });
    const done = finished(tx);
    const store = tx.objectStore("value");
    for (const [at, value] of values) {
      if (value === undefined) store.delete(at);
      else store.put(value, at);
    }
    await done;
  }

  async evict(share: number): Promise<number> {
    const tx = this.db.transaction(["message", "private", "interval", "opaque", "value"], "readwrite", { durability: "strict" });
    const done = finished(tx);
    const [messages, intervals, values] = [tx.objectStore("message"), tx.objectStore("interval"), tx.objectStore("value")];
    const openedKeys = IDBKeyRange.bound(OPENED, `${OPENED}~`);
    const [keys, spans, openedBy, openedAt] = await Promise.all([
      request(messages.getAllKeys()),
      request(intervals.getAll() as IDBRequest<{ conv: bigint; intervals: IntervalRow[] }[]>),
      request(values.getAllKeys(openedKeys)),
      request(values.getAll(openedKeys) as IDBRequest<unknown[]>),
    ]);
    const opened = new Map(openedBy.map((at, n) => [String(at).slice(OPENED.length), Number(openedAt[n])]));
    const held = heldOf(keys.map(String), (conv) => opened.get(`${conv}`) ?? 0);
    for (const { conv, hi } of planEviction(held, share)) {
      messages.delete(IDBKeyRange.bound(key(conv, 0n), key(conv, hi)));
      tx.objectStore("private").delete(IDBKeyRange.bound(key(conv, 0n, 0n), key(conv, hi, U64_MAX)));
      apply(tx, { type: "intervals", conv, intervals: intervalsAbove(spans.find((span) => span.conv === conv)?.intervals ?? [], hi) });
    }
    if (share >= 1) tx.objectStore("opaque").clear();
    const left = await request(messages.count());
    await done;
    return keys.length - left;
  }

  close(): void {
    this.db.close();
  }

  async destroy(): Promise<void> {
    this.db.close();
    await request(this.factory.deleteDatabase(this.name));
  }
}

/** What is held of each conversation, by the rising keys of its messages. */
function heldOf(keys: readonly string[], openedMs: (conv: bigint) => number): HeldRows[] {
  const seqs = new Map<string, bigint[]>();
  for (const at of keys) {
    const conv = at.slice(0, 16);
    const held = seqs.get(conv) ?? [];
    seqs.set(conv, held);
    held.push(BigInt(`0x${at.slice(16)}`));
  }
  return [...seqs].map(([at, all]) => ({ conv: BigInt(`0x${at}`), seqs: all, openedMs: openedMs(BigInt(`0x${at}`)) }));
}

type MessageOp = Extract<StoreOp, { type: "message" | "change" | "gone" | "private" }>;

const isMessageOp = (op: StoreOp): op is MessageOp => ["message", "change", "gone", "private"].includes(op.type);

function apply(tx: IDBTransaction, op: Exclude<StoreOp, MessageOp>): void {
  const table = (name: Table) => tx.objectStore(name);
  switch (op.type) {
    case "device":
      return void table("device").put(op.row, 1);
    case "stream":
      return void table("stream").put(op.row, op.row.unit);
    case "conversation":
      return void table("conversation").put(keyed(op.row), key(op.row.conv));
    case "intervals":
      if (op.intervals.length === 0) return void table("interval").delete(key(op.conv));
      return void table("interval").put({ conv: op.conv, intervals: op.intervals }, key(op.conv));
    case "outbox":
      return void table("outbox").put(op.row, key(op.row.local));
    case "outboxDone":
      return void table("outbox").delete(key(op.local));
    case "readPending":
      return void table("read").put(op.row, key(op.row.conv));
    case "readDone":
      return void table("read").delete(key(op.conv));
    case "event":
      return void table("event").put(op.row, key(op.row.n));
    case "eventsDone":
      return void table("event").delete(IDBKeyRange.upperBound(key(op.n)));
    case "opaque":
      return void table("opaque").put(op.row, key(op.row.pts));
    case "value":
      if (op.value === undefined) return void table("value").delete(op.key);
      return void table("value").put(op.value, op.key);
  }
}

const keyOf = (op: Exclude<MessageOp, { type: "gone" }>): string => {
  if (op.type === "private") return key(op.conv, op.row.anchorSeq, op.row.pid);
  return key(op.conv, op.type === "message" ? op.row.seq : op.seq);
};

/** Reads every row that a step may replace, then performs the steps in order on what was read, then writes. */
function applyToMessages(tx: IDBTransaction, ops: readonly MessageOp[]): void {
  const held = new Map<string, MessageRow | PrivateMessage>();
  const single = ops.filter((op) => op.type !== "gone");
  const keys = new Map(single.map((op) => [keyOf(op), op.type === "private" ? "private" : "message"] as const));
  let open = keys.size;
  const loaded = () => {
    if (open === 0) performSteps(tx, ops, held);
  };
  for (const [at, table] of keys) {
    const asked = tx.objectStore(table).get(at);
    asked.onsuccess = () => {
      if (asked.result !== undefined) held.set(at, asked.result as MessageRow);
      open -= 1;
      loaded();
    };
  }
  loaded();
}

function performSteps(tx: IDBTransaction, ops: readonly MessageOp[], held: Map<string, MessageRow | PrivateMessage>): void {
  const messages = tx.objectStore("message");
  const dirty = new Map<string, "message" | "private">();
  for (const op of ops) {
    if (op.type === "gone") {
      const [lo, hi] = [key(op.conv, op.lo), key(op.conv, op.hi)];
      messages.delete(IDBKeyRange.bound(lo, hi));
      for (const at of held.keys()) {
        if (at.length === lo.length && at >= lo && at <= hi) {
          held.delete(at);
          dirty.delete(at);
        }
      }
      continue;
    }
    const at = keyOf(op);
    const before = held.get(at);
    const next = stepped(op, before);
    if (next === undefined) continue;
    held.set(at, next);
    dirty.set(at, op.type === "private" ? "private" : "message");
  }
  for (const [at, table] of dirty) tx.objectStore(table).put(held.get(at), at);
}

function stepped(op: Exclude<MessageOp, { type: "gone" }>, before: MessageRow | PrivateMessage | undefined): MessageRow | PrivateMessage | undefined {
  if (op.type === "change") return before && changed(before as MessageRow, op.ver, op.change);
  if (op.type === "message") return before === undefined || op.row.ver > (before as MessageRow).ver ? op.row : undefined;
  return before === undefined || privateVer(op.row) > privateVer(before as PrivateMessage) ? op.row : undefined;
}
