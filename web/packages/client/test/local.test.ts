//! Where rows live: stores that are damaged, refused, full or taken away, and what the host makes of it.

import "fake-indexeddb/auto";
import { MessageRow } from "@tenon/wire";
import { IDBFactory } from "fake-indexeddb";
import { describe, expect, it } from "vitest";
import { type Connect, Host, IndexedStore, LocalStores, MemoryStore, type Notice, onlyStore, type Store, StoreDamaged, type StoreOp, type StoreSource, textMessage } from "../src/index.js";
import { newConversation } from "../src/rows.js";

const device = { device: 9n, deviceEpoch: 3, connCtr: 1n, nextOpSeq: 1n, user: 5n, org: 2n, nextLocal: 1n, nextEvent: 1n, needsEpoch: false };
const named = (name: string): Error => Object.assign(new Error(name), { name });

async function raw(factory: IDBFactory, name: string, table: string, put: (store: IDBObjectStore) => void): Promise<void> {
  const db = await new Promise<IDBDatabase>((resolve) => {
    const asked = factory.open(name);
    asked.onsuccess = () => resolve(asked.result);
  });
  const tx = db.transaction(table, "readwrite");
  put(tx.objectStore(table));
  await new Promise((resolve) => (tx.oncomplete = resolve));
  db.close();
}

const names = async (factory: IDBFactory): Promise<(string | undefined)[]> => (await factory.databases()).map((one) => one.name).sort();

describe("local stores", () => {
  it("a store is found again with what it holds", async () => {
    const local = new LocalStores("a", new IDBFactory());
    const first = await local.open();
    expect(first.storage).toEqual({ type: "disk", isNew: false, why: "" });
    await first.store.commit([{ type: "device", row: device }, { type: "value", key: "k", value: 7 }]);
    first.store.close();
    const again = await local.open();
    expect((await again.store.load()).device).toEqual(device);
    expect(await again.store.values()).toEqual(new Map([["k", 7]]));
  });

  const harms: [string, string, (store: IDBObjectStore) => void][] = [
    ["a device without numbers", "device", (store) => store.put({ device: "x" }, 1)],
    ["a text instead of a row", "stream", (store) => store.put("row", 1)],
    ["a conversation with a hole", "conversation", (store) => store.put({ ...newConversation(1n), rev: undefined }, "1")],
    ["an outbox row without its number", "outbox", (store) => store.put({ local: 1n }, "1")],
    ["a conversation with a hole further down the list", "conversation", (store) => store.put({ ...newConversation(1n), order: "3", rev: undefined }, "1")],
    ["an interval without its conversation", "interval", (store) => store.put({ intervals: [] }, "1")],
    ["rows without a device", "conversation", (store) => (store.put(newConversation(1n), "1"), store.transaction.objectStore("conversation"))],
  ];
  it.each(harms)("%s: the database is set aside and a new one begins", async (what, table, harm) => {
    const factory = new IDBFactory();
    const local = new LocalStores("a", factory);
    const first = await local.open();
    if (what !== "rows without a device") await first.store.commit([{ type: "device", row: device }]);
    first.store.close();
    await raw(factory, "a", table, harm);
    const notices: Notice[] = [];
    const running = await host(local, (notice) => notices.push(notice));
    await expect.poll(async () => (await running.snapshot()).isWhole).toBe(true);
    expect((await running.snapshot()).storage).toMatchObject({ type: "disk", isNew: true });
    running.close();
    expect(await names(factory)).toEqual(["a", "a~1"]);
    // From now on the new one is the one in use.
    expect((await local.open()).storage).toMatchObject({ type: "disk", isNew: false });
    await local.destroy();
  });

  it("a newer schema is left alone", async () => {
    const factory = new IDBFactory();
    await new Promise((resolve) => (factory.open("a", 99).onsuccess = (event) => ((event.target as IDBOpenDBRequest).result.close(), resolve(0))));
    const local = new LocalStores("a", factory);
    expect((await local.open()).storage).toMatchObject({ type: "disk", isNew: true });
    expect((await factory.databases()).find((one) => one.name === "a")?.version).toBe(99);
  });

  it("a browser that refuses gives memory, and says why", async () => {
    const refusing = { open: () => { throw named("SecurityError"); }, databases: async () => [] } as unknown as IDBFactory;
    expect((await new LocalStores("a", refusing).open()).storage).toEqual({ type: "memory", why: "SecurityError" });
  });

  it("a full disk gives up message rows, more and more of them, then goes to memory", async () => {
    const local = new LocalStores("a", new IDBFactory());
    const { store } = await local.open();
    const rows = Array.from({ length: 100 }, (_, n): StoreOp => ({ type: "message", conv: 7n, row: MessageRow.of({ seq: BigInt(n + 1), ver: 1n }) }));
    await store.commit([{ type: "device", row: device }, ...rows]);
    const left: number[] = [];
    for (let n = 0; n < 3; n++) {
      expect((await local.after(store, named("QuotaExceededError")))?.store).toBe(store);
      left.push((await store.messages({ conv: 7n, lo: 0n, hi: 999n, limit: 999, isUpward: true })).length);
    }
    expect(left).toEqual([75, 37, 0]);
    const memory = await local.after(store, named("QuotaExceededError"));
    expect([memory?.store instanceof MemoryStore, memory?.storage.type]).toEqual([true, "memory"]);
  });

  it("a database that another tab deletes is not made again", async () => {
    const factory = new IDBFactory();
    const local = new LocalStores("a", factory);
    const { store } = await local.open();
    await local.destroy();
    await expect(store.commit([{ type: "device", row: device }])).rejects.toThrow();
    expect(await local.after(store, named("InvalidStateError"))).toBeUndefined();
    expect(await names(factory)).toEqual([]);
  });

  it("a damaged message is told when it is read, not shown", async () => {
    const factory = new IDBFactory();
    const store = await IndexedStore.open("a", factory);
    await raw(factory, "a", "message", (table) => table.put({ seq: 1n, body: "text" }, `${"0".repeat(15)}7${"0".repeat(15)}1`));
    for (const isUpward of [true, false]) await expect(store.messages({ conv: 7n, lo: 0n, hi: 9n, limit: 5, isUpward })).rejects.toBeInstanceOf(StoreDamaged);
  });
});

