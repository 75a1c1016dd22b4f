//! The list kept line by line equals a sort of all lines, its totals equal sums, and a store read in slices gives what it holds.

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { ConvMeta, MessageRow, Summary } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type Connect, type ConversationRow, ConvState, Host, IndexedStore, inListOrder, LineList, listKey, type ListLine, type ListTotals, LocalStores, MemoryStore, newConversation, type Notice, NO_TOTALS, SeededRandom, type Store, type StoreOp, Tally, textMessage } from "../src/index.js";
import { lineOf } from "../src/engine/conversation.js";

/** Numbers below `n`, the same ones each time. */
function dice(seed: bigint): (n: number) => number {
  const random = new SeededRandom(seed);
  return (n) => Number(random.nextU64() % BigInt(n));
}

function conversation(conv: bigint, roll: (n: number) => number): ConversationRow {
  const summary = roll(3) === 0 ? undefined : Summary.of({ conv, pinned: roll(8) === 0, hidden: roll(9) === 0, notify: roll(3), markedUnread: roll(10) === 0 });
  const tip = BigInt(roll(6));
  const mention = roll(4) === 0 ? { mentionSeq: tip } : {};
  const read = BigInt(roll(6));
  // Few different times, so that many lines differ by their id alone.
  return { ...newConversation(conv), state: ConvState.JOINED, sortTs: BigInt(roll(40)), tipSeq: tip, tipCnt: tip, readSeq: read, readCnt: read, meta: ConvMeta.of({ title: `c${conv}` }), summary, ...mention };
}

const visible = (line: ListLine): boolean => !line.summary?.hidden;
const isUnread = (line: ListLine): boolean => line.unread > 0n || (line.summary?.markedUnread ?? false);
const isLoud = (line: ListLine): boolean => line.summary?.notify !== 2;

function sums(all: readonly ListLine[]): ListTotals {
  const shown = all.filter(visible);
  const loud = shown.filter((line) => line.unread > 0n && isLoud(line));
  return {
    lines: shown.length,
    unreadLines: shown.filter(isUnread).length,
    loudLines: shown.filter((line) => isUnread(line) && isLoud(line)).length,
    conversations: loud.length,
    count: loud.reduce((sum, line) => sum + line.unread, 0n),
    mentions: loud.filter((line) => line.mentionSeq > line.readSeq).length,
  };
}

describe("the list, line by line", () => {
  it.each([1n, 2n, 3n, 4n])("equals a sort after every change (seed %s)", (seed) => {
    const roll = dice(seed);
    const [list, tally, model] = [new LineList(), new Tally(), new Map<bigint, ListLine>()];
    for (let step = 0; step < 300; step++) {
      // Mostly one line, sometimes many at once.
      const count = roll(10) === 0 ? 90 : 1 + roll(4);
      const lines = Array.from({ length: count }, () => lineOf(conversation(BigInt(1 + roll(200)), roll)));
      const gone = roll(4) === 0 ? [BigInt(1 + roll(200)), BigInt(1 + roll(200))] : [];
      const before = { shown: list.visible(), copy: [...list.visible()] };
      list.take(lines, gone);
      for (const line of lines) model.set(line.conv, line);
      for (const conv of gone) model.delete(conv);
      for (const conv of [...lines.map((line) => line.conv), ...gone]) tally.take(conv, model.get(conv));
      const sorted = [...model.values()].sort(inListOrder);
      expect(list.behind(undefined, 1_000)).toEqual(sorted);
      expect(list.visible()).toEqual(sorted.filter(visible));
      expect(list.visible()).toBe(list.visible());
      expect(list.size).toBe(model.size);
      expect(tally.totals).toEqual(sums(sorted));
      // What was given out stays as it was.
      expect(before.shown).toEqual(before.copy);
    }
  });

  it("pages behind a line give every line once, also if that line moved meanwhile", () => {
    const roll = dice(9n);
    const list = new LineList();
    const all = Array.from({ length: 120 }, (_, n) => lineOf(conversation(BigInt(n + 1), roll)));
    list.take(all, []);
    const seen: ListLine[] = [];
    for (let page = list.behind(undefined, 7); page.length > 0; page = list.behind(page.at(-1), 7)) seen.push(...page);
    expect(seen).toEqual([...all].sort(inListOrder));
    const middle = seen[50] as ListLine;
    list.take([{ ...middle, sortTs: 1_000n }], []);
    expect(list.behind(middle, 1)).toEqual([seen[51]]);
  });
});

