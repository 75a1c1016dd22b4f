//! Rows, events and answers as the engine's vectors write them. Fields that are 0, false or absent are left out.

import { type ConvMeta, ConvMeta as ConvMetaType, Ephemeral, MessageRow, messageToJson, Op, Overlay, PrivateMessage, ReactionCount, Send, Summary, SyncEvent } from "@tenon/wire";
import type { Answer, AppEvent, ConnectionState } from "../src/index.js";
import type { Change, ConversationRow, DeviceRow, IntervalRow, Loaded, OutboxRow, Settled, StoreOp, StreamRow } from "../src/index.js";

type Json = unknown;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function isFull(value: Json): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "" || value === "0") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

/** Drops what is empty, at the first level; positions become numbers. */
const lean = (value: Record<string, Json>): Json => Object.fromEntries(Object.entries(value).map(([k, v]) => [k, typeof v === "bigint" ? Number(v) : v]).filter(([, v]) => isFull(v)));

const device = (row: DeviceRow): Json =>
  lean({
    device: `${row.device}`, device_epoch: row.deviceEpoch, conn_ctr: row.connCtr, next_op_seq: row.nextOpSeq, user: `${row.user}`, org: `${row.org}`,
    next_local: row.nextLocal, next_event: row.nextEvent, needs_epoch: row.needsEpoch,
  });

const stream = (row: StreamRow): Json =>
  lean({
    unit: row.unit, queue_epoch: row.queueEpoch, pts: row.pts, rebase_reason: row.rebaseReason, generation: row.generation,
    rebase: row.rebase && lean({ p0: row.rebase.p0, token: hex(row.rebase.token), next: hex(row.rebase.next) }),
  });

const meta = (value: ConvMeta | undefined): Json => value && messageToJson(ConvMetaType, value);

const conversation = (row: ConversationRow): Json =>
  lean({
    conv: `${row.conv}`, conv_epoch: row.convEpoch, epoch_known: row.epochKnown, rev: row.rev, known: row.known, break_rev: row.breakRev, tip_seq: row.tipSeq,
    tip_cnt: row.tipCnt, floor_seq: row.floorSeq, floor_cnt: row.floorCnt, over: row.over, inbox_known: row.inboxKnown, tip_pcnt: row.tipPcnt, read_seq: row.readSeq,
    read_cnt: row.readCnt, read_pcnt: row.readPcnt, own_auto: row.ownAuto, mention_seq: row.mentionSeq, peer_read_seq: row.peerReadSeq, sort_ts: row.sortTs,
    next_cid: row.nextCid, summary: row.summary && messageToJson(Summary, row.summary), meta: meta(row.meta), state: row.state, generation: row.generation,
    is_update_needed: row.isUpdateNeeded, role: row.role, join_rev: row.joinRev, overlay: row.overlay && messageToJson(Overlay, row.overlay), absent_below: row.absentBelow,
  });

const intervals = (rows: readonly IntervalRow[]): Json => rows.map((i) => [Number(i.lo), Number(i.hi), Number(i.vrev)]);

const outbox = (row: OutboxRow): Json =>
  lean({
    local: row.local, conv: `${row.conv}`, device_epoch: row.deviceEpoch, n: row.n, send: row.send && messageToJson(Send, row.send), op: row.op && messageToJson(Op, row.op),
    after: row.after, first_at_ms: row.firstAtMs, is_void: row.isVoid, void_code: row.voidCode, is_doubtful: row.isDoubtful,
  });

function changeOf(change: Change): Json {
  if (change.type === "tombstone") return { tombstone: change.why };
  if (change.type === "reactions") return { reactions: change.reactions.map((r) => messageToJson(ReactionCount, r)) };
  return { content: lean({ kind: change.kind, body: hex(change.body), mentions: change.mentions.map(Number), edited_ms: change.editedMs }) };
}

