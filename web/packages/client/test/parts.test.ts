import { Entities, Entity, EntityKind, GetEntities, MessageRow, PrivateMessage } from "@tenon/wire";
import { IDBFactory } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { describe, expect, it } from "vitest";
import { IndexedStore, IntervalSet, K1, MemoryStore, mix64, People, type Port, SeededRandom, type Store, type StoreOp, term, Value } from "../src/index.js";

const row = (lo: number, hi: number, vrev: number) => ({ lo: BigInt(lo), hi: BigInt(hi), vrev: BigInt(vrev) });

describe("interval set", () => {
  it("pages that touch join and take the older rev; a stale neighbour stays apart", () => {
    const set = new IntervalSet([row(1, 10, 5), row(21, 30, 3)]);
    set.add(11n, 20n, 9n, 4n);
    expect(set.rows()).toEqual([row(1, 20, 5), row(21, 30, 3)]);
    set.add(21n, 30n, 9n, 4n);
    expect(set.rows()).toEqual([row(1, 30, 5)]);
  });

  it("a page replaces the part it covers and nothing else", () => {
    const set = new IntervalSet([row(1, 10, 1)]);
    set.add(4n, 6n, 9n, 2n);
    expect(set.rows()).toEqual([row(1, 3, 1), row(4, 6, 9), row(7, 10, 1)]);
    expect([set.reachDown(6n, 2n), set.reachDown(7n, 2n)]).toEqual([4n, undefined]);
  });

  it("a message extends the top only if it is current and has no hole before it", () => {
    const set = new IntervalSet([row(1, 3, 5)]);
    set.extend(4n, 8n, 0n);
    set.extend(6n, 9n, 0n);
    set.extend(7n, 10n, 10n);
    expect(set.rows()).toEqual([row(1, 4, 5), row(6, 6, 9), row(7, 7, 10)]);
  });

  it("equals a map of single seqs and is never more optimistic", () => {
    for (let seed = 0n; seed < 60n; seed++) {
      const random = new SeededRandom(seed);
      const set = new IntervalSet();
      const model = new Map<bigint, bigint>();
      for (let rev = 1n; rev < 40n; rev++) {
        const lo = (random.nextU64() % 30n) + 1n;
        const hi = lo + (random.nextU64() % 6n);
        const cuts = random.nextU64() % 4n === 0n;
        if (cuts) set.cut(lo, hi);
        else set.add(lo, hi, rev, 0n);
        for (let seq = lo; seq <= hi; seq++) cuts ? model.delete(seq) : model.set(seq, rev);
        for (let seq = 1n; seq < 40n; seq++) {
          const held = set.around(seq, 0n);
          expect(held !== undefined).toBe(model.has(seq));
          if (held) expect(held.vrev <= (model.get(seq) ?? 0n)).toBe(true);
        }
      }
    }
  });
});

describe("digest", () => {
  it("has the check values of the protocol page", () => {
    expect(mix64(1n)).toBe(0x5692_161d_100b_05e5n);
    expect(term(K1, 1n, 1n)).toBe(0x1943_8ae6_b813_b33dn);
  });
});

describe("watched value", () => {
  it("tells changes and nothing else", () => {
    const value = new Value(1);
    let told = 0;
    const end = value.subscribe(() => (told += 1));
    value.set(1);
    value.set(2);
    end();
    value.set(3);
    expect([told, value.get()]).toEqual([1, 3]);
  });
});

const stores: [string, () => Promise<Store>][] = [
  ["memory", async () => new MemoryStore()],
  ["IndexedDB", () => IndexedStore.open("test", new IDBFactory())],
];

