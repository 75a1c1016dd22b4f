//! Requests: at most eight on the link, the rest wait; those of the app survive a lost link.

import { classOf, errorCode, ErrorInfo, isRetryClass, method as methods, ReadRequest, type ReadResponse, REQUESTS_MAX } from "@tenon/wire";
import type { Engine } from "../engine.js";
import { after } from "./backoff.js";
import { toldAbsent } from "./conversation.js";
import { type HistoryAsk, historyRefused, onHistoryPage } from "./history.js";
import { onInboxPage } from "./inbox.js";
import { resendFrom } from "./outbox.js";
import { onDiffs, onDigestTips, onItems, pullAlone, pullEnded } from "./pull.js";
import { listRefused, onListPage } from "./rebase.js";
import { onLookup } from "./settle.js";
import type { Now } from "./speech.js";

/** Requests of the app that may wait. */
const WAITING_MAX = 256;
/** Tries of a request before its error is told. */
const TRIES_MAX = 8;

/** What an answer is for. */
export type Purpose =
  | { readonly type: "app"; readonly ticket: number }
  | { readonly type: "history"; readonly ask: HistoryAsk }
  /** Differences of these conversations. */
  | { readonly type: "diffs"; readonly convs: bigint[] }
  | { readonly type: "inbox"; readonly conv: bigint }
  /** A page of the list of this unit. */
  | { readonly type: "list"; readonly unit: number }
  /** Lines of these conversations. */
  | { readonly type: "items"; readonly convs: bigint[] }
  /** Tips after a digest that did not match. */
  | { readonly type: "tips" }
  /** The outcome of the outbox row with this local id. */
  | { readonly type: "lookup"; readonly local: bigint };

/** A request and what its answer is for. */
export interface Ask {
  readonly method: number;
  readonly body: Uint8Array;
  readonly purpose: Purpose;
  tries: number;
  /** Turns at that time. */
  readonly askedAt: number;
}

/** True if the app waits for it, so that it is asked again on the next link. The others are found again. */
const isOfApp = (ask: Ask): boolean => ask.purpose.type === "app" || ask.purpose.type === "history";

/** All requests. */
export class Asks {
  waiting: Ask[] = [];
  delayed: { at: number; ask: Ask }[] = [];
  readonly open = new Map<number, Ask>();
  /** Handed to the transaction, not yet on the link. */
  leaving = 0;
  /** Times the user came into a conversation or left one. */
  turns = 0;
  /** The same when the question was asked that is being answered. */
  askedAt = 0;

  get deadline(): number | undefined {
    return this.delayed.length === 0 ? undefined : Math.min(...this.delayed.map((d) => d.at));
  }
}

/** Any read for the app. */
export function request(e: Engine, ticket: number, method: number, body: Uint8Array): void {
  if (e.asks.waiting.length >= WAITING_MAX) return refuse(e, ticket, infoOf(errorCode.busy, 1_000, "too many requests wait"));
  ask(e, method, body, { type: "app", ticket });
}

/** An error as the server would say it. */
export const infoOf = (code: number, retryAfterMs: number, text: string): ErrorInfo => ErrorInfo.of({ code, retryAfterMs, text });

export function refuse(e: Engine, ticket: number, info: ErrorInfo): void {
  e.answer(ticket, { type: "refused", info });
}

export function ask(e: Engine, method: number, body: Uint8Array, purpose: Purpose): void {
  e.asks.waiting.push({ method, body, purpose, tries: 0, askedAt: e.asks.turns });
  sendAsks(e);
}

function sendAsks(e: Engine): void {
  while (e.link.isLive && e.asks.open.size + e.asks.leaving < REQUESTS_MAX) {
    const next = e.asks.waiting.shift();
    if (next === undefined) return;
    e.asks.leaving += 1;
    e.up({ type: "ask", ask: next });
  }
}

