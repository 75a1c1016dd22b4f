//! Debts: what was heard of and is not held, and the pulls that pay it.

import { type ConvDiff, ConvDiffAnswer, ConvDiffAnswers, ConvItems, type ConvReset, type ConvTooLong, GetConvDiff, GetConvDiffs, GetConvItems, method, Mode } from "@tenon/wire";
import { addTerm, listTerm } from "../digest.js";
import type { Engine } from "../engine.js";
import { compare, max, min, pieces, tryDecode, U64_MAX } from "../numbers.js";
import { ConvState } from "../rows.js";
import { applyRev } from "./apply.js";
import { ask } from "./ask.js";
import { between } from "./backoff.js";
import { conversationOf, onTips, putRow, takeItem, toldAbsent } from "./conversation.js";
import { pullInbox } from "./inbox.js";
import { settleByEvent } from "./settle.js";
import type { Now } from "./speech.js";

/** Conversations in one request. */
const WANTS_MAX = 50;
/** Conversations that are pulled at the same time: four requests. */
const OPEN_MAX = 4 * WANTS_MAX;
/** Lines asked for in one request. */
const ITEMS_MAX = 100;
/** Events of one answer. */
const EVENTS_MAX = 500;
/** Pulls without progress before a pause. */
const STUCK_MAX = 3;
/** That pause, and the least time between two repairs of the list digest, milliseconds. */
const PAUSE = 60_000;

/** Who owes, and when the next pull may leave. */
export class Debts {
  readonly owing = new Set<bigint>();
  at: number | undefined;
  readonly open = new Set<bigint>();
  /** Stubs whose line is wanted. */
  readonly items = new Set<bigint>();
  digestAt: number | undefined;
}

/** Brings the debt of a conversation up to date. */
export function noteDebt(e: Engine, conv: bigint): void {
  const c = e.conversations.get(conv);
  if (c === undefined) return;
  const { debts } = e;
  if ((c.row.state === ConvState.STUB && c.row.meta === undefined) || c.isReset) debts.items.add(conv);
  else debts.items.delete(conv);
  if (c.owes) debts.owing.add(conv);
  else debts.owing.delete(conv);
  const waits = debts.items.has(conv) || debts.owing.has(conv);
  if (waits && !debts.open.has(conv)) debts.at ??= 0;
}

/** The same, with a random wait before the pull. */
export function noteDebtSoon(e: Engine, conv: bigint, now: Now): void {
  debtsLinkUp(e, now);
  noteDebt(e, conv);
}

export function debtsLinkUp(e: Engine, now: Now): void {
  e.debts.at ??= now.mono + between(e.random, 0, e.config.pullJitter);
}

export function debtsLinkDown(e: Engine): void {
  e.debts.open.clear();
  e.debts.at = undefined;
}

/** Asks for what is owed, as far as it may be asked for now. */
export function pull(e: Engine, now: Now): void {
  const { debts } = e;
  debts.at = undefined;
  if (!e.link.isLive || [...e.streams.values()].some((s) => s.isRebasing)) return;
  pullItems(e);
  const wants: { sortTs: bigint; conv: bigint; isAlone: boolean }[] = [];
  let next: number | undefined;
  for (const conv of [...debts.owing].sort(compare)) {
    const c = e.conversations.get(conv);
    if (c === undefined || debts.open.has(conv)) continue;
    if (c.notBefore !== undefined && c.notBefore > now.mono) {
      next = Math.min(next ?? c.notBefore, c.notBefore);
      continue;
    }
    if (debts.open.size >= OPEN_MAX) break;
    debts.open.add(conv);
    const { row } = c;
    if (row.known > row.rev || row.epochKnown > row.convEpoch) wants.push({ sortTs: row.sortTs, conv, isAlone: c.isAlone });
    else pullInbox(e, conv, row.over);
  }
  debts.at = next;
  wants.sort((a, b) => compare(b.sortTs, a.sortTs) || compare(a.conv, b.conv));
  for (const want of wants) if (want.isAlone) pullDiffs(e, [want.conv]);
  const together = wants.filter((want) => !want.isAlone).map((want) => want.conv);
  for (const convs of pieces(together, WANTS_MAX)) pullDiffs(e, convs);
}

