//! A thread over a long archive: the engine and the store are played by a list of rows.

import { MessageRow } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type Outgoing, type Port, Timeline } from "../src/index.js";

const CONV = 7n;

interface Want {
  readonly want: { readonly aboveSeq: bigint; readonly belowSeq: bigint; readonly limit: number; readonly isUpward: boolean };
}

/** Rows 1 to `tip`; `answers` tells which message a message answers. */
function world(tip: number, answers: Readonly<Record<number, number>>) {
  const rows = new Map<bigint, MessageRow>();
  const put = (seq: number, replySeq = answers[seq] ?? 0, ver = seq) =>
    rows.set(BigInt(seq), MessageRow.of({ seq: BigInt(seq), ver: BigInt(ver), ts: BigInt(seq * 1_000), replySeq: BigInt(replySeq) }));
  for (let seq = 1; seq <= tip; seq++) put(seq);
  const state = { isOffline: false, pages: 0, floor: 1n, outgoing: [] as Outgoing[] };
  const port = {
    ask: async ({ want }: Want) => {
      if (state.isOffline) return { type: "refused", info: {} };
      if (want.limit === 100) state.pages += 1;
      const last = BigInt(rows.size);
      const top = want.belowSeq === 0n || want.belowSeq > last ? last : want.belowSeq - 1n;
      const bottom = want.aboveSeq + 1n > state.floor ? want.aboveSeq + 1n : state.floor;
      const limit = BigInt(want.limit);
      const hi = want.isUpward && bottom + limit - 1n < top ? bottom + limit - 1n : top;
      const lo = !want.isUpward && top - limit + 1n > bottom ? top - limit + 1n : bottom;
      const range = lo > hi ? { lo: 1n, hi: 0n } : { lo, hi };
      return { type: "history", history: { conv: CONV, ...range, isFloor: lo <= state.floor, isStable: true, rows: [], privates: [], overlay: undefined } };
    },
    rows: async ({ lo, hi, limit, isUpward }: { lo: bigint; hi: bigint; limit: number; isUpward: boolean }) => {
      const found = [...rows.values()].filter((row) => row.seq >= lo && row.seq <= hi && row.seq >= state.floor).sort((a, b) => Number(a.seq - b.seq));
      return isUpward ? found.slice(0, limit) : found.slice(-limit);
    },
  } as unknown as Port;
  const timeline = new Timeline(CONV, () => port, () => state.outgoing);
  const idle = async () => {
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setTimeout(resolve, 0));
  };
  /** A message that comes now. */
  const come = (seq: number, replySeq: number) => {
    put(seq, replySeq);
    timeline.changed(BigInt(seq), BigInt(seq));
  };
  return { timeline, put, come, idle, state, rows };
}

const seqs = (thread: { view: { get(): { rows: readonly MessageRow[] } } }) => thread.view.get().rows.map((row) => Number(row.seq));

