//! The outbox: commands in chains, each with one key until it is answered.

import { errorCode, flag, messageKind, Op, opType, Recall, Send } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { compare } from "../numbers.js";
import { isDone, type OutboxRow, type Settled, settledOf } from "../rows.js";
import { infoOf, refuse } from "./ask.js";
import { conversationOf } from "./conversation.js";
import { ping } from "./link.js";
import { noteDebt } from "./pull.js";
import { offer, settle } from "./settle.js";
import type { Now } from "./speech.js";

/** Commands that may wait here. */
const ROWS_MAX = 10_000;
/** Doublings of the send timeout. */
const DOUBLINGS_MAX = 4;
/** Bytes of a body. */
const BODY_BYTES_MAX = 32 * 1024;
const MENTIONS_MAX = 100;
const INFLIGHT_PER_CONVERSATION_MAX = 32;
const INFLIGHT_PER_DEVICE_MAX = 128;

/** A row and how it goes on this link. */
export interface Held {
  row: OutboxRow;
  /** The last frame that carried it; an answer to an older one says nothing about the order. */
  frame: number;
  sentAt: number | undefined;
  parkedAt: number | undefined;
  tries: number;
}

/** Place in a chain: life number first, then number. */
interface Key {
  readonly epoch: number;
  readonly n: bigint;
}

const order = (a: Key, b: Key): number => a.epoch - b.epoch || compare(a.n, b.n);

/** Commands of one conversation, or of the user (0). */
class Chain {
  /** By rising key. */
  inflight: (Key & { readonly local: bigint })[] = [];
  /** By rising local id. */
  queued: bigint[] = [];
  /** The last number that left on this link; everything above is still to be sent. */
  sentUpto: Key | undefined;
  hold: number | undefined;

  find(epoch: number, n: bigint): bigint | undefined {
    return this.inflight.find((held) => held.epoch === epoch && held.n === n)?.local;
  }
}

/** All rows. */
export class Outbox {
  readonly rows = new Map<bigint, Held>();
  readonly chains = new Map<bigint, Chain>();
  /** Frames of this link: the row, and its epoch when it left. */
  readonly frames = new Map<number, { readonly local: bigint; readonly epoch: number }>();
  inflight = 0;

  load(row: OutboxRow): void {
    const chain = this.chain(row.conv);
    if (row.n > 0n) this.place(chain, row);
    else insert(chain.queued, row.local, compare);
    this.rows.set(row.local, { row, frame: 0, sentAt: undefined, parkedAt: undefined, tries: 0 });
  }

  place(chain: Chain, row: OutboxRow): void {
    insert(chain.inflight, { epoch: row.deviceEpoch, n: row.n, local: row.local }, order);
    this.inflight += 1;
  }

  row(local: bigint): OutboxRow | undefined {
    return this.rows.get(local)?.row;
  }

  /** Takes a row out of everything. */
  remove(local: bigint): OutboxRow | undefined {
    const row = this.row(local);
    if (row === undefined) return undefined;
    this.rows.delete(local);
    this.unlink(row);
    return row;
  }

  /** A row without number again: it gets a new one in the new device epoch. */
  requeue(local: bigint): void {
    const held = this.rows.get(local);
    if (held === undefined) return;
    this.unlink(held.row);
    held.row = { ...held.row, deviceEpoch: 0, n: 0n, isDoubtful: false };
    insert(this.chain(held.row.conv).queued, local, compare);
  }

  private chain(conv: bigint): Chain {
    const chain = this.chains.get(conv) ?? new Chain();
    this.chains.set(conv, chain);
    return chain;
  }

  private unlink(row: OutboxRow): void {
    const chain = this.chains.get(row.conv);
    if (chain === undefined) return;
    const before = chain.inflight.length;
    chain.inflight = chain.inflight.filter((held) => held.local !== row.local);
    this.inflight -= before - chain.inflight.length;
    chain.queued = chain.queued.filter((local) => local !== row.local);
    if (chain.inflight.length === 0 && chain.queued.length === 0) this.chains.delete(row.conv);
  }
}