describe.each(stores)("store in %s", (_, open) => {
  const put = (seq: bigint, ver: bigint): StoreOp => ({ type: "message", conv: 7n, row: MessageRow.of({ seq, ver }) });
  const held = async (store: Store) => (await store.messages({ conv: 7n, lo: 0n, hi: 99n, limit: 99, isUpward: true })).map((r) => [r.seq, r.ver, r.flags]);

  it("a row is never replaced by an older one, in one transaction or several", async () => {
    const store = await open();
    await store.commit([put(1n, 5n), put(1n, 4n), put(2n, 1n)]);
    await store.commit([put(1n, 3n), put(2n, 2n)]);
    expect(await held(store)).toEqual([[1n, 5n, 0], [2n, 2n, 0]]);
  });

  it("changes fold in order within one transaction", async () => {
    const store = await open();
    await store.commit([
      put(1n, 1n),
      { type: "change", conv: 7n, seq: 1n, ver: 3n, change: { type: "tombstone", why: 2048 } },
      { type: "change", conv: 7n, seq: 1n, ver: 2n, change: { type: "tombstone", why: 1 } },
      { type: "change", conv: 7n, seq: 9n, ver: 9n, change: { type: "tombstone", why: 1 } },
    ]);
    expect(await held(store)).toEqual([[1n, 3n, 2048]]);
  });

  it("what is gone is gone, and what follows in the same transaction stays", async () => {
    const store = await open();
    await store.commit([put(1n, 9n), put(2n, 9n), put(3n, 9n)]);
    await store.commit([put(2n, 10n), { type: "gone", conv: 7n, lo: 1n, hi: 2n }, put(1n, 1n)]);
    expect(await held(store)).toEqual([[1n, 1n, 0], [3n, 9n, 0]]);
  });

  it("ranges give the highest or the lowest rows, rising", async () => {
    const store = await open();
    await store.commit([1n, 2n, 3n, 4n].map((seq) => put(seq, 1n)));
    const range = { conv: 7n, lo: 1n, hi: 4n, limit: 2 };
    expect((await store.messages({ ...range, isUpward: true })).map((r) => r.seq)).toEqual([1n, 2n]);
    expect((await store.messages({ ...range, isUpward: false })).map((r) => r.seq)).toEqual([3n, 4n]);
    expect(await store.messages({ conv: 8n, lo: 0n, hi: 9n, limit: 9, isUpward: true })).toEqual([]);
  });

  it("private rows sort by anchor and number", async () => {
    const store = await open();
    const row = (anchorSeq: bigint, pid: bigint, ver: bigint): StoreOp => ({ type: "private", conv: 7n, row: PrivateMessage.of({ anchorSeq, pid, message: MessageRow.of({ ver }) }) });
    await store.commit([row(2n, 1n, 1n), row(1n, 9n, 2n), row(1n, 9n, 1n)]);
    expect((await store.privates(7n, 0n, 9n)).map((r) => [r.anchorSeq, r.pid, r.message?.ver])).toEqual([[1n, 9n, 2n], [2n, 1n, 1n]]);
  });

  it("values of the app and events come back, and destroy forgets all", async () => {
    const store = await open();
    await store.putValues([["draft/1", { text: "hi", at: 5n }], ["draft/2", "there"]]);
    await store.commit([1n, 2n, 3n].map((n) => ({ type: "event", row: { n, what: { type: "rebased", rebased: { unit: 1, reason: 1 } } } }) as StoreOp));
    await store.commit([{ type: "eventsDone", n: 2n }]);
    expect((await store.values()).get("draft/1")).toEqual({ text: "hi", at: 5n });
    expect((await store.load()).events.map((e) => e.n)).toEqual([3n]);
    await store.putValues([["draft/1", undefined], ["draft/2", undefined]]);
    expect((await store.values()).size).toBe(0);
    await store.destroy();
  });
});

describe("names of people", () => {
  it("of a large group are stored in a few transactions, so that nothing waits behind them", async () => {
    const stored: number[] = [];
    const port = {
      ask: async (wish: { body: Uint8Array }) => {
        const entities = GetEntities.decode(wish.body).wanted.map(({ id }) => Entity.of({ kind: EntityKind.USER, id, ver: 1n, name: `user ${id}`, title: `login${id}` }));
        return { type: "response", body: Entities.encode({ entities }) };
      },
      putValues: async (values: readonly unknown[]) => void stored.push(values.length),
    } as unknown as Port;
    const people = new People(() => port);
    people.loaded();
    const users = Array.from({ length: 450 }, (_, n) => people.person(BigInt(n + 1)));
    await expect.poll(() => users.filter((user) => user.get().name !== "").length).toBe(450);
    expect(stored).toEqual([200, 200, 50]);
  });
});