export function transmitAsk(e: Engine, asked: Ask, now: Now): void {
  e.asks.leaving = Math.max(0, e.asks.leaving - 1);
  const id = e.link.session?.sendRequest(ReadRequest.of({ method: asked.method, body: asked.body }));
  if (id === undefined) e.asks.delayed.push({ at: now.mono + e.config.backoffMin, ask: asked });
  else e.asks.open.set(id, asked);
}

/** The link it was meant for is gone. */
export function askLost(e: Engine, asked: Ask): void {
  if (!isOfApp(asked)) return;
  e.asks.waiting.unshift(asked);
  sendAsks(e);
}

export function asksLinkDown(e: Engine): void {
  const { open, delayed, waiting } = e.asks;
  e.asks.leaving = 0;
  e.asks.waiting = [...open.values(), ...delayed.map((d) => d.ask), ...waiting].filter(isOfApp);
  e.asks.delayed = [];
  open.clear();
}

export const asksLinkUp = (e: Engine): void => sendAsks(e);

export function asksTimeout(e: Engine, now: Now): void {
  const due = e.asks.delayed.filter((d) => d.at <= now.mono);
  e.asks.delayed = e.asks.delayed.filter((d) => d.at > now.mono);
  e.asks.waiting.push(...due.map((d) => d.ask));
  sendAsks(e);
}

export function onResponse(e: Engine, id: number, response: ReadResponse, now: Now): void {
  const asked = e.asks.open.get(id);
  if (asked === undefined) return;
  e.asks.open.delete(id);
  const { purpose } = asked;
  // The received bytes share the buffer of the link; what the app keeps is a copy.
  const body = response.body;
  e.asks.askedAt = asked.askedAt;
  switch (purpose.type) {
    case "app":
      e.answer(purpose.ticket, { type: "response", body: body.slice() });
      break;
    case "history":
      onHistoryPage(e, purpose.ask, body, now);
      break;
    case "diffs":
      onDiffs(e, purpose.convs, asked.method, body, now);
      break;
    case "inbox":
      onInboxPage(e, purpose.conv, body, now);
      break;
    case "list":
      onListPage(e, purpose.unit, body, now);
      break;
    case "items":
      onItems(e, purpose.convs, body, now);
      break;
    case "tips":
      onDigestTips(e, body, now);
      break;
    case "lookup":
      onLookup(e, purpose.local, body, now);
  }
  sendAsks(e);
}

/** True if the frame was a request. */
export function onAskError(e: Engine, id: number, info: ErrorInfo, now: Now): boolean {
  const asked = e.asks.open.get(id);
  if (asked === undefined) return false;
  e.asks.open.delete(id);
  asked.tries += 1;
  if (isRetryClass(classOf(info.code)) && (asked.tries < TRIES_MAX || !isOfApp(asked))) {
    const wait = after(e.random, info.retryAfterMs) * 2 ** Math.min(asked.tries, 6);
    e.asks.delayed.push({ at: now.mono + wait, ask: asked });
  } else askRefused(e, asked, info, now);
  sendAsks(e);
  return true;
}

function askRefused(e: Engine, asked: Ask, info: ErrorInfo, now: Now): void {
  const isAbsent = info.code === errorCode.absent || info.code === errorCode.not_member;
  const { purpose } = asked;
  e.asks.askedAt = asked.askedAt;
  switch (purpose.type) {
    case "app":
      return refuse(e, purpose.ticket, info);
    case "history":
      return historyRefused(e, purpose.ask, info);
    case "diffs":
      if (asked.method !== methods.GET_CONV_DIFF) return pullAlone(e, purpose.convs, now);
      for (const conv of purpose.convs) {
        if (isAbsent) toldAbsent(e, conv);
        pullEnded(e, conv, isAbsent, now);
      }
      return;
    case "inbox":
      if (isAbsent) toldAbsent(e, purpose.conv);
      return pullEnded(e, purpose.conv, isAbsent, now);
    case "list":
      return listRefused(e, purpose.unit, info, now);
    case "lookup":
      return resendFrom(e, purpose.local, now);
    default:
      return;
  }
}
