//! A window over a conversation: the engine and the store are played by a list of rows.

import { MessageRow } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type Port, Timeline } from "../src/index.js";

const CONV = 7n;

/** A conversation with rows 1 to `tip`, answered as the engine answers. */
function world(tip: number) {
  const rows = new Map<bigint, MessageRow>();
  const put = (seq: number, ver = seq) => rows.set(BigInt(seq), MessageRow.of({ seq: BigInt(seq), ver: BigInt(ver) }));
  for (let seq = 1; seq <= tip; seq++) put(seq);
  const reads: [bigint, bigint][] = [];
  const state = { isOffline: false };
  const port = {
    ask: async (wish: { want: { aboveSeq: bigint; belowSeq: bigint; limit: number; isUpward: boolean } }) => {
      if (state.isOffline) return { type: "refused", info: {} };
      if (wish.want.isUpward) {
        const from = wish.want.aboveSeq + 1n;
        const to = from + BigInt(wish.want.limit) - 1n;
        const last = BigInt(rows.size);
        return { type: "history", history: { conv: CONV, lo: from, hi: to < last ? to : last, isFloor: from === 1n, isStable: true, rows: [], privates: [], overlay: undefined } };
      }
      const hi = wish.want.belowSeq === 0n ? BigInt(rows.size) : wish.want.belowSeq - 1n;
      const lo = hi >= BigInt(wish.want.limit) ? hi - BigInt(wish.want.limit) + 1n : 1n;
      return { type: "history", history: { conv: CONV, lo, hi, isFloor: lo === 1n, isStable: true, rows: [], privates: [], overlay: undefined } };
    },
    rows: async ({ lo, hi, limit }: { lo: bigint; hi: bigint; limit: number }) => {
      reads.push([lo, hi]);
      return [...rows.values()].filter((row) => row.seq >= lo && row.seq <= hi).slice(-limit);
    },
  } as unknown as Port;
  const timeline = new Timeline(CONV, () => port, () => []);
  const idle = async () => {
    for (let n = 0; n < 20; n++) await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  const seqs = () => timeline.view.get().rows.map((row) => Number(row.seq));
  return { timeline, put, reads, seqs, idle, state };
}

const span = (lo: number, hi: number) => Array.from({ length: hi - lo + 1 }, (_, i) => lo + i);

describe("timeline", () => {
  it("begins with the newest page and goes up page by page to the floor", async () => {
    const w = world(120);
    await w.idle();
    expect(w.seqs()).toEqual(span(71, 120));
    await w.timeline.loadOlder();
    expect(w.seqs()).toEqual(span(21, 120));
    expect(w.timeline.view.get().isFloor).toBe(false);
    await w.timeline.loadOlder();
    expect(w.seqs()).toEqual(span(1, 120));
    expect(w.timeline.view.get()).toMatchObject({ isFloor: true, isVerified: true, isLoading: false });
  });

  it("a new message is the only row that is read", async () => {
    const w = world(60);
    await w.idle();
    const before = w.timeline.view.get().rows;
    w.reads.length = 0;
    w.put(61);
    w.timeline.changed(61n, 61n);
    await w.idle();
    expect(w.seqs()).toEqual(span(11, 61));
    expect(w.reads).toEqual([[61n, 61n]]);
    expect(w.timeline.view.get().rows.slice(0, 50).every((row, index) => row === before[index])).toBe(true);
  });

  it("a changed row is replaced in its place", async () => {
    const w = world(60);
    await w.idle();
    w.put(30, 99);
    w.timeline.changed(30n, 30n);
    await w.idle();
    expect(w.timeline.view.get().rows.find((row) => row.seq === 30n)?.ver).toBe(99n);
    expect(w.seqs()).toEqual(span(11, 60));
  });

  it("a jump far ahead begins anew instead of showing a hole", async () => {
    const w = world(60);
    await w.idle();
    for (const seq of span(61, 300)) w.put(seq);
    w.timeline.changed(251n, 300n);
    await w.idle();
    expect(w.seqs()).toEqual(span(251, 300));
  });

  it("shows what is stored while the server cannot be asked", async () => {
    const w = world(20);
    w.state.isOffline = true;
    await w.idle();
    expect(w.seqs()).toEqual(span(1, 20));
    expect(w.timeline.view.get().isVerified).toBe(false);
  });

  it("moves to a message far up, goes on from there to the tip, and follows it again", async () => {
    const w = world(1_000);
    await w.idle();
    expect(await w.timeline.jumpTo(500n)).toBe(true);
    expect(w.seqs()).toEqual(span(476, 550));
    expect(w.timeline.view.get()).toMatchObject({ isTip: false, isFloor: false, isLoading: false });
    w.put(1_001);
    w.timeline.changed(1_001n, 1_001n);
    await w.idle();
    expect(w.seqs()).toEqual(span(476, 550));
    await w.timeline.loadOlder();
    await w.timeline.loadNewer();
    expect(w.seqs()).toEqual(span(426, 600));
    for (let n = 0; n < 20 && !w.timeline.view.get().isTip; n++) await w.timeline.loadNewer();
    await w.idle();
    expect(w.seqs()).toEqual(span(426, 1_001));
    w.put(1_002);
    w.timeline.changed(1_002n, 1_002n);
    await w.idle();
    expect(w.seqs()).toEqual(span(426, 1_002));
  });

  it("stays where it was moved to when the rows of the jump, or new ones, are told while it is under way", async () => {
    const w = world(1_000);
    await w.idle();
    const jumped = w.timeline.jumpTo(300n);
    w.timeline.changed(275n, 349n);
    await jumped;
    w.put(1_001);
    w.timeline.changed(1_001n, 1_001n);
    await w.idle();
    expect([w.seqs(), w.timeline.view.get().isTip]).toEqual([span(276, 350), false]);
    await w.timeline.loadNewer();
    expect(w.seqs()).toEqual(span(276, 400));
  });

  it("goes back to the newest in one step, and does not jump to what it shows", async () => {
    const w = world(1_000);
    await w.idle();
    expect([await w.timeline.jumpTo(980n), w.seqs()]).toEqual([true, span(951, 1_000)]);
    await w.timeline.jumpTo(3n);
    expect([w.seqs(), w.timeline.view.get().isFloor]).toEqual([span(1, 75), true]);
    await w.timeline.toTip();
    expect([w.seqs(), w.timeline.view.get().isTip]).toEqual([span(951, 1_000), true]);
  });

  it("a reader further up keeps his place when more than a page was missed", async () => {
    const w = world(60);
    await w.idle();
    w.timeline.follow(false);
    for (const seq of span(61, 300)) w.put(seq);
    w.timeline.changed(251n, 300n);
    await w.idle();
    expect([w.seqs(), w.timeline.view.get().isTip]).toEqual([span(11, 60), false]);
    await w.timeline.loadNewer();
    expect(w.seqs()).toEqual(span(11, 110));
  });

  it("in a long flood gives the oldest rows back, unless somebody reads them", async () => {
    const w = world(60);
    await w.idle();
    const flood = async (from: number, to: number) => {
      for (let at = from; at <= to; at += 40) {
        for (const seq of span(at, Math.min(to, at + 39))) w.put(seq);
        w.timeline.changed(BigInt(at), BigInt(Math.min(to, at + 39)));
        await w.idle();
      }
    };
    w.timeline.follow(false);
    await flood(61, 2_100);
    expect(w.seqs()).toEqual(span(11, 2_100));
    w.timeline.follow(true);
    await flood(2_101, 2_140);
    expect([w.seqs().length, w.seqs().at(-1), w.timeline.view.get().isFloor]).toEqual([1_040, 2_140, false]);
    await w.timeline.loadOlder();
    expect(w.seqs()).toEqual(span(2_140 - 1_040 + 1 - 50, 2_140));
  });
});
