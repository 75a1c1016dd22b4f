//! A disk that is full: which rows go, and that what is said of the rest stays true.

import "fake-indexeddb/auto";
import { MessageRow, method, PrivateMessage, ReadRequest, kind } from "@tenon/wire";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, IndexedStore, LocalStores, MemoryStore, type Opened, SeededRandom, type Store, type StoreOp, type StoreSource, textMessage } from "../src/index.js";
import type { IntervalRow } from "../src/rows.js";
import { OPENED, planEviction } from "../src/store/evict.js";
import { TestServer } from "../src/testing/index.js";

const run = (from: number, to: number): bigint[] => Array.from({ length: to - from + 1 }, (_, n) => BigInt(from + n));

describe("the plan", () => {
  const held = [
    { conv: 1n, seqs: run(1, 200), openedMs: 300 },
    { conv: 2n, seqs: run(1, 100), openedMs: 100 },
    { conv: 3n, seqs: run(901, 1_000), openedMs: 0 },
  ];

  it("takes the oldest of what was opened longest ago, and no newest page while there is something else", () => {
    expect(planEviction(held, 0.1)).toEqual([{ conv: 3n, hi: 940n }]);
    expect(planEviction(held, 0.25)).toEqual([{ conv: 3n, hi: 950n }, { conv: 2n, hi: 50n }]);
    expect(planEviction(held, 0.5)).toEqual([{ conv: 3n, hi: 950n }, { conv: 2n, hi: 50n }, { conv: 1n, hi: 100n }]);
  });

  it("takes newest pages last, and the very newest message only with everything", () => {
    expect(planEviction(held, 0.75)).toEqual([{ conv: 3n, hi: 999n }, { conv: 2n, hi: 51n }, { conv: 1n, hi: 150n }]);
    expect(planEviction(held, 0.999)).toEqual([{ conv: 3n, hi: 999n }, { conv: 2n, hi: 99n }, { conv: 1n, hi: 199n }]);
    expect(planEviction(held, 1)).toEqual([{ conv: 3n, hi: 1_000n }, { conv: 2n, hi: 100n }, { conv: 1n, hi: 200n }]);
    expect(planEviction([], 1)).toEqual([]);
  });
});

const stores: [string, () => Promise<Store>][] = [
  ["memory", async () => new MemoryStore()],
  ["IndexedDB", () => IndexedStore.open("a", new IDBFactory())],
];

const rowsOf = async (store: Store, conv: bigint): Promise<bigint[]> => (await store.messages({ conv, lo: 0n, hi: 99_999n, limit: 99_999, isUpward: true })).map((row) => row.seq);

describe.each(stores)("a store in %s", (_, open) => {
  it("gives up rows with what is said of them, and keeps everything else", async () => {
    const store = await open();
    const random = new SeededRandom(7n);
    const some = (n: number) => Number(random.nextU64() % BigInt(n));
    const spans = new Map<bigint, IntervalRow[]>();
    for (const conv of [1n, 2n, 3n, 0xffff_0000_0000_0004n]) {
      const ops: StoreOp[] = [];
      const intervals: IntervalRow[] = [];
      for (let lo = 1 + some(5); lo < 300; ) {
        const hi = lo + some(60);
        intervals.push({ lo: BigInt(lo), hi: BigInt(hi), vrev: BigInt(1 + some(9)) });
        ops.push(...run(lo, hi).map((seq): StoreOp => ({ type: "message", conv, row: MessageRow.of({ seq, ver: 1n }) })));
        ops.push({ type: "private", conv, row: PrivateMessage.of({ anchorSeq: BigInt(hi), pid: 1n }) });
        lo = hi + 2 + some(20);
      }
      spans.set(conv, intervals);
      await store.commit([...ops, { type: "intervals", conv, intervals }]);
    }
    await store.putValues([[`${OPENED}2`, 50], [`${OPENED}1`, 60], ["draft/1", "kept"]]);
    const before = new Map<bigint, bigint[]>();
    for (const conv of spans.keys()) before.set(conv, await rowsOf(store, conv));
    const total = [...before.values()].reduce((sum, seqs) => sum + seqs.length, 0);
    const gone = await store.evict(0.4);
    expect(gone).toBeGreaterThanOrEqual(Math.ceil(total * 0.4));
    let left = 0;
    for (const { conv, intervals } of (await store.load()).intervals) {
      const held = new Set(await rowsOf(store, conv));
      // Every seq that is said to be held is held, as old as it was.
      for (const { lo, hi, vrev } of intervals) {
        for (let seq = lo; seq <= hi; seq += 1n) expect(held.has(seq)).toBe(true);
        expect(spans.get(conv)?.some((was) => was.lo <= lo && hi <= was.hi && was.vrev === vrev)).toBe(true);
      }
      // What is held is said to be held, and is the newest part of what was.
      expect([...held].every((seq) => intervals.some(({ lo, hi }) => lo <= seq && seq <= hi))).toBe(true);
      expect([...held]).toEqual(before.get(conv)?.slice(-held.size));
      expect(held.size).toBeGreaterThanOrEqual(50);
      const lowest = intervals[0]?.lo ?? 0n;
      expect((await store.privates(conv, 0n, 99_999n)).every(({ anchorSeq }) => anchorSeq >= lowest)).toBe(true);
      left += held.size;
    }
    expect(left).toBe(total - gone);
    // Opened last: nothing of it went, the others were enough.
    expect(await rowsOf(store, 1n)).toEqual(before.get(1n));
    expect((await store.values()).get("draft/1")).toBe("kept");
    expect(await store.evict(1)).toBe(left);
    expect((await store.load()).intervals).toEqual([]);
    store.close();
  });
});

