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
    ask: async (wish: { want: { belowSeq: bigint; limit: number } }) => {
      if (state.isOffline) return { type: "refused", info: {} };
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
});
