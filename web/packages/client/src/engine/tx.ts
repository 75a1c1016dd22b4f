//! Gathering changes into transactions, and holding back what depends on them.

import type { Cursor, Ephemeral, ReadMark, Subscribe, Watch } from "@tenon/wire";
import type { Engine } from "../engine.js";
import type { StoreOp } from "../store.js";
import { compare } from "../numbers.js";
import { type Ask, askLost, transmitAsk } from "./ask.js";
import { transmitRow, transmitVoid } from "./outbox.js";
import { transmitReads } from "./read.js";
import type { Answer, AppEvent, Now, Output } from "./speech.js";

/** A frame for the link. */
export type Up =
  | { readonly type: "row"; readonly local: bigint }
  /** VOID for a number that no row has. */
  | { readonly type: "void"; readonly conv: bigint; readonly cid: bigint }
  | { readonly type: "ask"; readonly ask: Ask }
  | { readonly type: "subscribe"; readonly subscribe: Subscribe }
  | { readonly type: "reads"; readonly marks: ReadMark[] }
  | { readonly type: "watch"; readonly watch: Watch }
  | { readonly type: "ephemeral"; readonly ephemeral: Ephemeral };

/** Something that leaves once every change before it is committed. */
export type Effect =
  | { readonly type: "event"; readonly event: AppEvent }
  | { readonly type: "answer"; readonly ticket: number; readonly answer: Answer }
  | { readonly type: "connect" }
  | { readonly type: "closeLink" }
  /** For the link of this number only. */
  | { readonly type: "up"; readonly link: number; readonly up: Up };

/** Changes since the last cut. Rows are named, and written as they are at the cut. */
export class Pending {
  ops: StoreOp[] = [];
  isDeviceDirty = false;
  readonly streams = new Set<number>();
  readonly conversations = new Set<bigint>();
  readonly intervals = new Set<bigint>();
  readonly outbox = new Set<bigint>();
  readonly reads = new Set<bigint>();
  eventsDone = 0n;
  effects: Effect[] = [];
}

/** All three stages: gathered, being committed, free to leave. */
export class Transactions {
  pending = new Pending();
  open: { readonly tx: number; readonly effects: Effect[]; readonly cursors: Map<number, Cursor> } | undefined;
  ready: Effect[] = [];
  isFailed = false;
  last = 0;

  /** Nothing leaves any more. */
  fail(): void {
    this.pending = new Pending();
    this.open = undefined;
    this.ready = [];
    this.isFailed = true;
  }
}

const sorted = (ids: Set<bigint>): bigint[] => [...ids].sort(compare);

function opsOf(e: Engine, pending: Pending): StoreOp[] {
  const ops = [...pending.ops];
  if (pending.eventsDone > 0n) ops.push({ type: "eventsDone", n: pending.eventsDone });
  if (pending.isDeviceDirty) ops.push({ type: "device", row: { ...e.device } });
  for (const unit of [...pending.streams].sort((a, b) => a - b)) {
    const row = e.streams.get(unit)?.toRow();
    if (row) ops.push({ type: "stream", row });
  }
  for (const conv of sorted(pending.conversations)) {
    const c = e.conversations.get(conv);
    if (c) ops.push({ type: "conversation", row: structuredClone(c.row) });
  }
  for (const conv of sorted(pending.intervals)) {
    const c = e.conversations.get(conv);
    if (c) ops.push({ type: "intervals", conv, intervals: c.intervals.rows() });
  }
  for (const local of sorted(pending.outbox)) {
    const row = e.outbox.row(local);
    ops.push(row ? { type: "outbox", row: { ...row } } : { type: "outboxDone", local });
  }
  for (const conv of sorted(pending.reads)) {
    const row = e.reads.rows.get(conv);
    ops.push(row ? { type: "readPending", row: { ...row } } : { type: "readDone", conv });
  }
  return ops;
}

/** Ends the gathering: a transaction, or `"effects"` that depend on none, or nothing. */
export function cut(e: Engine): Output | "effects" | undefined {
  const pending = e.tx.pending;
  e.tx.pending = new Pending();
  const ops = opsOf(e, pending);
  if (ops.length === 0) {
    if (pending.effects.length === 0) return undefined;
    e.tx.ready.push(...pending.effects);
    return "effects";
  }
  e.tx.last += 1;
  const tx = e.tx.last;
  e.tx.open = { tx, effects: pending.effects, cursors: e.cursors() };
  return { type: "commit", tx, ops };
}

/** Lets one effect out: frames go into the session, the rest to the driver. */
export function release(e: Engine, effect: Effect, now: Now): Output | undefined {
  switch (effect.type) {
    case "connect":
      return e.link.isConnecting ? { type: "connect" } : undefined;
    case "up":
      if (effect.link === e.link.number && e.link.isLive) transmit(e, effect.up, now);
      else if (effect.up.type === "ask") askLost(e, effect.up.ask);
      return undefined;
    default:
      return effect;
  }
}

function transmit(e: Engine, up: Up, now: Now): void {
  const session = e.link.session;
  switch (up.type) {
    case "row":
      return transmitRow(e, up.local, now);
    case "void":
      return transmitVoid(e, up.conv, up.cid);
    case "ask":
      return transmitAsk(e, up.ask, now);
    case "reads":
      return transmitReads(e, up.marks);
    case "subscribe":
      return session?.sendSubscribe(up.subscribe);
    case "watch":
      return session?.sendWatch(up.watch);
    case "ephemeral":
      return session?.sendEphemeral(up.ephemeral);
  }
}
