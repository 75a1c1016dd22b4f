//! Answers to commands. A row settles once, by whatever says the outcome first.

import {
  classOf, ErrorClass, errorCode, type ErrorInfo, eventType, LookupSend, method, type OpAck, OpOutcome, PrivateChanged, type SendAck, type SendFailed, SendOutcome, Status,
  type SyncEvent,
} from "@tenon/wire";
import type { Engine } from "../engine.js";
import { isSame, tryDecode } from "../numbers.js";
import { isDone, type OutboxRow, type Settled, settledOf } from "../rows.js";
import { ask } from "./ask.js";
import { after } from "./backoff.js";
import { conversationOf } from "./conversation.js";
import { renewDeviceEpoch } from "./link.js";
import { holdFrom, pump, pumpAfter, recall, releaseDependents, resendFrom, storeFellBack, unsendFrom } from "./outbox.js";
import type { Now } from "./speech.js";

/** Pause before a command goes to the unit that its conversation moved to, milliseconds. */
const MOVED_PAUSE = 1_000;
/** Resends that a GAP orders at once; then it waits. */
const GAPS_AT_ONCE = 2;

/** What both kinds of answers have in common. */
interface Reply {
  readonly status: number;
  readonly code: number;
  readonly expect: bigint;
  readonly retryAfterMs: number;
  readonly settled: Settled;
}

export function onSendAck(e: Engine, id: number, ack: SendAck, now: Now): void {
  const local = rowOfAnswer(e, id, ack.conv, ack.cid);
  if (local === undefined) return;
  const { seq, rev, pid, messageId, ts, args, status, code, retryAfterMs } = ack;
  const settled = settledOf({ seq, rev, pid, id: messageId, ts, args });
  onReply(e, id, local, { status, code, expect: ack.expectCid, retryAfterMs, settled }, now);
}

export function onOpAck(e: Engine, id: number, ack: OpAck, now: Now): void {
  const local = rowOfAnswer(e, id, ack.conv, ack.n);
  if (local === undefined) return;
  const { rev, args, status, code, retryAfterMs } = ack;
  const settled = settledOf({ rev, id: ack.id, args });
  onReply(e, id, local, { status, code, expect: ack.expectN, retryAfterMs, settled }, now);
}

/**
 * The row an answer is about: by frame, else by its key in this device epoch. An answer does not name its epoch, so one to a frame
 * of an epoch that was left says nothing about the row that has the number now.
 */
function rowOfAnswer(e: Engine, id: number, conv: bigint, n: bigint): bigint | undefined {
  const frame = e.outbox.frames.get(id);
  if (frame) {
    const row = e.outbox.row(frame.local);
    return row?.conv === conv && row.deviceEpoch === frame.epoch && row.n === n ? frame.local : undefined;
  }
  return e.outbox.chains.get(conv)?.find(e.device.deviceEpoch, n);
}

function onReply(e: Engine, id: number, local: bigint, reply: Reply, now: Now): void {
  const held = e.outbox.rows.get(local);
  if (held === undefined) return;
  const isNewest = held.frame === id;
  switch (reply.status) {
    case Status.OK:
    case Status.ACCEPTED:
      return settle(e, local, reply.settled, now);
    case Status.DUPLICATE:
      if (reply.code === 0) return settle(e, local, reply.settled, now);
      return onRejected(e, local, reply.code, true, reply.settled, now);
    case Status.REJECTED:
      return onRejected(e, local, reply.code, false, reply.settled, now);
    case Status.PARKED:
      held.parkedAt = now.mono;
      return;
    case Status.GAP:
      if (isNewest) onGap(e, local, reply.expect, now);
      return;
    case Status.MOVED:
      if (isNewest) holdFrom(e, local, MOVED_PAUSE, now);
      return;
    default:
      if (isNewest) holdFrom(e, local, after(e.random, reply.retryAfterMs), now);
  }
}