function insert<T>(list: T[], item: T, by: (a: T, b: T) => number): void {
  let at = list.length;
  for (let before = list[at - 1]; before !== undefined && by(before, item) > 0; before = list[at - 1]) at -= 1;
  list.splice(at, 0, item);
}

const blank = { local: 0n, deviceEpoch: 0, n: 0n, send: undefined, op: undefined, after: 0n, firstAtMs: 0, isVoid: false, voidCode: 0 };

export function queueSend(e: Engine, ticket: number, send: Send, after: bigint, now: Now): void {
  if (send.body.length > BODY_BYTES_MAX || send.mentions.length > MENTIONS_MAX) {
    return refuse(e, ticket, infoOf(errorCode.too_large, 0, "message is too large"));
  }
  queue(e, ticket, { ...blank, conv: send.conv, send }, after, now);
}

export function queueOp(e: Engine, ticket: number, op: Op, after: bigint, now: Now): void {
  if (op.body.length > BODY_BYTES_MAX) return refuse(e, ticket, infoOf(errorCode.too_large, 0, "command is too large"));
  queue(e, ticket, { ...blank, conv: op.conv, op }, after, now);
}

function queue(e: Engine, ticket: number | undefined, row: OutboxRow, after: bigint, now: Now): void {
  const isBad = row.conv === 0n && row.send !== undefined;
  if (ticket !== undefined && (isBad || e.outbox.rows.size >= ROWS_MAX)) {
    return refuse(e, ticket, infoOf(isBad ? errorCode.absent : errorCode.busy, 1_000, "the command cannot be queued"));
  }
  const local = e.device.nextLocal;
  e.device.nextLocal += 1n;
  e.outbox.load({ ...row, local, firstAtMs: now.wall, after: e.outbox.rows.has(after) ? after : 0n });
  e.tx.pending.isDeviceDirty = true;
  e.tx.pending.outbox.add(local);
  if (ticket !== undefined) e.answer(ticket, { type: "queued", local });
  pump(e, row.conv, now);
}

/** Sends what may be sent in a chain: first what has a number, then new numbers while there is room. */
export function pump(e: Engine, conv: bigint, now: Now): void {
  const chain = e.outbox.chains.get(conv);
  if (!e.link.isLive || chain === undefined || (chain.hold !== undefined && chain.hold > now.mono)) return;
  chain.hold = undefined;
  const isClosing = chain.inflight.some((held) => held.epoch !== e.device.deviceEpoch);
  const { sentUpto } = chain;
  const unsent = chain.inflight.filter((held) => sentUpto === undefined || order(held, sentUpto) > 0);
  for (const held of unsent) leaveFor(e, chain, held, held.local, now);
  while (!isClosing && dispatch(e, conv, now));
}

/** Gives the next waiting row its number. False if none may go. */
function dispatch(e: Engine, conv: bigint, now: Now): boolean {
  const chain = e.outbox.chains.get(conv);
  if (chain === undefined || chain.inflight.length >= INFLIGHT_PER_CONVERSATION_MAX || e.outbox.inflight >= INFLIGHT_PER_DEVICE_MAX) return false;
  const local = chain.queued.find((id) => e.outbox.row(id)?.after === 0n);
  const held = local === undefined ? undefined : e.outbox.rows.get(local);
  if (local === undefined || held === undefined) return false;
  held.row = { ...held.row, deviceEpoch: e.device.deviceEpoch, n: takeNumber(e, conv) };
  chain.queued = chain.queued.filter((id) => id !== local);
  e.outbox.place(chain, held.row);
  e.tx.pending.outbox.add(local);
  leaveFor(e, chain, { epoch: held.row.deviceEpoch, n: held.row.n }, local, now);
  return true;
}

function takeNumber(e: Engine, conv: bigint): bigint {
  if (conv === 0n) {
    e.tx.pending.isDeviceDirty = true;
    const n = e.device.nextOpSeq;
    e.device.nextOpSeq += 1n;
    return n;
  }
  const { row } = conversationOf(e, conv);
  const n = row.nextCid > 0n ? row.nextCid : 1n;
  row.nextCid = n + 1n;
  noteDebt(e, conv);
  return n;
}