/** A step of a transaction. */
export function opOf(op: StoreOp): Json {
  switch (op.type) {
    case "value":
      return { value: op.key };
    case "device":
      return { device: device(op.row) };
    case "stream":
      return { cursor: stream(op.row) };
    case "conversation":
      return { conversation: conversation(op.row) };
    case "intervals":
      return { intervals: { conv: `${op.conv}`, rows: intervals(op.intervals) } };
    case "message":
      return { message: { conv: `${op.conv}`, row: messageToJson(MessageRow, op.row) } };
    case "change":
      return { change: { conv: `${op.conv}`, seq: Number(op.seq), ver: Number(op.ver), what: changeOf(op.change) } };
    case "gone":
      return { gone: { conv: `${op.conv}`, lo: Number(op.lo), hi: `${op.hi}` } };
    case "private":
      return { private: { conv: `${op.conv}`, row: messageToJson(PrivateMessage, op.row) } };
    case "outbox":
      return { outbox: outbox(op.row) };
    case "outboxDone":
      return { outbox_done: Number(op.local) };
    case "readPending":
      return { read_pending: lean({ conv: `${op.row.conv}`, up_to_seq: op.row.upToSeq, up_to_pcnt: op.row.upToPcnt }) };
    case "readDone":
      return { read_done: `${op.conv}` };
    case "event":
      return { module_inbox: Number(op.row.n) };
    case "eventsDone":
      return { events_done: Number(op.n) };
    case "opaque":
      return { opaque: Number(op.row.pts) };
  }
}

const settled = (row: Settled): Json =>
  lean({
    local: row.local, conv: `${row.conv}`, code: row.code, seq: row.seq, rev: row.rev, pid: row.pid, id: `${row.id}`, ts: row.ts, is_offered_again: row.isOfferedAgain,
    args: row.args, has_send: row.send !== undefined,
  });

function stateOf(state: ConnectionState): Json {
  if (state.type === "backoff") return { backoff_us: Math.round(state.waitMs * 1_000), code: state.code };
  return state.type === "stopped" ? { stopped: state.code } : state.type;
}

/** What the app hears. */
export function eventOf(event: AppEvent): Json {
  switch (event.type) {
    case "sync":
      return { n: Number(event.n), sync: messageToJson(SyncEvent, event.event) };
    case "settled":
      return { n: Number(event.n), settled: settled(event.settled) };
    case "jumped": {
      const { conv, fromRev, toRev } = event.jumped;
      return { n: Number(event.n), jumped: { conv: `${conv}`, from_rev: Number(fromRev), to_rev: Number(toRev) } };
    }
    case "rebased":
      return { n: Number(event.n), rebased: event.rebased };
    case "listComplete":
      return "list_complete";
    case "authWanted":
      return "auth_wanted";
    case "ephemeral":
      return { ephemeral: messageToJson(Ephemeral, event.ephemeral) };
    case "state":
      return { state: stateOf(event.state) };
  }
}

/** The answer to a command. */
export function answerOf(said: Answer): Json {
  switch (said.type) {
    case "queued":
      return { queued: Number(said.local) };
    case "response":
      return { response: hex(said.body) };
    case "refused":
      return { refused: said.info.code };
    case "history": {
      const h = said.history;
      return {
        history: lean({
          conv: `${h.conv}`, lo: h.lo, hi: h.hi, is_floor: h.isFloor, is_stable: h.isStable, rows: h.rows.map((r) => messageToJson(MessageRow, r)),
          privates: h.privates.map((p) => messageToJson(PrivateMessage, p)), overlay: h.overlay && messageToJson(Overlay, h.overlay),
        }),
      };
    }
  }
}

/** Everything that a store holds but messages. */
export const loadedOf = (loaded: Loaded): Json => ({
  device: loaded.device ? device(loaded.device) : null,
  cursor: loaded.streams.map(stream),
  conversation: loaded.conversations.map(conversation),
  interval: loaded.intervals.map((held) => [`${held.conv}`, intervals(held.intervals)]),
  outbox: loaded.outbox.map(outbox),
  read_pending: loaded.reads.map((r) => [`${r.conv}`, Number(r.upToSeq), Number(r.upToPcnt)]),
  module_inbox: loaded.events.map((e) => Number(e.n)),
});

/** JSON text with the keys of every object in order. */
export function sortedText(value: Json): string {
  return JSON.stringify(value, (_, held: Json) =>
    held !== null && typeof held === "object" && !Array.isArray(held) ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1))) : held,
  );
}