function pullDiffs(e: Engine, convs: bigint[]): void {
  const wants = convs.flatMap((conv) => {
    const row = e.conversations.get(conv)?.row;
    return row ? [GetConvDiff.of({ conv, convEpoch: row.convEpoch, sinceRev: row.rev, limit: EVENTS_MAX })] : [];
  });
  const [first] = wants;
  if (first === undefined) return;
  const purpose = { type: "diffs", convs } as const;
  if (wants.length === 1) ask(e, method.GET_CONV_DIFF, GetConvDiff.encode(first), purpose);
  else ask(e, method.GET_CONV_DIFFS, GetConvDiffs.encode({ wants }), purpose);
}

function pullItems(e: Engine): void {
  const wanted = [...e.debts.items].sort(compare);
  e.debts.items.clear();
  for (const convs of pieces(wanted, ITEMS_MAX)) {
    ask(e, method.GET_CONV_ITEMS, GetConvItems.encode({ convs, tipsOnly: false }), { type: "items", convs });
  }
}

export function onItems(e: Engine, convs: readonly bigint[], body: Uint8Array, now: Now): void {
  const items = tryDecode(ConvItems, body);
  if (items === undefined) return;
  for (const item of items.items) takeItem(e, item, "asked", now);
  onTips(e, items.tips, now);
  for (const conv of items.absent) if (convs.includes(conv)) toldAbsent(e, conv);
}

/** A pull is over. Three in a row that brought nothing mean a pause. */
export function pullEnded(e: Engine, conv: bigint, isForward: boolean, now: Now): void {
  e.debts.open.delete(conv);
  const c = e.conversations.get(conv);
  if (c) {
    c.stuck = isForward ? 0 : c.stuck + 1;
    if (c.stuck >= STUCK_MAX) {
      c.stuck = 0;
      c.notBefore = now.mono + PAUSE;
    }
  }
  noteDebt(e, conv);
}

/** A pull of several failed as a whole: ask for each alone. */
export function pullAlone(e: Engine, convs: readonly bigint[], now: Now): void {
  for (const conv of convs) {
    const c = e.conversations.get(conv);
    if (c) c.isAlone = true;
    pullEnded(e, conv, false, now);
  }
}

export function onDiffs(e: Engine, convs: readonly bigint[], asked: number, body: Uint8Array, now: Now): void {
  const one = () => {
    const answer = tryDecode(ConvDiffAnswer, body);
    return answer ? [answer] : [];
  };
  const answers = asked === method.GET_CONV_DIFF ? one() : (tryDecode(ConvDiffAnswers, body)?.answers ?? []);
  convs.forEach((conv, index) => {
    const answer = answers[index];
    pullEnded(e, conv, answer ? onDiffAnswer(e, conv, answer, now) : answers.length > 0, now);
  });
}

/** True if the answer brought the conversation forward. */
function onDiffAnswer(e: Engine, conv: bigint, { what }: ConvDiffAnswer, now: Now): boolean {
  const place = () => {
    const c = e.conversations.get(conv);
    return c ? `${c.row.rev}/${c.row.convEpoch}/${c.owes}` : "";
  };
  const before = place();
  if (what === undefined) toldAbsent(e, conv);
  else if (what.case === "diff" && what.value.conv === conv) onDiff(e, what.value, now);
  else if (what.case === "tooLong") onTooLong(e, conv, what.value, now);
  else if (what.case === "reset" && what.value.conv === conv) onReset(e, what.value, now);
  else return false;
  return place() !== before;
}

