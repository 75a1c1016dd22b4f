//! The link: connect, Hello, heartbeat, the end of a link and what follows it.

import {
  classOf, ClientSession, closeReason, concat, type End, ErrorClass, errorCode, type ErrorInfo, feature, Hello, type HelloAck, Ping, type Pong,
  type SessionEvent, UnitAction, type Watch,
} from "@tenon/wire";
import type { Engine } from "../engine.js";
import { asksLinkDown, asksLinkUp, onAskError, onResponse } from "./ask.js";
import { after, Backoff, between } from "./backoff.js";
import { onTips } from "./conversation.js";
import { enterDeviceEpoch, outboxLinkDown, outboxLinkUp, storeFellBack } from "./outbox.js";
import { debtsLinkDown, debtsLinkUp, onDiff, onListDigest } from "./pull.js";
import { onReadMarksAck, readsLinkUp } from "./read.js";
import { onRebase, rebaseGoesOn } from "./rebase.js";
import { onOpAck, onRowError, onSendAck } from "./settle.js";
import type { Auth, Now } from "./speech.js";
import { onBatch, onPongUnit, onUnitState, sendAck, takeAck } from "./stream.js";

/** Seconds between beats on a young link. */
const BEAT_S_YOUNG = 30;
/** Seconds between beats once three were answered. */
const BEAT_S = 60;
/** A link that lived this long was a good one: the next pause is short. Milliseconds. */
const STABLE = 10_000;
/** The same RESYNC code this often in a row means a loop. */
const RESYNC_MAX = 3;
/** Pause after a RESYNC loop, milliseconds. */
const RESYNC_PAUSE = 300_000;

/** Where the link stands; greeting and backoff end at `at`. */
type Phase =
  | { readonly type: "off" | "connecting" | "live" | "stopped" }
  | { readonly type: "greeting" | "backoff"; readonly at: number };

/** The link and its timers. */
export class Link {
  phase: Phase = { type: "off" };
  number = 0;
  session: ClientSession | undefined;
  /** Frames that wait for the socket. */
  private out: Uint8Array[] = [];
  readonly backoff: Backoff;
  beats = 0;
  beatMax = 0;
  liveSince = 0;
  /** True if a batch came since the last Ping left. */
  isFed = false;
  leaveAt: number | undefined;
  resync = { code: 0, times: 0 };
  watch: Watch | undefined;

  constructor(backoffMin: number) {
    this.backoff = new Backoff(backoffMin);
  }

  get isLive(): boolean {
    return this.phase.type === "live";
  }

  get isConnecting(): boolean {
    return this.phase.type === "connecting";
  }

  /** Everything that waits, the most urgent priority first; within one, in the order it came. */
  pollTransmit(): Uint8Array | undefined {
    if (this.out.length === 0) return undefined;
    const bytes = concat(this.out.sort((a, b) => prioOf(a) - prioOf(b)));
    this.out = [];
    return bytes;
  }

  get deadline(): number | undefined {
    const { phase } = this;
    const own = phase.type === "greeting" || phase.type === "backoff" ? phase.at : phase.type === "live" ? this.session?.deadline : undefined;
    return own === undefined || this.leaveAt === undefined ? (own ?? this.leaveAt) : Math.min(own, this.leaveAt);
  }

  open(hello: Hello, now: number): void {
    this.number += 1;
    this.out = [];
    this.session = new ClientSession(hello, now, (bytes) => this.out.push(bytes));
  }

  /** Ends the session politely and forgets it: only control frames still leave. */
  hangUp(text: string): void {
    this.session?.close(closeReason.NORMAL, text);
    this.session = undefined;
    this.out = this.out.filter((bytes) => prioOf(bytes) === 0);
  }

  /** Ends everything at once: the store failed. */
  abandon(): void {
    this.phase = { type: "stopped" };
    this.session = undefined;
    this.out = [];
  }
}

const prioOf = (frame: Uint8Array): number => ((frame[0] ?? 0) >> 4) & 3;

export function start(e: Engine): void {
  if (["off", "stopped", "backoff"].includes(e.link.phase.type)) connect(e);
}

export function stop(e: Engine): void {
  if (e.link.phase.type === "off" || e.tx.isFailed) return;
  sendAck(e);
  dropLink(e, "the app stops");
  e.link.phase = { type: "off" };
  e.event({ type: "state", state: { type: "offline" } });
}

export function authorize(e: Engine, auth: Auth): void {
  e.config.auth = auth;
  if (e.link.phase.type === "stopped") connect(e);
}

export function watch(e: Engine, watched: Watch): void {
  e.link.watch = watched;
  e.up({ type: "watch", watch: watched });
}

/** The driver opened a link: the Hello is the first thing on it. Does nothing if none was asked for. */
export function linkUp(e: Engine, now: Now): void {
  if (!e.link.isConnecting) return;
  e.link.open(helloOf(e), now.mono);
  e.link.phase = { type: "greeting", at: now.mono + e.config.helloTimeout };
}

