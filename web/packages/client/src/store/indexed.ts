//! The store of a browser: IndexedDB, one object store for each kind of row.
//!
//! Keys that hold 64-bit numbers are 16 hex digits each, so that their order as text is their order as numbers. Every
//! transaction asks for strict durability. A database that cannot be opened, or whose rows are not what this version
//! writes, is set aside by the caller (`local.ts`), never repaired here.

import type { MessageRow, PrivateMessage } from "@tenon/wire";
import { U64_MAX } from "../numbers.js";
import type { ConversationRow, DeviceRow, EventRow, IntervalRow, Loaded, OutboxRow, ReadPendingRow, StreamRow } from "../rows.js";
import { changed, privateVer, type RowRange, type Store, StoreDamaged, type StoreOp } from "../store.js";
import { checkLoaded, checkMessages } from "./check.js";
import { type HeldRows, intervalsAbove, OPENED, planEviction } from "./evict.js";

/** Schema of the database; a new one migrates forward in `onupgradeneeded`. */
const SCHEMA = 1;
const TABLES = ["device", "stream", "conversation", "interval", "message", "private", "outbox", "read", "event", "opaque", "value"] as const;
type Table = (typeof TABLES)[number];

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

function checked(rows: MessageRow[], resolve: (rows: MessageRow[]) => void, reject: (error: unknown) => void): void {
  try {
    resolve(checkMessages(rows));
  } catch (error) {
    reject(error);
  }
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
    asked.onupgradeneeded = () => {
      for (const table of TABLES) if (!asked.result.objectStoreNames.contains(table)) asked.result.createObjectStore(table);
    };
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
    const [devices, streams, conversations, intervals, outbox, reads, events] = await Promise.all([
      all<DeviceRow>("device"),
      all<StreamRow>("stream"),
      all<ConversationRow>("conversation"),
      all<{ conv: bigint; intervals: IntervalRow[] }>("interval"),
      all<OutboxRow>("outbox"),
      all<ReadPendingRow>("read"),
      all<EventRow>("event"),
    ]);
    return checkLoaded({ device: devices[0], streams, conversations, intervals, outbox, reads, events });
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
        if (cursor === null || rows.length >= range.limit) return checked(rows.reverse(), resolve, reject);
        rows.push(cursor.value as MessageRow);
        cursor.continue();
      };
    });
  }

  privates(conv: bigint, lo: bigint, hi: bigint): Promise<PrivateMessage[]> {
    if (lo > hi) return Promise.resolve([]);
    const store = this.db.transaction("private", "readonly").objectStore("private");
    return request(store.getAll(IDBKeyRange.bound(key(conv, lo, 0n), key(conv, hi, U64_MAX))) as IDBRequest<PrivateMessage[]>);
  }

  async values(): Promise<Map<string, unknown>> {
    const store = this.db.transaction("value", "readonly").objectStore("value");
    const [keys, values] = await Promise.all([request(store.getAllKeys()), request(store.getAll())]);
    return new Map(keys.map((at, index) => [String(at), values[index] as unknown]));
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
      return void table("conversation").put(op.row, key(op.row.conv));
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