function leaveFor(e: Engine, chain: Chain, key: Key, local: bigint, now: Now): void {
  if (chain.sentUpto === undefined || order(key, chain.sentUpto) > 0) chain.sentUpto = { epoch: key.epoch, n: key.n };
  const held = e.outbox.rows.get(local);
  if (held) {
    held.sentAt = now.mono;
    held.parkedAt = undefined;
    // What still comes about an older copy says nothing about the order any more.
    held.frame = 0;
  }
  e.up({ type: "row", local });
}

/** Everything before it is committed: the command goes on the link. */
export function transmitRow(e: Engine, local: bigint, now: Now): void {
  const held = e.outbox.rows.get(local);
  const { session } = e.link;
  if (held === undefined || session === undefined || held.row.n === 0n) return;
  const { send, op, deviceEpoch, n } = held.row;
  const voidFlag = held.row.isVoid || deviceEpoch !== e.device.deviceEpoch ? flag.VOID : 0;
  const id = send
    ? session.sendMessage({ ...send, deviceEpoch, cid: n, flags: send.flags | voidFlag, sentMs: BigInt(Math.trunc(now.wall)) })
    : op
      ? session.sendOp({ ...op, deviceEpoch, n, flags: op.flags | voidFlag })
      : 0;
  held.frame = id;
  held.sentAt = now.mono;
  e.outbox.frames.set(id, { local, epoch: deviceEpoch });
}

/** Uses up a number of a command that failed before the chain was there. */
export function transmitVoid(e: Engine, conv: bigint, cid: bigint): void {
  e.link.session?.sendMessage(Send.of({ conv, deviceEpoch: e.device.deviceEpoch, cid, kind: messageKind.TEXT, flags: flag.VOID }));
}

export function outboxLinkUp(e: Engine, now: Now): void {
  for (const chain of e.outbox.chains.values()) [chain.sentUpto, chain.hold] = [undefined, undefined];
  pumpAll(e, now);
}

const convsOf = (e: Engine): bigint[] => [...e.outbox.chains.keys()].sort(compare);

function pumpAll(e: Engine, now: Now): void {
  for (const conv of convsOf(e)) pump(e, conv, now);
}

export function outboxLinkDown(e: Engine): void {
  e.outbox.frames.clear();
  for (const held of e.outbox.rows.values()) Object.assign(held, { frame: 0, sentAt: undefined, parkedAt: undefined });
  for (const chain of e.outbox.chains.values()) [chain.sentUpto, chain.hold] = [undefined, undefined];
}

/** This row and those behind it count as not sent. */
export function unsendFrom(e: Engine, local: bigint): void {
  const row = e.outbox.row(local);
  if (row === undefined || row.n === 0n) return;
  const chain = e.outbox.chains.get(row.conv);
  const before = { epoch: row.deviceEpoch, n: row.n - 1n };
  if (chain?.sentUpto && order(before, chain.sentUpto) < 0) chain.sentUpto = before;
}

/** Sends this row and those behind it again. */
export function resendFrom(e: Engine, local: bigint, now: Now): void {
  unsendFrom(e, local);
  const held = e.outbox.rows.get(local);
  if (held === undefined) return;
  held.tries += 1;
  pump(e, held.row.conv, now);
}

/** The same, but not before `wait` has passed. */
export function holdFrom(e: Engine, local: bigint, wait: number, now: Now): void {
  const conv = e.outbox.row(local)?.conv;
  if (conv === undefined) return;
  const chain = e.outbox.chains.get(conv);
  if (chain) chain.hold = Math.max(chain.hold ?? 0, now.mono + wait);
  resendFrom(e, local, now);
}

function rowDue(e: Engine, held: Held): number | undefined {
  if (held.parkedAt !== undefined) return held.parkedAt + e.config.parkedTimeout;
  const wait = e.config.sendTimeout * 2 ** Math.min(held.tries, DOUBLINGS_MAX);
  return held.sentAt === undefined ? undefined : held.sentAt + wait;
}

