import { MessageRow } from "@tenon/wire";
import { type Client, type ListLine, Value } from "@tenon/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findLines, neighbour, searchable } from "../src/conversations.js";
import { EntryBook, entriesOf } from "../src/entries.js";
import { calm } from "../src/list/calm.js";
import { Layout } from "../src/list/layout.js";
import { movedBy, rangeOf } from "../src/views/virtual-list.js";

const items = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}` }));
const drawn = (layout: Layout<{ key: string }>) => layout.range(0, Number.POSITIVE_INFINITY, 0).to;

describe("a layout", () => {
  it("stands on guesses until a height is measured", () => {
    const layout = new Layout<{ key: string }>(() => 10);
    layout.update(items(0, 5));
    expect([layout.total, layout.topOf(3), layout.indexAt(25), layout.indexAt(-4), layout.indexAt(900)]).toEqual([50, 30, 2, 0, 4]);
    expect([layout.measure(1, 25), layout.measure(1, 25.2), layout.measure(9, 3)]).toEqual([true, false, false]);
    expect([layout.total, layout.topOf(1), layout.topOf(2), layout.indexAt(34), layout.indexAt(35)]).toEqual([65, 10, 35, 1, 2]);
  });

  it("keeps what was measured when entries come above, below and go from the middle", () => {
    const layout = new Layout<{ key: string }>(() => 10);
    layout.update(items(10, 15));
    for (let i = 0; i < 5; i++) layout.measure(i, 100 + i);
    layout.update([...items(5, 10), ...items(10, 15), ...items(15, 17)]);
    expect([layout.total, layout.heightOf(5), layout.heightOf(9), layout.heightOf(10)]).toEqual([50 + 510 + 20, 100, 104, 10]);
    layout.update([...items(5, 11), ...items(13, 17)]);
    expect([layout.total, layout.heightOf(5), layout.heightOf(6)]).toEqual([50 + 100 + 103 + 104 + 20, 100, 103]);
    layout.update([...items(5, 11), ...items(12, 17)]);
    expect(layout.heightOf(6)).toBe(10);
  });

  it("finds its anchor again after a page came above", () => {
    const layout = new Layout<{ key: string }>(() => 10);
    layout.update(items(100, 200));
    const anchor = layout.anchorAt(123, 300, ({ key }) => key !== "k112");
    expect(anchor).toEqual({ key: "k113", delta: -7, index: 13 });
    layout.update([...items(50, 100), ...items(100, 200)]);
    layout.measure(0, 33);
    const index = layout.indexOf("k113", anchor?.index, 100);
    expect([index, layout.topOf(index) + (anchor?.delta ?? 0)]).toEqual([63, 123 + 500 + 23]);
    expect(layout.indexOf("k999")).toBe(-1);
  });

  it("of nothing is nothing", () => {
    const layout = new Layout<{ key: string }>(() => 10);
    expect([layout.total, layout.indexAt(5), drawn(layout), layout.anchorAt(0, 100, () => true)]).toEqual([0, 0, 0, undefined]);
    layout.update(items(0, 2));
    layout.update([]);
    expect([layout.total, drawn(layout)]).toEqual([0, 0]);
  });

  it("draws the screen and what is over it", () => {
    const layout = new Layout<{ key: string }>(() => 10);
    layout.update(items(0, 1000));
    expect(layout.range(500, 600, 50)).toEqual({ from: 45, to: 66 });
    expect(layout.range(0, 100, 50)).toEqual({ from: 0, to: 16 });
  });

  it("of a hundred thousand entries keeps pace with pages above and messages below, like one made anew", () => {
    const layout = new Layout<{ key: string }>((entry) => 20 + (Number(entry.key.slice(1)) % 7));
    let all = items(100_000, 100_050);
    for (let from = 99_950; from >= 0; from -= 5_000) {
      layout.update(all);
      for (let i = 0; i < 20; i++) layout.measure(i, 50 + i);
      all = [...items(from, from + 5_000), ...all];
    }
    layout.update(all);
    const tops = all.map((_, index) => layout.topOf(index));
    expect(tops.every((top, index) => index === 0 || top > (tops[index - 1] ?? 0))).toBe(true);
    expect(all.every((_, index) => index % 997 !== 0 || layout.indexAt(layout.topOf(index)) === index)).toBe(true);
  });
});

const row = (seq: number, sender = 2) => MessageRow.of({ seq: BigInt(seq), sender: BigInt(sender), ts: BigInt(1_700_000_000_000 + seq * 60_000 * 7) });
const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => row(from + i, 2 + (Math.floor((from + i) / 3) % 2)));

describe("a book of entries", () => {
  const take = (book: EntryBook, list: readonly MessageRow[], more: { outgoing?: number; newAbove?: bigint } = {}) => {
    const outgoing = Array.from({ length: more.outgoing ?? 0 }, (_, i) => ({ local: BigInt(i + 1), conv: 7n, send: { replySeq: 0n } as never, atMs: Number(list.at(-1)?.ts ?? 0) + i, failedCode: undefined, seq: 0n }));
    return { made: book.take({ rows: list, outgoing, me: 9n, newAbove: more.newAbove, isFloor: false }), fresh: new EntryBook().take({ rows: list, outgoing, me: 9n, newAbove: more.newAbove, isFloor: false }) };
  };

  it("says the same as one made anew, whatever changes", () => {
    const book = new EntryBook();
    const all = rows(1, 400);
    const edited = [...all.slice(0, 150), { ...(all[150] as MessageRow), editedMs: 5n }, ...all.slice(151)];
    const without = [...all.slice(0, 37), ...all.slice(40)];
    const steps: [MessageRow[], { outgoing?: number; newAbove?: bigint }][] = [
      [all.slice(300, 310), {}],
      [all.slice(300, 311), {}],
      [all.slice(250, 311), { outgoing: 2 }],
      [all.slice(250, 312), { outgoing: 1 }],
      [all.slice(100, 312), { newAbove: 305n }],
      [all, { newAbove: 305n }],
      [edited, { newAbove: 305n }],
      [without, { newAbove: 3n }],
      [all, {}],
      [[], { outgoing: 1 }],
      [all.slice(0, 1), {}],
    ];
    for (const [list, more] of steps) {
      const { made, fresh } = take(book, list, more);
      expect(made).toEqual(fresh);
    }
  });

  it("keeps the objects of entries that did not change", () => {
    const book = new EntryBook();
    const all = rows(1, 200);
    const before = take(book, all.slice(50, 150)).made;
    const after = take(book, all.slice(0, 151)).made;
    const held = new Set<unknown>(before);
    // New are the rows above and below, and the neighbours of both joints.
    expect(after.filter((entry) => !held.has(entry)).filter((entry) => entry.type === "row").length).toBeLessThanOrEqual(50 + 1 + 2);
  });

  it("draws no line above what is new while rows between are missing", () => {
    const list = rows(100, 120);
    const has = (newAbove: bigint, isFloor: boolean) => new EntryBook().take({ rows: list, outgoing: [], me: 9n, newAbove, isFloor }).some((entry) => entry.type === "new");
    expect([has(50n, false), has(50n, true), has(99n, false), has(110n, false), has(119n, false)]).toEqual([false, true, true, true, false]);
    expect(entriesOf(list, [], 9n, undefined).some((entry) => entry.type === "new")).toBe(false);
  });

  it("draws the line above what counts: an archive that nobody read is not new", () => {
    const list = rows(1, 60).map((row) => (row.seq <= 50n ? { ...row, cnt: 0n } : { ...row, cnt: row.seq - 50n }));
    const firstNew = (some: readonly MessageRow[], newAboveCnt: bigint) => {
      const made = new EntryBook().take({ rows: some, outgoing: [], me: 99n, newAbove: 0n, newAboveCnt, isFloor: false });
      const next = made[made.findIndex((entry) => entry.type === "new") + 1];
      return next?.type === "row" ? Number(next.row.seq) : undefined;
    };
    expect(firstNew(list, 0n)).toBe(51);
    expect(firstNew(list, 4n)).toBe(55);
    // What is new begins above these rows.
    expect(firstNew(list.slice(52), 0n)).toBeUndefined();
    expect(firstNew(list.slice(52), 4n)).toBe(55);
  });
});

describe("a calm value", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tells the first change at once and those of a flood together", () => {
    const source = new Value(0);
    const quiet = calm(source, 100);
    const seen: number[] = [];
    const end = quiet.subscribe(() => seen.push(quiet.get()));
    source.set(1);
    for (let n = 2; n <= 9; n++) source.set(n);
    expect(seen).toEqual([1]);
    vi.advanceTimersByTime(100);
    expect(seen).toEqual([1, 9]);
    vi.advanceTimersByTime(1_000);
    source.set(10);
    expect(seen).toEqual([1, 9, 10]);
    end();
    source.set(11);
    vi.advanceTimersByTime(1_000);
    expect([seen.length, quiet.get()]).toEqual([3, 11]);
  });
});

describe("a list of equal rows", () => {
  it("draws what is near the screen", () => expect([rangeOf(0, 700, 70), rangeOf(7_000, 700, 70)]).toEqual([{ from: 0, to: 18 }, { from: 92, to: 118 }]));

  it("moves by keys and stays inside", () => {
    expect(["ArrowDown", "ArrowUp", "Home", "End", "x"].map((key) => movedBy(key, 4, 5))).toEqual([4, 3, 0, 4, undefined]);
    expect([movedBy("ArrowDown", -1, 5), movedBy("ArrowDown", -1, 0)]).toEqual([0, undefined]);
  });
});

describe("ten thousand conversations", () => {
  const line = (n: number, peer = 0n, unread = 0n) => ({ conv: BigInt(n), meta: { title: peer === 0n ? `Project ${n}` : "", peer }, unread, summary: undefined }) as unknown as ListLine;
  const people = { person: (user: bigint) => new Value({ user, ver: 1n, name: `Zoë ${user}`, login: `zoe${user}`, isGone: false }) };
  const lines = Array.from({ length: 10_000 }, (_, n) => (n % 100 === 0 ? line(n, BigInt(n + 1), 1n) : line(n)));

  it("are found by title, and by the name of the peer without its accents", () => {
    const all = searchable(lines, { people } as unknown as Client);
    expect(findLines(all, "project 4242").map((one) => one.conv)).toEqual([4_242n]);
    expect(findLines(all, "zoe 301").map((one) => one.conv)).toEqual([300n]);
    expect(findLines(all, "zoe").length).toBe(100);
    expect(findLines(all, "nobody")).toEqual([]);
  });

  it("have neighbours, and neighbours with news", () => {
    expect([neighbour(lines, 5n, 1, false), neighbour(lines, 5n, -1, false), neighbour(lines, 5n, 1, true), neighbour(lines, 5n, -1, true)]).toEqual([6n, 4n, 100n, 0n]);
    expect([neighbour(lines, undefined, 1, false), neighbour(lines, 9_999n, 1, false), neighbour([], 1n, 1, false)]).toEqual([0n, undefined, undefined]);
  });
});
