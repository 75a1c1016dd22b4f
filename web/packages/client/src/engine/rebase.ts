//! Rebase: the list instead of the queue.

import { ConvListPage, EMPTY, errorCode, type ErrorInfo, GetConvList, method, type Rebase } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { compare, tryDecode } from "../numbers.js";
import { ConvState } from "../rows.js";
import { ask } from "./ask.js";
import { leave, takeItem } from "./conversation.js";
import { lost } from "./link.js";
import { debtsLinkUp } from "./pull.js";
import { lookUpUnsettled } from "./settle.js";
import type { Now } from "./speech.js";
import { streamOf, subscribe } from "./stream.js";

/** Lines of the first page, if it did not come with the order. */
const FIRST_PAGE = 20;
/** Lines of a further page. */
const PAGE = 100;

/** The order. Until its first page is taken the old cursor stands and batches are dropped. */
export function onRebase(e: Engine, rebase: Rebase, now: Now): void {
  const stream = streamOf(e, rebase.unit);
  stream.isRebasing = true;
  if (rebase.first) {
    e.asks.askedAt = e.asks.turns;
    return land(e, rebase, rebase.first, now);
  }
  stream.asked = { ...rebase, token: rebase.token.slice() };
  askPage(e, rebase.unit, stream.asked.token, FIRST_PAGE);
}

/** A link came up while pages were still to be read. */
export function rebaseGoesOn(e: Engine): void {
  for (const stream of e.streams.values()) {
    if (!stream.isRebasing && stream.row.rebase) askPage(e, stream.row.unit, stream.row.rebase.next, PAGE);
  }
}

function askPage(e: Engine, unit: number, token: Uint8Array, limit: number): void {
  ask(e, method.GET_CONV_LIST, GetConvList.encode(GetConvList.of({ token, limit, unit })), { type: "list", unit });
}

export function onListPage(e: Engine, unit: number, body: Uint8Array, now: Now): void {
  const stream = e.streams.get(unit);
  const page = tryDecode(ConvListPage, body);
  if (stream === undefined || page === undefined) return;
  const { asked } = stream;
  stream.asked = undefined;
  if (asked) land(e, asked, page, now);
  else if (stream.row.rebase && !stream.isRebasing) takePage(e, unit, page, now);
}

/** The first page: cursor and lines in one transaction, then the stream from there. */
function land(e: Engine, rebase: Rebase, page: ConvListPage, now: Now): void {
  const { unit } = rebase;
  const stream = streamOf(e, unit);
  stream.isRebasing = false;
  stream.hasCursor = true;
  const token = rebase.token.slice();
  Object.assign(stream.row, {
    queueEpoch: rebase.queueEpoch,
    pts: rebase.tipPts,
    rebaseReason: rebase.reason,
    generation: stream.row.generation + 1n,
    rebase: { p0: rebase.tipPts, token, next: token },
  });
  e.tell({ type: "rebased", rebased: { unit, reason: rebase.reason } });
  takePage(e, unit, page, now);
  subscribe(e, unit);
  debtsLinkUp(e, now);
}

/** Lines and the place of the next page in one transaction. */
function takePage(e: Engine, unit: number, page: ConvListPage, now: Now): void {
  const generation = e.generation();
  for (const item of page.items) {
    takeItem(e, item, "list", now);
    const c = e.conversations.get(item.conv);
    if (c) c.row.generation = generation;
  }
  const stream = streamOf(e, unit);
  e.tx.pending.streams.add(unit);
  if (page.done || page.next.length === 0) {
    stream.row.rebase = undefined;
    return finish(e, unit, generation);
  }
  const next = page.next.slice();
  if (stream.row.rebase) stream.row.rebase = { ...stream.row.rebase, next };
  askPage(e, unit, next, PAGE);
}

/** Every page is read: what none of them showed is left, and commands without outcome are looked up. */
function finish(e: Engine, unit: number, generation: bigint): void {
  const gone = [...e.conversations.values()].filter(({ row }) => {
    const isOfUnit = row.meta === undefined || row.meta.unit === unit || row.meta.unit === 0;
    return isOfUnit && row.generation < generation && row.state === ConvState.JOINED;
  });
  for (const conv of gone.map((c) => c.row.conv).sort(compare)) leave(e, conv);
  lookUpUnsettled(e);
  e.event({ type: "listComplete" });
}

export function listRefused(e: Engine, unit: number, info: ErrorInfo, now: Now): void {
  const stream = e.streams.get(unit);
  if (stream === undefined) return;
  if (info.code === errorCode.token_expired && stream.row.rebase && !stream.isRebasing) {
    stream.row.rebase = { ...stream.row.rebase, next: EMPTY };
    e.tx.pending.streams.add(unit);
    askPage(e, unit, EMPTY, PAGE);
  } else lost(e, info.code, "the list cannot be read", 1_000, now);
}