/** The number is consumed and the command had no effect; `isRepeat` says that this was decided before. */
function onRejected(e: Engine, local: bigint, code: number, isRepeat: boolean, settled: Settled, now: Now): void {
  const row = e.outbox.row(local);
  if (row === undefined) return;
  const isReused = code === errorCode.cid_reused;
  const isClosing = row.deviceEpoch !== e.device.deviceEpoch;
  if (isClosing && !row.isVoid && (code === errorCode.cancelled || isReused)) {
    // A life of the store that is lost may have closed it, and sent it under another number.
    if (row.isDoubtful && (isRepeat || isReused)) return offer(e, local, settled, now);
    e.outbox.requeue(local);
    e.tx.pending.outbox.add(local);
    pump(e, row.conv, now);
  } else if (isReused && !isClosing) {
    storeFellBack(e, now);
    renewDeviceEpoch(e, now);
  } else settle(e, local, { ...settled, code: row.isVoid && row.voidCode !== 0 ? row.voidCode : code }, now);
}

/** The server waits for another number of the chain. */
function onGap(e: Engine, local: bigint, expect: bigint, now: Now): void {
  const row = e.outbox.row(local);
  const chain = row && e.outbox.chains.get(row.conv);
  if (row === undefined || chain === undefined) return;
  const epoch = row.deviceEpoch;
  const first = chain.inflight.find((held) => held.epoch === epoch);
  let target = chain.find(epoch, expect) ?? local;
  if (first && expect < first.n) {
    // A number that is settled here. What cannot be closed either is the user's choice.
    if (epoch !== e.device.deviceEpoch) return offer(e, local, settledOf({}), now);
    // The server lost its state.
    if (!fillAbsent(e, row.conv, expect)) return renewDeviceEpoch(e, now);
    target = first.local;
  }
  // Those behind a held command cannot have been taken: they go again with it.
  if (chain.hold !== undefined) return unsendFrom(e, target);
  const tries = e.outbox.rows.get(target)?.tries ?? 0;
  if (tries < GAPS_AT_ONCE) resendFrom(e, target, now);
  else holdFrom(e, target, after(e.random, 100 * 2 ** Math.min(tries, 6)), now);
}

/** Numbers of commands that found no chain are used up with VOID. False if the expected one is none of these. */
function fillAbsent(e: Engine, conv: bigint, expect: bigint): boolean {
  const below = e.conversations.get(conv)?.row.absentBelow ?? 0n;
  for (let cid = expect; cid < below; cid += 1n) e.up({ type: "void", conv, cid });
  return expect < below;
}

/** An error frame for a command: nothing was decided. */
export function onRowError(e: Engine, id: number, info: ErrorInfo, now: Now): void {
  const local = e.outbox.frames.get(id)?.local;
  e.outbox.frames.delete(id);
  const held = local === undefined ? undefined : e.outbox.rows.get(local);
  if (local === undefined || held?.frame !== id) return;
  const errorClass = classOf(info.code);
  const isFinal = errorClass === ErrorClass.REJECT || errorClass === ErrorClass.CLIENT;
  const isStranger = info.code === errorCode.absent || info.code === errorCode.not_member;
  if (isStranger && held.row.conv !== 0n) failChain(e, held.row.conv, info.code, now);
  // It cannot be closed: whether it goes again is the user's choice. Another new epoch would change nothing.
  else if (held.row.deviceEpoch !== e.device.deviceEpoch && (isFinal || errorClass === ErrorClass.RESYNC)) offer(e, local, settledOf({}), now);
  else if (errorClass === ErrorClass.RESYNC || (isFinal && held.row.isVoid)) renewDeviceEpoch(e, now);
  else if (isFinal) {
    // The number must be consumed, else those behind it wait for ever.
    held.row = { ...held.row, isVoid: true, voidCode: info.code };
    e.tx.pending.outbox.add(local);
    resendFrom(e, local, now);
  } else holdFrom(e, local, after(e.random, info.retryAfterMs), now);
}

/**
 * The user has no chain there: every row fails. A copy under way may still find the user a member, so the numbers are not used again;
 * if the chain comes to be, a GAP asks for them.
 */
function failChain(e: Engine, conv: bigint, code: number, now: Now): void {
  const rows = [...e.outbox.rows.values()].filter((held) => held.row.conv === conv);
  for (const held of rows) settle(e, held.row.local, settledOf({ code }), now);
  const { row } = conversationOf(e, conv);
  row.absentBelow = row.nextCid;
}

