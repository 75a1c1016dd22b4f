//! One conversation as the device holds it: positions, list line, unread.

import { type ConvItem, type ConvMeta, type ConvTip, type MessageRow, type PrivateMessage, type ReadState, type Summary } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { max, minus } from "../numbers.js";
import { type ConversationRow, ConvState, newConversation } from "../rows.js";
import { IntervalSet } from "./interval.js";
import { noteDebt, noteDebtSoon } from "./pull.js";
import type { ListLine, Now } from "./speech.js";

/** A list line ahead by at most this many revs is left as a debt: the events are told one by one. */
const SMALL_GAP = 50n;

/** Where a list line came from: a page of a Rebase, a new membership, a question, or in place of a long difference. */
export type ItemSource = "list" | "added" | "asked" | "tooLong";

function unreadOf(row: ConversationRow): bigint {
  const normal = minus(minus(row.tipCnt, max(row.readCnt, row.floorCnt)), BigInt(row.ownAuto));
  return normal + minus(row.tipPcnt, row.readPcnt);
}

/** The line of a conversation. Its parts are those of the row, which are replaced and never changed. */
export const lineOf = (row: ConversationRow): ListLine => ({
  conv: row.conv,
  meta: row.meta,
  summary: row.summary,
  unread: unreadOf(row),
  tipSeq: row.tipSeq,
  rev: row.rev,
  known: row.known,
  readSeq: row.readSeq,
  readCnt: max(row.readCnt, row.floorCnt),
  peerReadSeq: row.peerReadSeq,
  mentionSeq: row.mentionSeq,
  sortTs: row.sortTs,
  floorSeq: row.floorSeq,
  role: row.role,
  overlay: row.overlay,
});

/** The row, its intervals, and what is only needed while the engine runs. */
export class Conversation {
  intervals = new IntervalSet();
  /** Versions applied while a history page is under way. */
  readonly touched = new Map<bigint, bigint>();
  /** History pages under way. */
  pages = 0;
  /** Asked alone, since it failed together with others. */
  isAlone = false;
  /** Its tail was lost: tips come from the next line. */
  isReset = false;
  /** Which of all turns was the last one here; 0 = none in this life. */
  turned = 0;
  stuck = 0;
  notBefore: number | undefined;

  constructor(readonly row: ConversationRow) {}

  /** True if a pull is owed. */
  get owes(): boolean {
    const { row } = this;
    return row.state !== ConvState.LEFT && (row.known > row.rev || row.epochKnown > row.convEpoch || row.inboxKnown > row.over);
  }

  /** Exact, computed, never counted up. */
  get unread(): bigint {
    return unreadOf(this.row);
  }

  line(): ListLine {
    return lineOf(this.row);
  }

  /** Takes a read state by maximum. */
  takeRead(read: ReadState): void {
    const { row } = this;
    row.readSeq = max(row.readSeq, read.readSeq);
    row.readCnt = max(row.readCnt, read.readCnt);
    row.readPcnt = max(row.readPcnt, read.readPcnt);
  }

  /** Takes a read mark of the user: it also ends "marked as unread". */
  takeReadMark(read: ReadState): void {
    this.takeRead(read);
    const { row } = this;
    if (row.summary?.markedUnread) row.summary = { ...row.summary, markedUnread: false };
  }

  takeSummary(summary: Summary): void {
    if (this.row.summary === undefined || summary.ver > this.row.summary.ver) this.row.summary = summary;
  }

  private takeMeta(meta: ConvMeta): void {
    if (this.row.meta === undefined || meta.ver >= this.row.meta.ver) this.row.meta = { ...meta, sceneData: meta.sceneData.slice() };
  }

  /** A change of `seq` to `ver` was applied: a page that is under way may be older. */
  touch(seq: bigint, ver: bigint): void {
    if (this.pages > 0) this.touched.set(seq, max(this.touched.get(seq) ?? 0n, ver));
  }

  /** Takes the plain fields of a list line. */
  takeFields(item: ConvItem): void {
    if (item.read) this.takeRead(item.read);
    if (item.summary) this.takeSummary(item.summary);
    if (item.meta) this.takeMeta(item.meta);
    const { row } = this;
    row.state = ConvState.JOINED;
    row.known = max(row.known, item.tipRev);
    row.tipSeq = max(row.tipSeq, item.tipSeq);
    row.tipCnt = max(row.tipCnt, item.tipCnt);
    row.floorSeq = max(row.floorSeq, item.floorSeq);
    row.floorCnt = max(row.floorCnt, item.floorCnt);
    row.tipPcnt = max(row.tipPcnt, item.tipPcnt);
    row.mentionSeq = max(row.mentionSeq, item.mentionSeq);
    row.peerReadSeq = max(row.peerReadSeq, item.peerReadSeq);
    row.sortTs = max(row.sortTs, item.sortTs);
    row.ownAuto = item.ownAutoCount;
    row.role = item.role;
    row.joinRev = item.joinRev;
    if (item.overlayVer <= row.over) return;
    if (this.intervals.isEmpty) {
      row.over = item.overlayVer;
      row.inboxKnown = max(row.inboxKnown, row.over);
    } else row.inboxKnown = max(row.inboxKnown, item.overlayVer);
  }