/** A disk that has room for some message rows, and says so as a browser does: the whole transaction fails. */
class SmallDisk implements Store {
  failures = 0;

  constructor(
    private readonly inner: Store,
    private readonly rowsMax: number,
  ) {}

  load = () => this.inner.load();
  glance: Store["glance"] = (want) => this.inner.glance(want);
  rest: Store["rest"] = (glance, take) => this.inner.rest(glance, take);
  single: Store["single"] = (conv, keys) => this.inner.single(conv, keys);
  tails: Store["tails"] = (convs) => this.inner.tails(convs);
  messages: Store["messages"] = (range) => this.inner.messages(range);
  privates: Store["privates"] = (...range) => this.inner.privates(...range);
  values = () => this.inner.values();
  putValues: Store["putValues"] = (values) => this.inner.putValues(values);
  evict = (share: number) => this.inner.evict(share);
  close = () => this.inner.close();
  destroy = () => this.inner.destroy();

  async commit(ops: readonly StoreOp[]): Promise<void> {
    if ((await this.held(ops)) > this.rowsMax) {
      this.failures += 1;
      throw new DOMException("the disk is full", "QuotaExceededError");
    }
    await this.inner.commit(ops);
  }

  /** Rows that there would be. */
  private async held(ops: readonly StoreOp[]): Promise<number> {
    const { conversations } = await this.inner.load();
    const seqs = new Set<string>();
    for (const { conv } of conversations) for (const seq of await rowsOf(this.inner, conv)) seqs.add(`${conv}/${seq}`);
    for (const op of ops) if (op.type === "message") seqs.add(`${op.conv}/${op.row.seq}`);
    return seqs.size;
  }
}

const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.close(false);
});

describe("an app on a small disk", () => {
  async function start(rowsMax: number): Promise<{ server: TestServer; ada: Client; disk: SmallDisk; convs: bigint[] }> {
    const server = new TestServer();
    const local = new LocalStores("a", new IDBFactory());
    const disk = new SmallDisk((await local.open()).store, rowsMax);
    const storage = { type: "disk", isNew: false, why: "" } as const;
    const stores: StoreSource = { open: async (): Promise<Opened> => ({ store: disk, storage }), after: (failed, error) => local.after(failed, error), destroy: () => local.destroy() };
    const ada = server.client("ada", { stores });
    open.push(ada);
    const convs = ["old", "middle", "new"].map((title) => server.group(title, ["ada", "bob"]));
    for (const conv of convs) for (let n = 1; n <= 150; n++) server.say(conv, "bob", `${n}`);
    await expect.poll(() => ada.conversations.get().map((line) => line.tipSeq)).toEqual([150n, 150n, 150n]);
    return { server, ada, disk, convs };
  }

  /** Opens a conversation and reads it to its first message. */
  async function readWhole(client: Client, conv: bigint): Promise<bigint[]> {
    const timeline = client.openTimeline(conv);
    await expect.poll(() => timeline.view.get().isVerified).toBe(true);
    // A page may meet the full disk: then it is asked for once more.
    await expect.poll(async () => (await timeline.loadOlder(), timeline.view.get().isFloor)).toBe(true);
    return timeline.view.get().rows.map((row) => row.seq);
  }

  it("goes on, keeps what was opened last, and shows no hole anywhere", async () => {
    const { server, ada, disk, convs } = await start(400);
    const [old = 0n, middle = 0n, last = 0n] = convs;
    for (const conv of [old, middle, last]) {
      expect(await readWhole(ada, conv)).toEqual(run(1, 150));
      if (conv !== last) ada.closeTimeline(conv);
    }
    await expect.poll(() => disk.failures).toBeGreaterThan(0);
    await expect.poll(() => ada.status.get().state).toBe("live");
    expect(ada.storage.get()).toMatchObject({ type: "disk", isNew: false });
    // The oldest of what was opened first went, the newest page of it stayed; the last one is whole.
    const left = await rowsOf(disk, old);
    expect(left.length).toBeLessThan(150);
    expect(left).toEqual(run(151 - left.length, 150));
    expect(left.length).toBeGreaterThanOrEqual(50);
    expect(ada.openTimeline(last).view.get().rows.map((row) => row.seq)).toEqual(run(1, 150));
    // It goes on to receive and to send, and what went is had again.
    server.say(last, "bob", "and on");
    await ada.send(textMessage(last, "and on"));
    await expect.poll(() => ada.conversation(last).get()?.tipSeq).toBe(152n);
    expect(await readWhole(ada, old)).toEqual(run(1, 150));
  });

  it("a window whose rows went has them again before it is drawn", async () => {
    const { server, ada, disk, convs } = await start(10_000);
    const conv = convs[0] ?? 0n;
    expect(await readWhole(ada, conv)).toEqual(run(1, 150));
    const timeline = ada.openTimeline(conv);
    const shown: number[] = [];
    const end = timeline.view.subscribe(() => shown.push(timeline.view.get().rows.length));
    let asked = 0;
    server.network.loses = (frame, way) => {
      if (way === "up" && frame.kind === kind.REQUEST && ReadRequest.decode(frame.payload).method === method.GET_HISTORY) asked += 1;
      return false;
    };
    await disk.evict(1);
    const { commit } = disk;
    disk.commit = async () => {
      disk.commit = commit;
      throw new DOMException("the disk is full", "QuotaExceededError");
    };
    server.say(conv, "bob", "one more");
    await expect.poll(() => timeline.view.get().rows.map((row) => row.seq)).toEqual(run(1, 151));
    end();
    expect(asked).toBeGreaterThan(0);
    expect(shown.every((n) => n >= 150)).toBe(true);
  });
});
