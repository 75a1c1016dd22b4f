//! History: answered from verified intervals, else by a page.

import { errorCode, type ErrorInfo, GetHistory, HistoryPage, method } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { max, min, minus, tryDecode } from "../numbers.js";
import { ask, infoOf, refuse } from "./ask.js";
import { type Conversation, putPrivate, putRow } from "./conversation.js";
import { noteDebtSoon } from "./pull.js";
import type { HistoryAnswer, HistoryWant, Now } from "./speech.js";

/** Rows of one page. */
const LIMIT_MAX = 100;
/** A page that lost rows to newer changes is asked for again this often. */
const TRIES_MAX = 3;

/** A page under way. */
export interface HistoryAsk {
  readonly ticket: number;
  readonly want: HistoryWant;
  readonly tries: number;
}

export function history(e: Engine, ticket: number, wanted: HistoryWant): void {
  const want = { ...wanted, limit: Math.min(Math.max(wanted.limit, 1), LIMIT_MAX) };
  const c = e.conversations.get(want.conv);
  const local = c && e.config.keepsRows ? localAnswer(c, want) : undefined;
  if (local) e.answer(ticket, { type: "history", history: local });
  else askHistory(e, { ticket, want, tries: 0 });
}

function askHistory(e: Engine, asked: HistoryAsk): void {
  const { want } = asked;
  const c = e.conversations.get(want.conv);
  if (c) c.pages += 1;
  const body = GetHistory.encode({
    conv: want.conv,
    aboveSeq: want.aboveSeq,
    belowSeq: want.belowSeq,
    limit: want.limit,
    upward: want.isUpward,
    minRev: c?.row.rev ?? 0n,
    convEpoch: c?.row.convEpoch ?? 0,
  });
  ask(e, method.GET_HISTORY, body, { type: "history", ask: asked });
}

export function onHistoryPage(e: Engine, asked: HistoryAsk, body: Uint8Array, now: Now): void {
  const { conv } = asked.want;
  const page = tryDecode(HistoryPage, body);
  if (page === undefined || (page.conv !== conv && page.conv !== 0n)) {
    return historyRefused(e, asked, infoOf(errorCode.bad_message, 0, "history page does not decode"));
  }
  const late = takeHistory(e, conv, page, now);
  pageEnded(e, conv);
  if (late && late.size > 0 && asked.tries < TRIES_MAX) return askHistory(e, { ...asked, tries: asked.tries + 1 });
  const isStored = late !== undefined && e.config.keepsRows;
  const hasRange = page.loSeq > 0n && page.loSeq <= page.hiSeq;
  const answer: HistoryAnswer = {
    conv,
    lo: hasRange ? page.loSeq : 1n,
    hi: hasRange ? page.hiSeq : 0n,
    isFloor: page.floor,
    // A page of another conversation epoch is shown, but nothing follows from it.
    isStable: page.stable && (late !== undefined || !e.conversations.has(conv)),
    rows: isStored ? [] : page.normal.filter((row) => !late?.has(row.seq)),
    privates: isStored ? [] : page.private,
    overlay: e.conversations.get(conv)?.row.overlay,
  };
  e.answer(asked.ticket, { type: "history", history: answer });
}

export function historyRefused(e: Engine, asked: HistoryAsk, info: ErrorInfo): void {
  pageEnded(e, asked.want.conv);
  refuse(e, asked.ticket, info);
}

function pageEnded(e: Engine, conv: bigint): void {
  const c = e.conversations.get(conv);
  if (c === undefined) return;
  c.pages = Math.max(0, c.pages - 1);
  if (c.pages === 0) c.touched.clear();
}

/** Takes the rows of a page; gives the seqs whose row here is newer, which are taken out of page and interval.
 * `undefined` if the page is not of a conversation as it is held here: it is shown, not kept. */
function takeHistory(e: Engine, conv: bigint, page: HistoryPage, now: Now): Set<bigint> | undefined {
  const c = e.conversations.get(conv);
  if (c === undefined) return undefined;
  const late = new Set<bigint>();
  const { row } = c;
  e.dirty(conv);
  if (page.convEpoch !== row.convEpoch) {
    row.epochKnown = Math.max(row.epochKnown, page.convEpoch);
    noteDebtSoon(e, conv, now);
    return undefined;
  }
  for (const { seq, ver } of page.normal) if ((c.touched.get(seq) ?? 0n) > ver) late.add(seq);
  row.known = max(row.known, page.asOfRev);
  row.inboxKnown = max(row.inboxKnown, page.overlayVer);
  if (page.floor && page.stable && page.loSeq > 0n) row.floorSeq = max(row.floorSeq, page.loSeq - 1n);
  if (e.config.keepsRows) takeRows(e, c, page, late);
  for (const held of page.private) putPrivate(e, conv, held);
  noteDebtSoon(e, conv, now);
  return late;
}

function takeRows(e: Engine, c: Conversation, page: HistoryPage, late: Set<bigint>): void {
  const { conv, breakRev } = c.row;
  if (page.stable) {
    c.intervals.add(page.loSeq, page.hiSeq, page.asOfRev, breakRev);
    for (const seq of late) c.intervals.cut(seq, seq);
    e.tx.pending.intervals.add(conv);
  }
  for (const { lo, hi } of page.gone) e.tx.pending.ops.push({ type: "gone", conv, lo, hi });
  for (const row of page.normal) if (!late.has(row.seq)) putRow(e, conv, row);
}

/** The answer, if every wanted row is verified here. */
function localAnswer(c: Conversation, want: HistoryWant): HistoryAnswer | undefined {
  const { row } = c;
  const answer = (lo: bigint, hi: bigint, isFloor = lo <= row.floorSeq + 1n): HistoryAnswer => ({
    conv: row.conv,
    lo,
    hi,
    isFloor,
    isStable: true,
    rows: [],
    privates: [],
    overlay: row.overlay,
  });
  const isOpen = want.belowSeq === 0n || want.belowSeq > row.tipSeq;
  if (isOpen && c.owes) return undefined;
  const top = isOpen ? row.tipSeq : want.belowSeq - 1n;
  const bottom = max(want.aboveSeq, row.floorSeq) + 1n;
  if (bottom > top) return answer(1n, 0n, top <= row.floorSeq);
  const limit = BigInt(want.limit);
  if (want.isUpward) {
    const reach = c.intervals.reachUp(bottom, row.breakRev);
    if (reach === undefined) return undefined;
    const hi = min(reach, top);
    const enough = bottom + limit - 1n;
    return hi >= min(enough, top) ? answer(bottom, min(hi, enough)) : undefined;
  }
  const reach = c.intervals.reachDown(top, row.breakRev);
  if (reach === undefined) return undefined;
  const lo = max(reach, bottom);
  const enough = minus(top, limit - 1n);
  return lo <= max(enough, bottom) ? answer(max(lo, enough), top) : undefined;
}