describe("thread", () => {
  it("finds answers hundreds of messages behind the first one, and answers to them, none of another thread", async () => {
    const w = world(2_000, { 30: 10, 350: 10, 351: 11, 700: 350, 1_234: 700, 1_990: 10 });
    await w.idle();
    const thread = w.timeline.openThread(10n);
    await thread.look();
    expect(seqs(thread)).toEqual([30, 350, 700, 1_234, 1_990]);
    expect(thread.view.get()).toMatchObject({ state: "all", lookedTo: 2_000n, lookedToMs: 2_000_000 });
    expect(thread.view.get().root?.seq).toBe(10n);
    expect(w.state.pages).toBe(21);
  });

  it("begins at the first message, whichever answer it was opened from", async () => {
    const w = world(900, { 30: 10, 350: 30, 820: 350 });
    await w.idle();
    const thread = w.timeline.openThread(820n);
    await thread.look();
    expect(thread.view.get().rootSeq).toBe(10n);
    expect(seqs(thread)).toEqual([30, 350, 820]);
  });

  it("pauses after 5,000 messages, says so, shows what the chat holds, and goes on when asked", async () => {
    const w = world(12_000, { 5_000: 1, 5_002: 1, 11_990: 1, 11_991: 11_990 });
    await w.idle();
    const thread = w.timeline.openThread(1n);
    await thread.look();
    expect(thread.view.get()).toMatchObject({ state: "paused", lookedTo: 5_000n });
    expect(seqs(thread)).toEqual([5_000, 11_990, 11_991]);
    w.come(12_001, 5_000);
    await w.idle();
    expect(seqs(thread)).toEqual([5_000, 11_990, 11_991, 12_001]);
    expect(thread.view.get().state).toBe("paused");
    await thread.look();
    expect(thread.view.get()).toMatchObject({ state: "paused", lookedTo: 10_000n });
    await thread.look();
    expect(thread.view.get()).toMatchObject({ state: "all", lookedTo: 12_001n });
    expect(seqs(thread)).toEqual([5_000, 5_002, 11_990, 11_991, 12_001]);
  });

  it("adds answers that come, and takes changes of those that are shown", async () => {
    const w = world(300, { 20: 10 });
    await w.idle();
    const thread = w.timeline.openThread(10n);
    await thread.look();
    w.come(301, 20);
    w.come(302, 5);
    await w.idle();
    expect(seqs(thread)).toEqual([20, 301]);
    expect(thread.view.get()).toMatchObject({ state: "all", lookedTo: 302n });
    w.put(20, 10, 999);
    w.timeline.changed(20n, 20n);
    await w.idle();
    expect(thread.view.get().rows[0]?.ver).toBe(999n);
  });

  it("says that it failed while the server cannot be asked, and goes on from there", async () => {
    const w = world(600, { 500: 10 });
    await w.idle();
    w.state.isOffline = true;
    const thread = w.timeline.openThread(10n);
    await thread.look();
    expect(thread.view.get().state).toBe("failed");
    w.state.isOffline = false;
    await thread.look();
    expect(thread.view.get().state).toBe("all");
    expect(seqs(thread)).toEqual([500]);
  });

  it("a first message that is not visible leaves its answers", async () => {
    const w = world(600, { 500: 10, 510: 500 });
    w.state.floor = 200n;
    await w.idle();
    const thread = w.timeline.openThread(510n);
    await thread.look();
    expect(thread.view.get().root).toBeUndefined();
    expect(thread.view.get()).toMatchObject({ rootSeq: 10n, state: "all" });
    expect(seqs(thread)).toEqual([500, 510]);
  });

  it("another engine: what was looked through is looked through again", async () => {
    const w = world(600, { 500: 10 });
    await w.idle();
    const thread = w.timeline.openThread(10n);
    await thread.look();
    w.put(400, 10);
    w.timeline.changed();
    await w.idle();
    await thread.look();
    expect(seqs(thread)).toEqual([400, 500]);
    expect(thread.view.get().state).toBe("all");
  });

  it("shows an answer on its way until it has its place", async () => {
    const w = world(300, {});
    await w.idle();
    const thread = w.timeline.openThread(10n);
    await thread.look();
    const send = { replySeq: 10n } as Outgoing["send"];
    const other = { replySeq: 11n } as Outgoing["send"];
    w.state.outgoing = [
      { local: 1n, conv: CONV, send, atMs: 1, failedCode: undefined, seq: 0n },
      { local: 2n, conv: CONV, send: other, atMs: 1, failedCode: undefined, seq: 0n },
    ];
    w.timeline.outgoingChanged();
    expect(thread.view.get().outgoing.map((one) => one.local)).toEqual([1n]);
    w.state.outgoing = [{ local: 1n, conv: CONV, send, atMs: 1, failedCode: undefined, seq: 301n }];
    w.come(301, 10);
    await w.idle();
    expect(seqs(thread)).toEqual([301]);
    expect(thread.view.get().outgoing).toEqual([]);
    thread.close();
    w.come(302, 10);
    await w.idle();
    expect(seqs(thread)).toEqual([301]);
  });
});