/** A link ended or could not be opened. */
export function linkDown(e: Engine, text: string, now: Now): void {
  if (["connecting", "greeting", "live"].includes(e.link.phase.type)) lost(e, 0, text, undefined, now);
}

export function linkBytes(e: Engine, bytes: Uint8Array, now: Now): void {
  const { session } = e.link;
  if (session === undefined) return;
  for (const event of session.handleBytes(bytes, now.mono)) {
    if (e.link.session !== session) return;
    onEvent(e, event, now);
  }
}

export function linkTimeout(e: Engine, now: Now): void {
  const { phase } = e.link;
  if (phase.type === "backoff" && phase.at <= now.mono) connect(e);
  else if (phase.type === "greeting" && phase.at <= now.mono) lost(e, 0, "hello was not answered", undefined, now);
  else if (phase.type === "live") {
    const event = e.link.session?.handleTimeout(now.mono);
    if (event?.type === "beatDue") ping(e, now);
    else if (event?.type === "beatMissed") lost(e, 0, "a ping was not answered", undefined, now);
  }
  if (e.link.leaveAt !== undefined && e.link.leaveAt <= now.mono) {
    dropLink(e, "as the server asked");
    connect(e);
  }
}

/** Sends a Ping with the committed cursors. */
export function ping(e: Engine, now: Now): void {
  const { link } = e;
  const young = (link.beats < 3 ? BEAT_S_YOUNG : BEAT_S) * 1_000;
  const base = link.beatMax === 0 ? young : Math.min(young, link.beatMax * 1_000);
  const nextS = Math.floor(between(e.random, base * 0.9, base * 1.1) / 1_000);
  const ack = takeAck(e);
  link.isFed = false;
  link.session?.ping(Ping.of({ n: link.beats, nextS, ack }), now.mono);
}

function connect(e: Engine): void {
  if (e.tx.isFailed) return;
  e.device.connCtr += 1n;
  e.tx.pending.isDeviceDirty = true;
  e.link.phase = { type: "connecting" };
  e.event({ type: "state", state: { type: "connecting" } });
  e.tx.pending.effects.push({ type: "connect" });
}

function helloOf(e: Engine): Hello {
  const { config, device } = e;
  return Hello.of({
    protoMin: 1,
    protoMax: 1,
    sdk: config.sdk,
    features: feature.EPHEMERAL | feature.CONV_PUSH | feature.CHUNKED_RESPONSE,
    device: device.device,
    deviceEpoch: device.deviceEpoch,
    connCtr: device.connCtr,
    auth: { case: config.auth.type, value: config.auth.bytes },
    renewDeviceEpoch: device.needsEpoch,
    cursors: [...e.ack.committed.values()].sort((a, b) => a.unit - b.unit),
    net: config.net,
    windowBytes: config.windowBytes,
    firstPage: config.firstPage,
  });
}

function onEvent(e: Engine, event: SessionEvent, now: Now): void {
  switch (event.type) {
    case "helloAck":
      return onHelloAck(e, event.value, now);
    case "goAway": {
      const base = Math.max(event.value.reconnectAfterMs, 100);
      e.link.leaveAt = now.mono + between(e.random, base / 2, base * 1.5);
      return;
    }
    case "pong":
      return onPong(e, event.value, now);
    case "sendAck":
      return onSendAck(e, event.id, event.value, now);
    case "opAck":
      return onOpAck(e, event.id, event.value, now);
    case "readMarksAck":
      return onReadMarksAck(e, event.id, event.value, now);
    case "eventBatch":
      return onBatch(e, event.value, now);
    case "rebase":
      return onRebase(e, event.value, now);
    case "unitState":
      return onUnitState(e, event.value, true);
    case "convTips":
      return onTips(e, event.value.tips, now);
    case "convPush":
      return onDiff(e, event.value, now);
    case "ephemeral":
      return e.event({ type: "ephemeral", ephemeral: { ...event.value, body: event.value.body.slice() } });
    case "response":
      return onResponse(e, event.id, event.value, now);
    case "error":
      return onError(e, event.id, event.value, now);
    case "ended":
      return onEnded(e, event.end, now);
    default:
      return;
  }
}

