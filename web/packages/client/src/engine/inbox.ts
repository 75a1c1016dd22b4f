//! Private messages and overlays: the rows that only this user has in a conversation.

import { eventType, GetInbox, InboxPage, method, Overlay, OverlayChanged, PrivateChanged, SeqRange, type SyncEvent } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { compare, max, min, tryDecode } from "../numbers.js";
import { ask } from "./ask.js";
import { conversationOf, putPrivate } from "./conversation.js";
import { noteDebt, noteDebtSoon, pullEnded } from "./pull.js";
import type { Now } from "./speech.js";

/** Rows of one page. */
const PAGE = 500;

/** The rule of overlay versions: like revs, per (conversation, user). */
export function applyOverlay(e: Engine, event: SyncEvent, now: Now): void {
  const { conv } = event;
  const { row } = conversationOf(e, conv);
  if (event.overlayVer <= row.over) return;
  row.inboxKnown = max(row.inboxKnown, event.overlayVer);
  if (event.overlayVer > row.over + 1n) return noteDebtSoon(e, conv, now);
  row.over = event.overlayVer;
  if (event.type === eventType.PRIVATE_MESSAGE || event.type === eventType.PRIVATE_CHANGED) {
    const held = tryDecode(PrivateChanged, event.body)?.private;
    if (held) {
      const message = held.message && { ...held.message, ver: max(held.message.ver, event.overlayVer) };
      putPrivate(e, conv, { ...held, message });
    }
  } else if (event.type === eventType.OVERLAY_CHANGED) {
    const overlay = tryDecode(OverlayChanged, event.body)?.overlay;
    if (overlay) takeOverlay(e, conv, overlay);
  }
  e.tell({ type: "sync", event: { ...event, body: event.body.slice() } });
  noteDebt(e, conv);
}

/** Joins deleted ranges; what was cleared rises only. */
function takeOverlay(e: Engine, conv: bigint, next: Overlay): void {
  const { row } = conversationOf(e, conv);
  const held = row.overlay ?? Overlay.of();
  row.overlay = {
    deletedSeqs: next.deletedSeqs.reduce(join, held.deletedSeqs),
    deletedPids: [...new Set([...held.deletedPids, ...next.deletedPids])].sort(compare),
    clearedToSeq: max(held.clearedToSeq, next.clearedToSeq),
    clearedToCnt: max(held.clearedToCnt, next.clearedToCnt),
  };
  row.floorSeq = max(row.floorSeq, next.clearedToSeq);
  row.floorCnt = max(row.floorCnt, next.clearedToCnt);
}

/** Asks for the private rows that are owed. */
export function pullInbox(e: Engine, conv: bigint, sinceVer: bigint): void {
  ask(e, method.GET_INBOX, GetInbox.encode({ conv, sinceVer, limit: PAGE }), { type: "inbox", conv });
}

export function onInboxPage(e: Engine, conv: bigint, body: Uint8Array, now: Now): void {
  const page = tryDecode(InboxPage, body);
  if (page === undefined) return pullEnded(e, conv, false, now);
  const c = conversationOf(e, conv);
  const before = c.row.over;
  for (const row of page.rows) {
    if (row.overlayVer <= before) continue;
    if (row.private) putPrivate(e, conv, row.private);
    if (row.overlay) takeOverlay(e, conv, row.overlay);
  }
  c.row.over = max(c.row.over, page.toVer);
  c.row.tipPcnt = max(c.row.tipPcnt, page.tipPcnt);
  if (page.tooLong) {
    c.intervals.clear();
    c.row.inboxKnown = c.row.over;
    e.tx.pending.intervals.add(conv);
  }
  pullEnded(e, conv, c.row.over > before, now);
}

/** Adds a range to disjoint rising ones. */
function join(ranges: SeqRange[], added: SeqRange): SeqRange[] {
  let { lo, hi } = added;
  const apart = ranges.filter((held) => {
    const touches = held.lo <= hi + 1n && lo <= held.hi + 1n;
    if (touches) [lo, hi] = [min(lo, held.lo), max(hi, held.hi)];
    return !touches;
  });
  return [...apart, SeqRange.of({ lo, hi })].sort((a, b) => compare(a.lo, b.lo));
}