/** A difference, asked for or pushed. */
export function onDiff(e: Engine, diff: ConvDiff, now: Now): void {
  const { conv } = diff;
  const { row } = conversationOf(e, conv);
  row.generation = e.generation();
  if (diff.convEpoch < row.convEpoch) return;
  if (diff.convEpoch > row.convEpoch) {
    row.epochKnown = Math.max(row.epochKnown, diff.convEpoch);
    return noteDebtSoon(e, conv, now);
  }
  row.known = max(max(row.known, diff.tipRev), diff.toRev);
  if (diff.fromRev > row.rev) return noteDebtSoon(e, conv, now);
  row.tipSeq = max(row.tipSeq, diff.tipSeq);
  row.tipCnt = max(row.tipCnt, diff.tipCnt);
  for (const received of diff.events) {
    if (received.rev <= row.rev || received.rev > diff.toRev) continue;
    const event = { ...received, conv, pts: 0n };
    // The answer covers everything up to here: what is missing in between is not for this user.
    row.rev = event.rev - 1n;
    settleByEvent(e, event, now);
    applyRev(e, event, now);
  }
  row.rev = max(row.rev, diff.toRev);
  noteDebtSoon(e, conv, now);
}

function onTooLong(e: Engine, conv: bigint, tooLong: ConvTooLong, now: Now): void {
  if (tooLong.item === undefined) return toldAbsent(e, conv);
  const { tipRev, tipSeq } = tooLong.item;
  takeItem(e, { ...tooLong.item, conv }, "tooLong", now);
  const lo = tooLong.last[0]?.seq ?? 0n;
  for (const row of tooLong.last) putRow(e, conv, row);
  if (!e.config.keepsRows || lo === 0n) return;
  const c = conversationOf(e, conv);
  c.intervals.add(lo, tipSeq, tipRev, c.row.breakRev);
  e.tx.pending.intervals.add(conv);
}

/** The conversation lost its tail: rows are dropped and fetched again. */
function onReset(e: Engine, reset: ConvReset, now: Now): void {
  const { conv } = reset;
  const c = conversationOf(e, conv);
  const { row } = c;
  if (reset.convEpoch <= row.convEpoch) return;
  const fromRev = row.rev;
  row.convEpoch = reset.convEpoch;
  row.epochKnown = Math.max(row.epochKnown, reset.convEpoch);
  row.rev = min(row.rev, reset.validToRev);
  row.known = row.rev;
  row.breakRev = reset.validToRev;
  row.tipSeq = min(row.tipSeq, reset.validToSeq);
  c.intervals.clear();
  c.isReset = true;
  e.tx.pending.intervals.add(conv);
  e.tx.pending.ops.push({ type: "gone", conv, lo: 1n, hi: U64_MAX });
  e.tell({ type: "jumped", jumped: { conv, fromRev, toRev: row.rev } });
  noteDebtSoon(e, conv, now);
}

/** Compares the server's digest of the list with what is known here. */
export function onListDigest(e: Engine, server: bigint, pts: bigint, now: Now): void {
  const { debts } = e;
  const isComparable =
    pts > 0n && [...e.streams.values()].every((s) => s.row.pts === pts && !s.isPaging) && (debts.digestAt === undefined || debts.digestAt <= now.mono);
  if (!isComparable) return;
  const joined = [...e.conversations.values()].filter((c) => c.row.state === ConvState.JOINED);
  const queued = joined.filter((c) => c.row.meta?.mode !== Mode.PULL);
  const own = queued.reduce((sum, c) => addTerm(sum, listTerm(c.row.conv, c.row.known, c.row.convEpoch)), 0n);
  if (own === server) return;
  debts.digestAt = now.mono + PAUSE;
  for (const convs of pieces(joined.map((c) => c.row.conv).sort(compare), ITEMS_MAX)) {
    ask(e, method.GET_CONV_ITEMS, GetConvItems.encode({ convs, tipsOnly: true }), { type: "tips" });
  }
}

export function onDigestTips(e: Engine, body: Uint8Array, now: Now): void {
  const items = tryDecode(ConvItems, body);
  if (items) onTips(e, items.tips, now);
}
