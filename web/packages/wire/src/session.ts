//! The device's end of a link: handshake, frame ids, request table, heartbeat. No socket and no clock inside.
//!
//! Takes received bytes and the time in milliseconds; gives events, and frames to write by way of `write`.

import { decodeBounded } from "./bounds.js";
import { ErrorClass, WireError } from "./fault.js";
import { ChunkAssembler, encodeFrame, type Frame, frameLimits, FrameReader } from "./frame.js";
import * as m from "./gen/messages.js";
import { closeReason, kind } from "./gen/number.js";
import type { MessageType } from "./message.js";
import { EMPTY } from "./bytes.js";

/** A Ping without Pong for this long, or 2.5 round trips if that is longer, has failed. */
const PONG_WAIT_MS = 5_000;
/** Requests that may be open at once on a link. */
export const REQUESTS_MAX = 8;

/** Why a session ended; `byPeer` tells whose Close it was. */
export interface End {
  readonly reason: number;
  readonly code: number;
  readonly retryAfterMs: number;
  readonly text: string;
  readonly byPeer: boolean;
}

/** What the server said, or what the passed time asks for. */
export type SessionEvent =
  | { readonly type: "helloAck"; readonly value: m.HelloAck }
  | { readonly type: "goAway"; readonly value: m.GoAway }
  | { readonly type: "pong"; readonly value: m.Pong }
  | { readonly type: "sendAck"; readonly id: number; readonly value: m.SendAck }
  | { readonly type: "opAck"; readonly id: number; readonly value: m.OpAck }
  | { readonly type: "readMarksAck"; readonly id: number; readonly value: m.ReadMarksAck }
  | { readonly type: "eventBatch"; readonly value: m.EventBatch }
  | { readonly type: "rebase"; readonly value: m.Rebase }
  | { readonly type: "unitState"; readonly value: m.UnitState }
  | { readonly type: "convTips"; readonly value: m.ConvTips }
  | { readonly type: "convPush"; readonly value: m.ConvDiff }
  | { readonly type: "ephemeral"; readonly value: m.Ephemeral }
  | { readonly type: "deviceBatch"; readonly value: m.DeviceBatch }
  | { readonly type: "response"; readonly id: number; readonly method: number; readonly value: m.ReadResponse }
  | { readonly type: "error"; readonly id: number; readonly value: m.ErrorInfo }
  | { readonly type: "beatDue" }
  | { readonly type: "beatMissed" }
  | { readonly type: "ended"; readonly end: End };

type Reader = (frame: Frame) => SessionEvent;
const read = <T>(type: MessageType<T>, frame: Frame): T => decodeBounded(type, frame.payload);

const READERS: Readonly<Record<number, Reader>> = {
  [kind.GO_AWAY]: (f) => ({ type: "goAway", value: read(m.GoAway, f) }),
  [kind.SEND_ACK]: (f) => ({ type: "sendAck", id: f.id, value: read(m.SendAck, f) }),
  [kind.OP_ACK]: (f) => ({ type: "opAck", id: f.id, value: read(m.OpAck, f) }),
  [kind.READ_MARKS_ACK]: (f) => ({ type: "readMarksAck", id: f.id, value: read(m.ReadMarksAck, f) }),
  [kind.EVENT_BATCH]: (f) => ({ type: "eventBatch", value: read(m.EventBatch, f) }),
  [kind.REBASE]: (f) => ({ type: "rebase", value: read(m.Rebase, f) }),
  [kind.UNIT_STATE]: (f) => ({ type: "unitState", value: read(m.UnitState, f) }),
  [kind.CONV_TIPS]: (f) => ({ type: "convTips", value: read(m.ConvTips, f) }),
  [kind.CONV_PUSH]: (f) => ({ type: "convPush", value: read(m.ConvDiff, f) }),
  [kind.EPHEMERAL]: (f) => ({ type: "ephemeral", value: read(m.Ephemeral, f) }),
  [kind.DEVICE_BATCH]: (f) => ({ type: "deviceBatch", value: read(m.DeviceBatch, f) }),
};