/** A store that fails from a commit on that the test chooses. */
class Failing extends MemoryStore {
  fails: Error | undefined;

  override async commit(ops: readonly StoreOp[]): Promise<void> {
    if (this.fails) throw this.fails;
    await super.commit(ops);
  }
}

const nobody: Connect = () => ({ send: () => undefined, close: () => undefined });
const host = (stores: StoreSource | Store, notify: (notice: Notice) => void = () => undefined) => Host.open({ stores, connect: nobody, getTicket: async () => new Uint8Array(1) }, notify);

describe("host over a store that fails", () => {
  it("goes on over the next store, with the wish that was not answered", async () => {
    const [first, second] = [new Failing(), new MemoryStore()];
    const why: unknown[] = [];
    const source: StoreSource = {
      open: async () => ({ store: first, storage: { type: "disk", isNew: false, why: "" } }),
      after: async (_, error) => (why.push(error), { store: second, storage: { type: "memory", why: "full" } }),
      destroy: async () => undefined,
    };
    const notices: Notice[] = [];
    const running = await host(source, (notice) => notices.push(notice));
    first.fails = named("QuotaExceededError");
    const answer = await running.ask({ type: "send", send: textMessage(7n, "kept"), after: 0n }, "t1");
    expect(answer).toMatchObject({ type: "queued" });
    expect(why).toEqual([first.fails]);
    expect((await second.load()).outbox.map((row) => row.conv)).toEqual([7n]);
    expect(notices.some((notice) => notice.type === "renewed")).toBe(true);
    expect((await running.snapshot()).storage).toEqual({ type: "memory", why: "full" });
    running.close();
  });

  it("stops with a reason if there is no next one", async () => {
    const store = new Failing();
    const notices: Notice[] = [];
    const running = await host(onlyStore(store), (notice) => notices.push(notice));
    store.fails = named("gone");
    void running.ask({ type: "send", send: textMessage(7n, "x"), after: 0n });
    await expect.poll(() => notices.at(-1)).toMatchObject({ type: "state", state: { type: "stopped", text: "gone" } });
    running.close();
  });
});

describe("tokens", () => {
  it("a wish that is asked twice is done once, also by the next host over the same store", async () => {
    const store = new MemoryStore();
    const first = await host(store);
    const wish = { type: "send" as const, send: textMessage(7n, "once"), after: 0n };
    const answers = await Promise.all([first.ask(wish, "t1"), first.ask(wish, "t1")]);
    const third = await first.ask(wish, "t1");
    expect(new Set([...answers, third].map((answer) => answer.type === "queued" && answer.local)).size).toBe(1);
    first.close();
    const next = await host(store);
    expect(await next.ask(wish, "t1")).toEqual(third);
    expect(await next.ask(wish, "t2")).not.toEqual(third);
    expect((await store.load()).outbox.length).toBe(2);
    next.close();
  });
});