  /** The rev to fold from after a list line at `tip`: the present one if the gap may be told event by event. */
  landing(tip: bigint, source: ItemSource): bigint {
    const { row } = this;
    const isSmall = (from: bigint) => minus(tip, from) <= SMALL_GAP;
    if (source === "tooLong") return tip;
    if (source === "list") return this.intervals.isEmpty || !isSmall(row.rev) ? tip : row.rev;
    if (row.rev === 0n && row.joinRev > 0n && isSmall(row.joinRev - 1n)) return row.joinRev - 1n;
    return isSmall(row.rev) ? row.rev : tip;
  }
}

/** The conversation, as a stub if it was not known; its row is written with the next transaction. */
export function conversationOf(e: Engine, conv: bigint): Conversation {
  e.dirty(conv);
  let c = e.conversations.get(conv);
  if (c === undefined) {
    c = new Conversation(newConversation(conv));
    e.conversations.set(conv, c);
  }
  return c;
}

/** Takes a list line that is consistent at its `tipRev`. One that the user's leaving has overtaken does not bring it back. */
export function takeItem(e: Engine, item: ConvItem, source: ItemSource, now: Now): void {
  const { conv } = item;
  if (conv === 0n) return;
  const generation = e.generation();
  if (source === "added") e.asks.turns += 1;
  const c = conversationOf(e, conv);
  const { row } = c;
  // The notice of the Rebase covers a line, unless events of it were told since.
  const isTold = source !== "list" || row.generation === generation;
  const wasLeft = row.state === ConvState.LEFT;
  if (wasLeft && c.turned > e.asks.askedAt && source !== "added") return;
  if (item.convEpoch < row.convEpoch) return;
  if (item.convEpoch > row.convEpoch && row.rev > 0n) {
    row.epochKnown = Math.max(row.epochKnown, item.convEpoch);
    return noteDebtSoon(e, conv, now);
  }
  row.convEpoch = item.convEpoch;
  row.epochKnown = Math.max(row.epochKnown, item.convEpoch);
  if (wasLeft && source === "added") row.rev = 0n;
  c.isReset = false;
  if (source === "added") c.turned = e.asks.turns;
  c.takeFields(item);
  const fromRev = row.rev;
  const tip = item.tipRev;
  const landing = tip > fromRev ? max(c.landing(tip, source), fromRev) : fromRev;
  if (landing > fromRev) {
    row.rev = landing;
    row.breakRev = landing;
  }
  if (item.last && item.last.seq > 0n && e.config.keepsRows) {
    const { seq } = item.last;
    if (c.intervals.around(seq, row.breakRev) === undefined) c.intervals.add(seq, seq, tip, row.breakRev);
    e.tx.pending.intervals.add(conv);
    putRow(e, conv, item.last);
  }
  if (item.lastPrivate) putPrivate(e, conv, item.lastPrivate);
  if (landing === tip && tip > fromRev && isTold && fromRev > 0n) {
    e.tell({ type: "jumped", jumped: { conv, fromRev, toRev: tip } });
  }
  noteDebtSoon(e, conv, now);
}

/** Tips: how far conversations are known to reach. */
export function onTips(e: Engine, tips: readonly ConvTip[], now: Now): void {
  for (const tip of tips) {
    if (tip.conv === 0n) continue;
    const { row } = conversationOf(e, tip.conv);
    if (tip.convEpoch > row.convEpoch) row.epochKnown = Math.max(row.epochKnown, tip.convEpoch);
    else if (tip.convEpoch === row.convEpoch) {
      row.known = max(row.known, tip.rev);
      row.tipSeq = max(row.tipSeq, tip.seq);
      row.tipCnt = max(row.tipCnt, tip.cnt);
      row.mentionSeq = max(row.mentionSeq, tip.mentionAllSeq);
    }
    noteDebtSoon(e, tip.conv, now);
  }
}

/** An answer says that the user is out. It is true of the time of the question: one that a joining has overtaken is not. */
export function toldAbsent(e: Engine, conv: bigint): void {
  if ((e.conversations.get(conv)?.turned ?? 0) <= e.asks.askedAt) leave(e, conv);
}

/** The user is no member any more: nothing is owed. */
export function leave(e: Engine, conv: bigint): void {
  const c = conversationOf(e, conv);
  c.turned = e.asks.turns += 1;
  const { row } = c;
  row.state = ConvState.LEFT;
  row.known = row.rev;
  row.epochKnown = row.convEpoch;
  row.inboxKnown = row.over;
  noteDebt(e, conv);
}

/** Stores a message row; the store keeps the newer version. */
export function putRow(e: Engine, conv: bigint, row: MessageRow): void {
  if (!e.config.keepsRows || row.seq === 0n) return;
  // An undecoded body would hold the whole frame it came in.
  e.tx.pending.ops.push({ type: "message", conv, row: { ...row, body: row.body.slice() } });
}

export function putPrivate(e: Engine, conv: bigint, row: PrivateMessage): void {
  const c = conversationOf(e, conv);
  c.row.tipPcnt = max(c.row.tipPcnt, row.pcnt);
  if (!e.config.keepsRows) return;
  const message = row.message && { ...row.message, body: row.message.body.slice() };
  e.tx.pending.ops.push({ type: "private", conv, row: { ...row, message } });
}