/** Whether it was sent is not known: the user decides whether it goes again. */
export function offer(e: Engine, local: bigint, settled: Settled, now: Now): void {
  settle(e, local, { ...settled, isOfferedAgain: true }, now);
}

/** Ends a row: it leaves the store, the app is told, and what waited for it goes on. */
export function settle(e: Engine, local: bigint, outcome: Settled, now: Now): void {
  const row = e.outbox.remove(local);
  if (row === undefined) return;
  e.tx.pending.outbox.add(local);
  const settled = { ...outcome, local, conv: row.conv, send: isDone(outcome) ? undefined : row.send };
  const wasCancelled = row.isVoid && row.voidCode === 0 && row.send !== undefined;
  if (wasCancelled && isDone(settled)) recall(e, row.conv, settled.seq, settled.pid, now);
  e.tell({ type: "settled", settled });
  releaseDependents(e, row, settled, now);
  pumpAfter(e, row.conv, now);
}

/** An event that names the own key says the outcome. */
export function settleByEvent(e: Engine, event: SyncEvent, now: Now): void {
  if (event.type === eventType.OP_OUTCOME) settleByOutcome(e, event, now);
  if (event.cid === 0n || event.device === 0n || event.device !== e.device.device) return;
  const local = e.outbox.chains.get(event.conv)?.find(event.deviceEpoch, event.cid);
  const row = local === undefined ? undefined : e.outbox.row(local);
  // Else the number was used by a life of the store that is lost; the answer says so.
  if (local === undefined || row === undefined || !mayBeOf(row, event)) return;
  const pid = event.type === eventType.PRIVATE_MESSAGE ? (tryDecode(PrivateChanged, event.body)?.private?.pid ?? 0n) : 0n;
  settle(e, local, settledOf({ seq: event.seq, rev: event.rev, pid, id: event.messageId, ts: event.ts }), now);
}

function settleByOutcome(e: Engine, event: SyncEvent, now: Now): void {
  const outcome = tryDecode(OpOutcome, event.body);
  if (outcome === undefined || outcome.device === 0n || outcome.device !== e.device.device) return;
  const local = e.outbox.chains.get(0n)?.find(outcome.deviceEpoch, outcome.opSeq);
  if (local === undefined) return;
  settle(e, local, settledOf({ code: outcome.status === Status.REJECTED ? outcome.code : 0, id: outcome.id }), now);
}

/** False if the event under the row's own number shows something else than the row. */
function mayBeOf({ send, op }: OutboxRow, event: SyncEvent): boolean {
  if (event.type !== eventType.MESSAGE) return op !== undefined || event.type === eventType.PRIVATE_MESSAGE;
  return send?.kind === event.kind && isSame(send.body, event.body);
}

/** A parked message could not be ordered. */
export function settleFailed(e: Engine, conv: bigint, failed: SendFailed, now: Now): void {
  if (failed.device !== e.device.device) return;
  const local = e.outbox.chains.get(conv)?.find(failed.deviceEpoch, failed.cid);
  if (local !== undefined) onRejected(e, local, failed.code, true, settledOf({ args: failed.args }), now);
}

/** After a Rebase the events that would have settled parked rows may be skipped: asks for the outcome. */
export function lookUpUnsettled(e: Engine): void {
  for (const held of e.outbox.rows.values()) {
    if (held.parkedAt === undefined) continue;
    const { local, conv, deviceEpoch, n } = held.row;
    ask(e, method.LOOKUP_SEND, LookupSend.encode({ conv, deviceEpoch, n }), { type: "lookup", local });
  }
}

export function onLookup(e: Engine, local: bigint, body: Uint8Array, now: Now): void {
  const outcome = tryDecode(SendOutcome, body) ?? SendOutcome.of();
  const { seq, rev, pid, status, code } = outcome;
  const settled = settledOf({ seq, rev, pid, id: outcome.messageId });
  const isDecided = status === Status.OK || status === Status.DUPLICATE;
  if (isDecided && code === 0) settle(e, local, settled, now);
  else if (isDecided || status === Status.REJECTED) onRejected(e, local, code, true, settled, now);
  else resendFrom(e, local, now);
}