const EARLY = new Set<number>([kind.HELLO_ACK, kind.CLOSE, kind.ERROR, kind.GO_AWAY]);

/** One link as the device sees it. */
export class ClientSession {
  private readonly reader = new FrameReader(frameLimits.down);
  private readonly chunks = new ChunkAssembler();
  private readonly requests = new Map<number, number>();
  private nextId = 2;
  private isWelcome = false;
  private isEnded = false;
  private nextMs = 30_000;
  private sentAt: number;
  private isOpen = false;
  private isTold = false;
  private rttMs = 0;

  /** Opens the session: the Hello is written at once. `write` takes whole frames in order. */
  constructor(
    hello: m.Hello,
    now: number,
    private readonly write: (bytes: Uint8Array) => void,
  ) {
    this.sentAt = now;
    this.write(encodeFrame(kind.HELLO, 1, m.Hello.encode(hello)));
  }

  /** Takes bytes of the server and gives what they say; after `ended` nothing follows. */
  handleBytes(bytes: Uint8Array, now: number): SessionEvent[] {
    const out: SessionEvent[] = [];
    if (this.isEnded) return out;
    this.reader.push(bytes);
    try {
      for (;;) {
        const frame = this.reader.next();
        if (frame === undefined) return out;
        const whole = this.chunks.take(frame);
        const event = whole && this.onFrame(whole, now);
        if (event) out.push(event);
        if (this.isEnded) return out;
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // What the server cannot say properly it has not said; going on would hide a hole.
      out.push(this.fail(error));
      return out;
    }
  }

  /** When `handleTimeout` is due, in milliseconds. */
  get deadline(): number {
    const wait = this.isOpen && !this.isTold ? Math.max(PONG_WAIT_MS, this.rttMs * 2.5) : this.nextMs;
    return this.sentAt + wait;
  }

  /** What the passed time asks for, at most one thing. */
  handleTimeout(now: number): SessionEvent | undefined {
    if (this.isEnded || now < this.deadline) return undefined;
    if (this.isOpen && !this.isTold) {
      this.isTold = true;
      return { type: "beatMissed" };
    }
    return { type: "beatDue" };
  }

  /** Measured round trip of the last answered Ping; 0 before the first. */
  get rtt(): number {
    return this.rttMs;
  }

  /** Open requests; at most `REQUESTS_MAX`. */
  get openRequests(): number {
    return this.requests.size;
  }

  /**
   * Sends a Ping that states its own successor. While an earlier one is unanswered the time of that one counts: a device that
   * asks again and again would never learn that nobody is there.
   */
  ping(ping: m.Ping, now: number): void {
    this.nextMs = Math.max(1, ping.nextS) * 1_000;
    if (!this.isOpen || this.isTold) this.sentAt = now;
    this.isOpen = true;
    this.isTold = false;
    this.push(kind.PING, 0, m.Ping.encode(ping));
  }

  /** Sends a message; the answer carries the returned frame id. */
  sendMessage(send: m.Send): number {
    return this.pushWithId(kind.SEND, m.Send.encode(send));
  }

  /** Sends a command; the answer carries the returned frame id. */
  sendOp(op: m.Op): number {
    return this.pushWithId(kind.OP, m.Op.encode(op));
  }

  /** Sends read marks; the answer carries the returned frame id. */
  sendReadMarks(marks: m.ReadMarks): number {
    return this.pushWithId(kind.READ_MARKS, m.ReadMarks.encode(marks));
  }

  /** Asks; the answer carries the returned id. `undefined` while 8 are open. */
  sendRequest(request: m.ReadRequest): number | undefined {
    if (this.requests.size >= REQUESTS_MAX) return undefined;
    const id = this.pushWithId(kind.REQUEST, m.ReadRequest.encode(request));
    this.requests.set(id, request.method);
    return id;
  }

  /** Gives a request up; a late answer to it is dropped. */
  cancel(id: number): void {
    if (this.requests.delete(id)) this.push(kind.CANCEL, id, EMPTY);
  }

  /** Tells committed cursors. */
  sendAck(ack: m.Ack): void {
    this.push(kind.ACK, 0, m.Ack.encode(ack));
  }

  /** Asks for the stream from a cursor. */
  sendSubscribe(subscribe: m.Subscribe): void {
    this.push(kind.SUBSCRIBE, 0, m.Subscribe.encode(subscribe));
  }

  /** Tells what the user looks at. */
  sendWatch(watch: m.Watch): void {
    this.push(kind.WATCH, 0, m.Watch.encode(watch));
  }

  /** Tells a change of network. */
  sendNetHint(hint: m.NetHint): void {
    this.push(kind.NET_HINT, 0, m.NetHint.encode(hint));
  }

  /** Sends something lossy. */
  sendEphemeral(ephemeral: m.Ephemeral): void {
    this.push(kind.EPHEMERAL, 0, m.Ephemeral.encode(ephemeral));
  }

  /** Says Close and ends the session. */
  close(reason: number, text: string): void {
    if (this.isEnded) return;
    this.push(kind.CLOSE, 0, m.Close.encode(m.Close.of({ reason, text })));
    this.isEnded = true;
  }

  private push(frameKind: number, id: number, payload: Uint8Array): void {
    if (!this.isEnded) this.write(encodeFrame(frameKind, id, payload));
  }

  private pushWithId(frameKind: number, payload: Uint8Array): number {
    const id = this.nextId;
    this.nextId = this.nextId === 0xffff_ffff ? 1 : this.nextId + 1;
    this.push(frameKind, id, payload);
    return id;
  }

  private fail(error: WireError): SessionEvent {
    const end: End = { reason: closeReason.PROTOCOL_ERROR, code: error.number, retryAfterMs: 0, text: error.message, byPeer: false };
    this.push(kind.CLOSE, 0, m.Close.encode(m.Close.of({ reason: end.reason, code: end.code, text: end.text })));
    this.isEnded = true;
    return { type: "ended", end };
  }

  private onFrame(frame: Frame, now: number): SessionEvent | undefined {
    if (!this.isWelcome && !EARLY.has(frame.kind)) throw new WireError("unexpected_frame", `kind ${frame.kind} before hello_ack`);
    if (frame.comp !== 0) throw new WireError("bad_compression", "no compression is in force");
    switch (frame.kind) {
      case kind.HELLO_ACK:
        return this.onHelloAck(frame);
      case kind.PONG:
        return this.onPong(frame, now);
      case kind.CLOSE:
        return this.onClose(frame);
      case kind.RESPONSE: {
        const method = this.requests.get(frame.id);
        this.requests.delete(frame.id);
        return method === undefined ? undefined : { type: "response", id: frame.id, method, value: read(m.ReadResponse, frame) };
      }
      case kind.ERROR:
        this.requests.delete(frame.id);
        return { type: "error", id: frame.id, value: read(m.ErrorInfo, frame) };
      default: {
        const reader = READERS[frame.kind];
        if (reader === undefined) throw new WireError("unexpected_frame", `kind ${frame.kind} goes up`);
        return reader(frame);
      }
    }
  }

  private onHelloAck(frame: Frame): SessionEvent {
    if (this.isWelcome) throw new WireError("unexpected_frame", "second hello_ack");
    const value = read(m.HelloAck, frame);
    this.isWelcome = true;
    if (value.heartbeatS > 0) this.nextMs = value.heartbeatS * 1_000;
    return { type: "helloAck", value };
  }

  private onPong(frame: Frame, now: number): SessionEvent {
    const value = read(m.Pong, frame);
    if (this.isOpen) {
      this.isOpen = false;
      this.rttMs = now - this.sentAt;
    }
    return { type: "pong", value };
  }

  private onClose(frame: Frame): SessionEvent {
    const { reason, code, retryAfterMs, text } = read(m.Close, frame);
    this.isEnded = true;
    return { type: "ended", end: { reason, code, retryAfterMs, text, byPeer: true } };
  }
}

/** True if the same command under the same key may be repeated after this error. */
export const isRetryClass = (errorClass: number | undefined): boolean =>
  errorClass === ErrorClass.RETRY || errorClass === ErrorClass.LIMIT || errorClass === ErrorClass.ROUTE;