const heldOf = (e: Engine, chain: Chain): Held[] => chain.inflight.flatMap(({ local }) => e.outbox.rows.get(local) ?? []);

export function outboxDeadline(e: Engine): number | undefined {
  if (!e.link.isLive) return undefined;
  const dues = [...e.outbox.chains.values()].flatMap((chain) =>
    chain.hold !== undefined ? [chain.hold] : heldOf(e, chain).flatMap((held) => rowDue(e, held) ?? []),
  );
  return dues.length === 0 ? undefined : Math.min(...dues);
}

export function outboxTimeout(e: Engine, now: Now): void {
  if (!e.link.isLive) return;
  let isSuspect = false;
  for (const conv of convsOf(e)) {
    const chain = e.outbox.chains.get(conv);
    if (chain === undefined) continue;
    if (chain.hold !== undefined) {
      pump(e, conv, now);
      continue;
    }
    const late = heldOf(e, chain).find((held) => (rowDue(e, held) ?? Infinity) <= now.mono);
    if (late) {
      isSuspect ||= late.parkedAt === undefined;
      resendFrom(e, late.row.local, now);
    }
  }
  if (isSuspect) ping(e, now);
}

/** The user takes a command back. */
export function cancel(e: Engine, local: bigint, now: Now): void {
  const held = e.outbox.rows.get(local);
  if (held === undefined) return;
  if (held.row.n === 0n) return settle(e, local, settledOf({ code: errorCode.cancelled }), now);
  held.row = { ...held.row, isVoid: true, voidCode: 0 };
  e.tx.pending.outbox.add(local);
  resendFrom(e, local, now);
}

/** A new life of the outbox: numbers restart, open rows of the old one are closed first. */
export function enterDeviceEpoch(e: Engine, deviceEpoch: number): void {
  Object.assign(e.device, { deviceEpoch, nextOpSeq: 1n, needsEpoch: false });
  e.tx.pending.isDeviceDirty = true;
  for (const [conv, c] of e.conversations) {
    if (c.row.nextCid === 1n && (c.row.absentBelow ?? 0n) === 0n) continue;
    Object.assign(c.row, { nextCid: 1n, absentBelow: 0n });
    e.dirty(conv);
  }
}

/**
 * The store is an older copy of itself. Rows without number may have been sent in the part that is lost: they are offered to the
 * user again. What is under way may have been closed there, and sent under another number.
 */
export function storeFellBack(e: Engine, now: Now): void {
  const queued = [...e.outbox.rows.values()].filter((held) => held.row.n === 0n);
  for (const held of queued) offer(e, held.row.local, settledOf({}), now);
  for (const [local, held] of e.outbox.rows) {
    if (held.row.isDoubtful) continue;
    held.row = { ...held.row, isDoubtful: true };
    e.tx.pending.outbox.add(local);
  }
}

/** Rows that wait for this one may go; those that need a message that does not exist fail with it. */
export function releaseDependents(e: Engine, done: OutboxRow, settled: Settled, now: Now): void {
  const waiting = [...e.outbox.rows.values()].filter((held) => held.row.after === done.local);
  for (const held of waiting) {
    const { local, send } = held.row;
    if (!isDone(settled)) {
      settle(e, local, settledOf({ code: errorCode.target_unknown }), now);
      continue;
    }
    held.row = { ...held.row, after: 0n, send: send?.replySeq === 0n ? { ...send, replySeq: settled.seq } : send };
    e.tx.pending.outbox.add(local);
  }
}

/** Takes a message back that was done before the user's wish reached it. */
export function recall(e: Engine, conv: bigint, seq: bigint, pid: bigint, now: Now): void {
  const op = Op.of({ conv, type: opType.RECALL, body: Recall.encode({ seq, pid, reason: "" }) });
  queue(e, undefined, { ...blank, conv, op }, 0n, now);
}

/** Room in the window of the device may free other chains. */
export function pumpAfter(e: Engine, conv: bigint, now: Now): void {
  if (e.outbox.inflight + 1 === INFLIGHT_PER_DEVICE_MAX) pumpAll(e, now);
  else pump(e, conv, now);
}
