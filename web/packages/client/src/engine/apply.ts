//! Applying events: the rev rule, and what each type does to the local copy.

import {
  CardUpdated, Content, ConversationAdded, ConversationChanged, type ConvMeta, eventType, flag, MembersChanged, MentionPointer, MessageRow, ModeChanged,
  Moved, PinsChanged, ReactionsChanged, ReadMarked, ReadState, Receipt, ResetTo, role, SendFailed, SummaryChanged, type SyncEvent,
} from "@tenon/wire";
import type { Engine } from "../engine.js";
import { max, tryDecode } from "../numbers.js";
import { ConvState } from "../rows.js";
import type { Change } from "../store.js";
import { conversationOf, leave, putRow, takeItem } from "./conversation.js";
import { applyOverlay } from "./inbox.js";
import { noteDebt, noteDebtSoon } from "./pull.js";
import { readArrived } from "./read.js";
import { settleByEvent, settleFailed } from "./settle.js";
import type { Now } from "./speech.js";

const KNOWN = new Set<number>(Object.values(eventType));

/** The event with a body of its own: the received one would hold the whole frame it came in. */
const owned = (event: SyncEvent): SyncEvent => ({ ...event, body: event.body.slice() });

/** Applies one event of a batch. Its cursor moves in the same transaction, whatever the event is. */
export function apply(e: Engine, event: SyncEvent, now: Now): void {
  settleByEvent(e, event, now);
  if (event.rev > 0n && event.conv !== 0n) applyRev(e, event, now);
  else if (event.overlayVer > 0n && event.conv !== 0n) applyOverlay(e, event, now);
  else applyPlain(e, event, now);
}

/** The rule of revs: fold the next one, skip what is folded, remember what is ahead. */
export function applyRev(e: Engine, event: SyncEvent, now: Now): void {
  const { row } = conversationOf(e, event.conv);
  row.generation = e.generation();
  if (event.convEpoch < row.convEpoch) return;
  if (event.convEpoch > row.convEpoch) {
    row.epochKnown = Math.max(row.epochKnown, event.convEpoch);
    return noteDebtSoon(e, event.conv, now);
  }
  row.known = max(row.known, event.rev);
  if (event.rev <= row.rev) return;
  if (event.rev > row.rev + 1n) return noteDebtSoon(e, event.conv, now);
  row.rev = event.rev;
  fold(e, event);
  e.tell({ type: "sync", event: owned(event) });
  noteDebt(e, event.conv);
}

function fold(e: Engine, event: SyncEvent): void {
  const { conv, seq } = event;
  const ver = event.ver === 0n ? event.rev : event.ver;
  const change = (what: Change) => {
    conversationOf(e, conv).touch(seq, ver);
    // If the message is not held only the rev moves on.
    if (e.config.keepsRows) e.tx.pending.ops.push({ type: "change", conv, seq, ver, change: what });
  };
  switch (event.type) {
    case eventType.MESSAGE:
      return foldMessage(e, event, ver);
    case eventType.UNREADABLE: {
      // No row and no interval: the place is fetched when it is looked at.
      const { row } = conversationOf(e, conv);
      row.tipSeq = max(row.tipSeq, seq);
      row.tipCnt = max(row.tipCnt, event.cnt);
      return;
    }
    case eventType.MESSAGE_EDITED:
      return change({ type: "content", kind: event.kind, body: event.body.slice(), mentions: event.mentions, editedMs: event.ts });
    case eventType.MESSAGE_RECALLED:
      return change({ type: "tombstone", why: flag.RECALLED });
    case eventType.MESSAGE_EXPIRED:
      return change({ type: "tombstone", why: flag.EXPIRED });
    case eventType.CARD_UPDATED: {
      const card = tryDecode(CardUpdated, event.body)?.card;
      if (card) change({ type: "content", kind: 0, body: Content.encode(Content.of({ what: { case: "card", value: card } })), mentions: [], editedMs: 0n });
      return;
    }
    case eventType.REACTIONS_CHANGED: {
      const body = tryDecode(ReactionsChanged, event.body);
      if (body) change({ type: "reactions", reactions: body.reactions });
      return;
    }
    default:
      foldShared(e, event);
  }
}

function foldMessage(e: Engine, event: SyncEvent, ver: bigint): void {
  const { conv, seq } = event;
  const c = conversationOf(e, conv);
  const { row } = c;
  c.touch(seq, ver);
  row.tipSeq = max(row.tipSeq, seq);
  row.tipCnt = max(row.tipCnt, event.cnt);
  row.sortTs = max(row.sortTs, event.ts);
  if (event.flags & flag.MENTION_ME) row.mentionSeq = max(row.mentionSeq, seq);
  const isOwn = (event.flags & flag.OWN) !== 0 || (e.device.user !== 0n && event.sender === e.device.user);
  if (isOwn && (event.flags & flag.AUTO) === 0) c.takeRead(ReadState.of({ readSeq: seq, readCnt: event.cnt }));
  if (!e.config.keepsRows) return;
  c.intervals.extend(seq, event.rev, row.breakRev);
  e.tx.pending.intervals.add(conv);
  putRow(e, conv, rowOf(event, ver));
}