function onHelloAck(e: Engine, ack: HelloAck, now: Now): void {
  const { device, link } = e;
  if (device.needsEpoch) {
    if (ack.deviceEpoch === 0 || ack.deviceEpoch === device.deviceEpoch) return lost(e, 0, "no new device epoch was given", undefined, now);
    // An epoch was given in between, to a life of the store that is lost or in an answer that was.
    if (ack.deviceEpoch > device.deviceEpoch + 1) storeFellBack(e, now);
    enterDeviceEpoch(e, ack.deviceEpoch);
  } else if (ack.storeRolledBack || ack.lastOpSeq >= device.nextOpSeq) {
    storeFellBack(e, now);
    return renewDeviceEpoch(e, now);
  }
  if (device.user !== ack.user || device.org !== ack.org) {
    [device.user, device.org] = [ack.user, ack.org];
    e.tx.pending.isDeviceDirty = true;
  }
  link.phase = { type: "live" };
  link.liveSince = now.mono;
  link.beats = 0;
  link.beatMax = ack.heartbeatSMax;
  link.leaveAt = undefined;
  link.resync = { code: 0, times: 0 };
  e.ack.restart();
  e.event({ type: "state", state: { type: "live" } });
  for (const state of ack.units) onUnitState(e, state, false);
  if (link.watch) e.up({ type: "watch", watch: link.watch });
  onTips(e, ack.tips, now);
  rebaseGoesOn(e);
  outboxLinkUp(e, now);
  asksLinkUp(e);
  readsLinkUp(e, now);
  debtsLinkUp(e, now);
  const isSettled = ack.units.every((u) => u.action === UnitAction.CONTINUE);
  if (isSettled && [...e.streams.values()].every((s) => !s.isPaging)) e.event({ type: "listComplete" });
}

function onPong(e: Engine, pong: Pong, now: Now): void {
  e.link.beats += 1;
  for (const state of pong.units) onPongUnit(e, state);
  onTips(e, pong.tips, now);
  onListDigest(e, pong.listDigest, pong.listDigestPts, now);
}

function onError(e: Engine, id: number, info: ErrorInfo, now: Now): void {
  if (!e.link.isLive) lost(e, info.code, info.text, info.retryAfterMs, now);
  else if (!onAskError(e, id, info, now)) onRowError(e, id, info, now);
}

const FINAL = new Map<number, string>([
  [closeReason.DISPLACED, "another link of this device took over"],
  [closeReason.SESSION_ENDED, "the session was ended"],
  [closeReason.UPGRADE_REQUIRED, "an upgrade is required"],
]);

function onEnded(e: Engine, end: End, now: Now): void {
  const final = end.byPeer ? FINAL.get(end.reason) : undefined;
  if (final !== undefined) giveUp(e, end.code, final, end.reason);
  else lost(e, end.code, end.text, end.retryAfterMs > 0 ? end.retryAfterMs : undefined, now);
}

/** The link is over for `code`: decides whether, when and how to come back. */
export function lost(e: Engine, code: number, text: string, retryMs: number | undefined, now: Now): void {
  const { link, config } = e;
  if (link.isLive && now.mono - link.liveSince >= STABLE) link.backoff.reset();
  dropLink(e, "");
  let waitMs = link.backoff.next(e.random, config.backoffMax);
  if (retryMs !== undefined) waitMs = Math.max(waitMs, after(e.random, retryMs));
  const errorClass = classOf(code);
  if (errorClass === ErrorClass.AUTH && code < errorCode.session_ended) {
    e.event({ type: "authWanted" });
    if (config.auth.type === "ticket") return giveUp(e, code, text);
    waitMs = Math.max(waitMs, 5_000);
  } else if (errorClass === ErrorClass.AUTH || errorClass === ErrorClass.UPGRADE) return giveUp(e, code, text);
  else if (errorClass === ErrorClass.RESYNC) {
    link.resync = { code, times: link.resync.code === code ? link.resync.times + 1 : 1 };
    if (link.resync.times >= RESYNC_MAX) waitMs = RESYNC_PAUSE;
  }
  link.phase = { type: "backoff", at: now.mono + waitMs };
  onResync(e, code, now);
  e.event({ type: "state", state: { type: "backoff", waitMs, code, text } });
}

/** The server knows a later life of this device's store. */
function onResync(e: Engine, code: number, now: Now): void {
  const renews: number[] = [errorCode.connection_stale, errorCode.device_epoch_stale, errorCode.cid_reused];
  if (e.device.needsEpoch || !renews.includes(code)) return;
  wantEpoch(e);
  storeFellBack(e, now);
}

function wantEpoch(e: Engine): void {
  e.device.needsEpoch = true;
  e.tx.pending.isDeviceDirty = true;
}

/** Asks for a new device epoch at the next Hello, and leaves the link for it: nothing may be sent in the old one. */
export function renewDeviceEpoch(e: Engine, now: Now): void {
  const isAsked = e.device.needsEpoch;
  wantEpoch(e);
  if (!isAsked && e.link.session) lost(e, errorCode.device_epoch_stale, "new device epoch", undefined, now);
}

function giveUp(e: Engine, code: number, text: string, reason = 0): void {
  dropLink(e, "");
  e.link.phase = { type: "stopped" };
  e.event({ type: "state", state: { type: "stopped", code, reason, text } });
}

function dropLink(e: Engine, text: string): void {
  const hadLink = e.link.session !== undefined;
  e.link.hangUp(text);
  e.link.leaveAt = undefined;
  e.ack.due = undefined;
  if (hadLink) e.tx.pending.effects.push({ type: "closeLink" });
  outboxLinkDown(e);
  asksLinkDown(e);
  debtsLinkDown(e);
  e.reads.linkDown();
  for (const stream of e.streams.values()) stream.linkDown();
}