const device = { device: 9n, deviceEpoch: 3, connCtr: 1n, nextOpSeq: 1n, user: 5n, org: 2n, nextLocal: 1n, nextEvent: 1n, needsEpoch: false };
const message = (seq: number) => MessageRow.of({ seq: BigInt(seq), ver: 1n, cnt: BigInt(seq), sender: 3n, body: new Uint8Array([seq]) });

/** A store with a long list, some of it left, stubs and hidden. */
async function filled(store: Store, count: number): Promise<Store> {
  const roll = dice(5n);
  const ops: StoreOp[] = [{ type: "device", row: device }];
  for (let n = 1; n <= count; n++) {
    const conv = BigInt(n);
    const row = conversation(conv, roll);
    ops.push({ type: "conversation", row: roll(20) === 0 ? { ...row, state: roll(3) } : row });
    if (roll(5) > 0) ops.push({ type: "intervals", conv, intervals: [{ lo: 1n, hi: 2n, vrev: 1n }] });
    if (roll(5) > 0) for (const seq of [1, 2]) ops.push({ type: "message", conv, row: message(seq) });
    ops.push({ type: "value", key: `person/${n}`, value: { user: conv } });
  }
  ops.push({ type: "value", key: "list/other", value: 1 });
  await store.commit(ops);
  return store;
}

const stores: [string, () => Promise<Store>][] = [
  ["memory", async () => new MemoryStore()],
  ["IndexedDB", () => IndexedStore.open("a", new IDBFactory())],
];

describe.each(stores)("a store in %s", (_, open) => {
  it("gives the top of the list at a glance, and the rest in slices: together what it holds", async () => {
    const store = await filled(await open(), 1_100);
    const whole = await store.load();
    const glance = await store.glance({ lines: 10, prefixes: ["list/"], keys: (rows, last) => [...rows.map((row) => `person/${row.conv}`), ...last.map(() => "person/1"), "person/none"] });
    const joined = whole.conversations.filter((row) => row.state === ConvState.JOINED);
    const sorted = joined.map(lineOf).sort(inListOrder);
    expect(glance.loaded.conversations.map(lineOf)).toEqual(sorted.slice(0, 10));
    const tails = await store.tails(sorted.slice(0, 10).map((line) => line.conv));
    expect(sorted.slice(0, 10).map((line) => glance.last.get(line.conv))).toEqual(tails);
    for (const row of tails) expect(row === undefined || row.seq === 2n).toBe(true);
    expect(new Set(glance.values.keys())).toEqual(new Set(["list/other", "person/1", ...sorted.slice(0, 10).map((line) => `person/${line.conv}`)]));
    const rows = [...glance.loaded.conversations];
    const intervals: unknown[] = [];
    const values = new Map(glance.values);
    await store.rest(glance, (slice) => {
      rows.push(...slice.conversations);
      intervals.push(...slice.intervals);
      for (const [key, value] of slice.values) values.set(key, value);
    });
    expect(rows.filter((row) => row.state === ConvState.JOINED).map(lineOf)).toEqual(sorted);
    expect(rows.sort((a, b) => Number(a.conv - b.conv))).toEqual(whole.conversations);
    expect(intervals).toEqual(whole.intervals);
    expect(values).toEqual(await store.values());
    const one = sorted.at(-1) as ListLine;
    const single = await store.single(one.conv, (row) => [`person/${row.conv}`, "person/none"]);
    expect([single && lineOf(single.row), single?.values]).toEqual([one, [[`person/${one.conv}`, { user: one.conv }]]]);
    expect(await store.single(5_000n, () => ["person/1"])).toBeUndefined();
    store.close();
  });

  it("of an empty one everything is empty", async () => {
    const store = await open();
    const glance = await store.glance({ lines: 10, prefixes: ["list/"], keys: () => [] });
    expect([glance.loaded.conversations, glance.last.size, glance.values.size]).toEqual([[], 0, 0]);
    await store.rest(glance, () => expect.fail("there is nothing"));
    store.close();
  });
});