/** Events about what all members share. */
function foldShared(e: Engine, event: SyncEvent): void {
  const { rev, body } = event;
  const { row } = conversationOf(e, event.conv);
  const change = (fields: Partial<ConvMeta> | undefined, bumps = true) => {
    if (fields && row.meta) row.meta = { ...row.meta, ...fields, ...(bumps ? { ver: max(row.meta.ver, rev) } : {}) };
  };
  switch (event.type) {
    case eventType.CONVERSATION_CHANGED: {
      const changed = tryDecode(ConversationChanged, body);
      return change(changed && maskedOf(changed));
    }
    case eventType.MEMBERS_CHANGED: {
      const changed = tryDecode(MembersChanged, body);
      if (changed === undefined) return;
      const own = changed.members.find((member) => member.user === e.device.user && !member.gone);
      if (own) row.role = own.role;
      const owner = changed.members.find((member) => member.role === role.OWNER && !member.gone);
      return change({ rosterVer: max(row.meta?.rosterVer ?? 0n, changed.toRosterVer), memberCount: changed.memberCount, ...(owner && { owner: owner.user }) });
    }
    case eventType.MODE_CHANGED: {
      const changed = tryDecode(ModeChanged, body);
      return change(changed && { mode: changed.mode, memberCount: changed.memberCount });
    }
    case eventType.PINS_CHANGED: {
      const changed = tryDecode(PinsChanged, body);
      return change(changed && { pinnedSeqs: changed.pinnedSeqs });
    }
    case eventType.MOVED: {
      const moved = tryDecode(Moved, body);
      return change(moved && { unit: moved.toUnit, routeEpoch: moved.routeEpoch }, false);
    }
    case eventType.RESET: {
      const reset = tryDecode(ResetTo, body);
      if (reset) row.epochKnown = Math.max(row.epochKnown, reset.convEpoch);
      return;
    }
    case eventType.DISSOLVED:
      return leave(e, event.conv);
    default:
      if (!KNOWN.has(event.type)) keepOpaque(e, event);
  }
}

/** Events without a rev: each has its own way to be applied twice without harm. */
function applyPlain(e: Engine, event: SyncEvent, now: Now): void {
  const { conv } = event;
  foldPlain(e, event, now);
  if (conv !== 0n) conversationOf(e, conv).row.generation = e.generation();
  e.tell({ type: "sync", event: owned(event) });
}

function foldPlain(e: Engine, event: SyncEvent, now: Now): void {
  const { conv, body } = event;
  switch (event.type) {
    case eventType.READ_MARKED: {
      const read = tryDecode(ReadMarked, body)?.read;
      if (read === undefined) return;
      conversationOf(e, conv).takeReadMark(read);
      return readArrived(e, conv, read.readSeq, read.readPcnt);
    }
    case eventType.RECEIPT: {
      const receipt = tryDecode(Receipt, body);
      const { row } = conversationOf(e, conv);
      if (receipt) row.peerReadSeq = max(row.peerReadSeq, receipt.readSeq);
      return;
    }
    case eventType.SUMMARY_CHANGED: {
      const summary = tryDecode(SummaryChanged, body)?.summary;
      if (summary) conversationOf(e, conv).takeSummary(summary);
      return;
    }
    case eventType.MENTION: {
      const pointer = tryDecode(MentionPointer, body);
      if (pointer === undefined) return;
      const { row } = conversationOf(e, conv);
      row.mentionSeq = max(row.mentionSeq, pointer.seq);
      row.known = max(row.known, pointer.rev);
      return noteDebtSoon(e, conv, now);
    }
    case eventType.CONVERSATION_ADDED:
      return applyAdded(e, conv, body, now);
    case eventType.CONVERSATION_REMOVED:
      return leave(e, conv);
    case eventType.SEND_FAILED: {
      const failed = tryDecode(SendFailed, body);
      if (failed) settleFailed(e, conv, failed, now);
      return;
    }
    default:
      if (!KNOWN.has(event.type)) keepOpaque(e, event);
  }
}

function applyAdded(e: Engine, conv: bigint, body: Uint8Array, now: Now): void {
  const item = tryDecode(ConversationAdded, body)?.item;
  if (item) return takeItem(e, { ...item, conv: item.conv || conv }, "added", now);
  conversationOf(e, conv).row.state = ConvState.STUB;
  noteDebtSoon(e, conv, now);
}

function keepOpaque(e: Engine, event: SyncEvent): void {
  if (event.flags & flag.CRITICAL && event.conv !== 0n) conversationOf(e, event.conv).row.isUpdateNeeded = true;
  if (event.pts > 0n) e.tx.pending.ops.push({ type: "opaque", row: { pts: event.pts, event: owned(event) } });
}

/** The fields of a change that its mask names. */
function maskedOf({ meta, mask }: ConversationChanged): Partial<ConvMeta> {
  if (meta === undefined) return {};
  return {
    ...(mask & 1 ? { title: meta.title } : {}),
    ...(mask & 2 ? { avatar: meta.avatar } : {}),
    ...(mask & 4 ? { notice: meta.notice } : {}),
    ...(mask & 8 ? { settings: meta.settings, mutedUntilMs: meta.mutedUntilMs } : {}),
    ...(mask & 16 ? { sceneData: meta.sceneData.slice() } : {}),
    ...(meta.owner !== 0n ? { owner: meta.owner } : {}),
  };
}

/** The row of a message event. */
const rowOf = (event: SyncEvent, ver: bigint): MessageRow =>
  MessageRow.of({
    seq: event.seq,
    ver,
    cnt: event.cnt,
    messageId: event.messageId,
    sender: event.sender,
    ts: event.ts,
    kind: event.kind,
    flags: event.flags,
    body: event.body,
    replySeq: event.replySeq,
    mentions: event.mentions,
    cid: event.cid,
    device: event.device,
    deviceEpoch: event.deviceEpoch,
    expiresMs: event.expiresMs,
    app: event.app,
  });