/** A database as version 1 of the schema left it. */
async function oldDatabase(factory: IDBFactory, rows: readonly ConversationRow[]): Promise<void> {
  const db = await new Promise<IDBDatabase>((resolve) => {
    const asked = factory.open("a", 1);
    asked.onupgradeneeded = () => {
      for (const table of ["device", "stream", "conversation", "interval", "message", "private", "outbox", "read", "event", "opaque", "value"]) asked.result.createObjectStore(table);
    };
    asked.onsuccess = () => resolve(asked.result);
  });
  const tx = db.transaction(["device", "conversation"], "readwrite");
  tx.objectStore("device").put(device, 1);
  for (const row of rows) tx.objectStore("conversation").put(row, row.conv.toString(16).padStart(16, "0"));
  await new Promise((resolve) => (tx.oncomplete = resolve));
  db.close();
}

const nobody: Connect = () => ({ send: () => undefined, close: () => undefined });
const open = (stores: LocalStores | Store, notices: Notice[]) => Host.open({ stores, connect: nobody, getTicket: async () => new Uint8Array(1) }, (notice) => notices.push(notice));

describe("a host over a long list", () => {
  it("a database of the first schema is brought forward, with every row", async () => {
    const factory = new IDBFactory();
    const roll = dice(6n);
    const rows = Array.from({ length: 50 }, (_, n) => conversation(BigInt(n + 1), roll));
    await oldDatabase(factory, rows);
    const notices: Notice[] = [];
    const host = await open(new LocalStores("a", factory), notices);
    const first = await host.snapshot();
    expect(first.storage).toEqual({ type: "disk", isNew: false, why: "" });
    expect(first.lines).toEqual(rows.map(lineOf).sort(inListOrder).slice(0, 40));
    await expect.poll(async () => (await host.snapshot()).isWhole).toBe(true);
    const whole = await host.snapshot();
    expect(whole.lines).toEqual(rows.map(lineOf).sort(inListOrder));
    expect(whole.totals).toEqual(sums(whole.lines));
    host.close();
    const store = await IndexedStore.open("a", factory);
    expect((await store.load()).conversations).toEqual(rows);
    store.close();
  });

  it("shows the first lines before the rest is read, tells of the rest in order, and answers wishes after it", async () => {
    const factory = new IDBFactory();
    const store = await filled(await IndexedStore.open("a", factory), 1_500);
    const sorted = (await store.load()).conversations.filter((row) => row.state === ConvState.JOINED).map(lineOf).sort(inListOrder);
    const totals = sums(sorted);
    await store.commit([{ type: "value", key: "list/totals", value: totals }]);
    const notices: Notice[] = [];
    const host = await open(store, notices);
    const far = sorted.at(-1) as ListLine;
    const early = host.line(far.conv);
    const wish = host.ask({ type: "send", send: textMessage(1n, "soon"), after: 0n });
    const first = await host.snapshot();
    expect([first.isWhole, first.lines, first.totals]).toEqual([false, sorted.slice(0, 40), totals]);
    expect(first.tails.length).toBeGreaterThan(10);
    expect(await early).toEqual(far);
    expect(notices.some((notice) => notice.type === "whole")).toBe(false);
    expect((await wish).type).toBe("queued");
    expect([await host.line(far.conv), await host.line(5_000n)]).toEqual([far, undefined]);
    const told = notices.flatMap((notice) => (notice.type === "lines" ? notice.lines : []));
    expect([...first.lines, ...told]).toEqual(sorted);
    for (const notice of notices) if (notice.type === "lines") expect(notice.totals).toEqual(totals);
    const paged: ListLine[] = [];
    for (let page = await host.lines(undefined, 400); page.length > 0; page = await host.lines(page.at(-1), 400)) paged.push(...page);
    expect(paged).toEqual(sorted);
    host.close();
  });

  it("the index of conversations has keys of this form", () => {
    const summary = (fields: Partial<Summary>) => Summary.of({ conv: 255n, ...fields });
    const row = { ...newConversation(255n), state: ConvState.JOINED, sortTs: 1_700_000_000_000n };
    expect(listKey(row)).toBe("1fffffe74301a97ff00000000000000ff");
    const rows = [{ ...row, summary: summary({ pinned: true }) }, row, { ...row, sortTs: 0n }, { ...row, summary: summary({ hidden: true, pinned: true }) }, { ...row, state: ConvState.LEFT }];
    expect(rows.map(listKey)).toEqual([...rows.map(listKey)].sort());
    expect(rows.map((one) => listKey(one)[0])).toEqual(["0", "1", "1", "2", "3"]);
  });

  it("a store without lines has no totals", async () => {
    const host = await open(new MemoryStore(), []);
    expect((await host.snapshot()).totals).toEqual(NO_TOTALS);
    host.close();
  });
});
