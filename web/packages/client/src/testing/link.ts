//! One link as the server sees it: frames in, frames out. The network between is of the server (`index.ts`).

import {
  closeReason, ConvTips, type Cursor, EMPTY, encodeFrame, ErrorInfo, Close, Ephemeral, errorCode, EventBatch, type Frame, frameLimits, FrameReader, Hello, HelloAck, kind, type MessageType, Mode, Op, OpAck, Ping, Pong, ReadMarks, ReadMarksAck,
  ReadRequest, ReadResponse, Rebase, rebaseReason, Send, SendAck, Status, Subscribe, UnitAction, UnitState, WireError,
} from "@tenon/wire";
import { LIMITS } from "./limits.js";
import { answer, listPage } from "./questions.js";
import { type Conversation, type Device, partOf, type Town, UNIT, type User } from "./town.js";
import { tipOf } from "./views.js";

/** Events of one batch. */
const BATCH_MAX = 100;

/** What a link needs of its server. */
export interface Ground {
  readonly town: Town;
  readonly protos: { readonly min: number; readonly max: number };
  readonly clock: () => number;
  /** The device behind a ticket; `undefined` if there is none. */
  deviceOf(ticket: Uint8Array): Device | undefined;
  /** The link is welcome: any other of the same device ends. */
  welcome(link: ServerLink): void;
  isOnline(device: Device): boolean;
  /** Something lossy for the members of a conversation. */
  spread(from: ServerLink, ephemeral: Ephemeral): void;
}

/** The server's end. */
export class ServerLink {
  device: Device | undefined;
  private readonly reader = new FrameReader(frameLimits.up);
  /** The next batch starts here; `undefined` while the device reads the list. */
  private from: bigint | undefined;
  private isEnded = false;
  /** Lines of the first page of the list. */
  private firstPage = 0;

  constructor(
    private readonly ground: Ground,
    private readonly write: (bytes: Uint8Array) => void,
    private readonly end: () => void,
  ) {}

  /** Takes bytes of the device. */
  take(bytes: Uint8Array): void {
    if (this.isEnded) return;
    try {
      this.reader.push(bytes);
      for (let frame = this.reader.next(); frame && !this.isEnded; frame = this.reader.next()) this.onFrame(frame);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.close(closeReason.PROTOCOL_ERROR, error.number, error.message);
    }
  }

  /** Says Close and ends. */
  close(reason: number, code = 0, text = ""): void {
    if (this.isEnded) return;
    this.down(kind.CLOSE, Close, Close.of({ reason, code, text }));
    this.isEnded = true;
    this.end();
  }

  /** Sends what the queue holds beyond what was sent. */
  pump(): void {
    const user = this.device?.user;
    if (user === undefined || this.from === undefined || this.isEnded) return;
    const tipPts = BigInt(user.queue.length);
    while (this.from < tipPts) {
      const events = user.queue.slice(Number(this.from), Number(this.from) + BATCH_MAX);
      const toPts: bigint = this.from + BigInt(events.length);
      this.down(kind.EVENT_BATCH, EventBatch, EventBatch.of({ unit: UNIT, queueEpoch: user.queueEpoch, fromPts: this.from, toPts, events, more: toPts < tipPts, tipPts }));
      this.from = toPts;
    }
  }

  /** Tells how far a group is that is read by pull, if the user of this link is in it. */
  tip(c: Conversation): void {
    const user = this.device?.user;
    if (user && this.from !== undefined && partOf(c, user.id)) this.down(kind.CONV_TIPS, ConvTips, { tips: [tipOf(c)] });
  }

  ephemeral(value: Ephemeral): void {
    this.down(kind.EPHEMERAL, Ephemeral, value);
  }

  private down<T>(frameKind: number, type: MessageType<T>, value: T, id = 0): void {
    if (!this.isEnded) this.write(encodeFrame(frameKind, id, type.encode(value)));
  }

  private onFrame(frame: Frame): void {
    if (this.device === undefined) {
      if (frame.kind !== kind.HELLO) throw new WireError("unexpected_frame", "the first frame is no hello");
      return this.onHello(frame.id, Hello.decode(frame.payload));
    }
    switch (frame.kind) {
      case kind.SEND:
        return this.onSend(frame.id, Send.decode(frame.payload));
      case kind.OP:
        return this.onOp(frame.id, Op.decode(frame.payload));
      case kind.READ_MARKS:
        return this.onReadMarks(frame.id, ReadMarks.decode(frame.payload));
      case kind.REQUEST:
        return this.onRequest(frame.id, ReadRequest.decode(frame.payload));
      case kind.SUBSCRIBE:
        return this.onSubscribe(Subscribe.decode(frame.payload));
      case kind.PING:
        return this.onPing(Ping.decode(frame.payload));
      case kind.EPHEMERAL:
        return this.ground.spread(this, Ephemeral.decode(frame.payload));
      case kind.CLOSE:
        this.isEnded = true;
        return this.end();
      default:
        return;
    }
  }

  private onHello(id: number, hello: Hello): void {
    const { protos, town } = this.ground;
    const refuse = (code: number, reason: number) => this.close(reason, code, "hello is refused");
    if (hello.protoMax < protos.min || hello.protoMin > protos.max) return refuse(errorCode.proto_unsupported, closeReason.UPGRADE_REQUIRED);
    const device = hello.auth && this.ground.deviceOf(hello.auth.value);
    if (device === undefined) return refuse(errorCode.ticket_invalid, closeReason.AUTH_FAILED);
    if (device.isRemoved) return refuse(errorCode.device_removed, closeReason.SESSION_ENDED);
    if (hello.renewDeviceEpoch) town.renew(device, hello.deviceEpoch);
    else if (hello.deviceEpoch !== device.epoch) return refuse(errorCode.device_epoch_stale, closeReason.AUTH_FAILED);
    else if (hello.connCtr <= device.connCtr) return refuse(errorCode.connection_stale, closeReason.AUTH_FAILED);
    device.connCtr = hello.connCtr;
    device.seenMs = town.now();
    this.device = device;
    this.ground.welcome(this);
    const state = this.judge(device.user, hello.cursors.find((cursor) => cursor.unit === UNIT));
    this.down(
      kind.HELLO_ACK,
      HelloAck,
      HelloAck.of({ proto: 1, session: device.id, serverMs: BigInt(this.ground.clock()), heartbeatS: 30, deviceEpoch: device.epoch, lastOpSeq: town.lastOp(device), user: device.user.id, org: 1n, units: [state.unit], tips: this.tips(device.user) }),
      id,
    );
    this.firstPage = hello.firstPage;
    this.begin(device.user, state.reason);
  }

  /** Whether the stream goes on from a cursor, or the list is to be read. */
  private judge(user: User, cursor: Cursor | undefined): { unit: UnitState; reason: number; } {
    const tipPts = BigInt(user.queue.length);
    let reason = 0;
    if (cursor === undefined) reason = rebaseReason.NEW_DEVICE;
    else if (cursor.queueEpoch !== user.queueEpoch) reason = rebaseReason.EPOCH;
    else if (cursor.pts > tipPts) reason = rebaseReason.AHEAD;
    else if (cursor.pts < user.trim) reason = rebaseReason.TRIMMED;
    else if (tipPts - cursor.pts > BigInt(LIMITS.BACKLOG)) reason = rebaseReason.BACKLOG;
    this.from = reason === 0 ? cursor?.pts : undefined;
    const action = reason === 0 ? UnitAction.CONTINUE : UnitAction.REBASE;
    return { unit: UnitState.of({ unit: UNIT, queueEpoch: user.queueEpoch, tipPts, action }), reason };
  }

  private begin(user: User, reason: number): void {
    if (reason === 0) return this.pump();
    const tipPts = BigInt(user.queue.length);
    this.down(kind.REBASE, Rebase, Rebase.of({ unit: UNIT, queueEpoch: user.queueEpoch, tipPts, reason, first: listPage(this.ground.town, user, EMPTY, this.firstPage) }));
  }

  private tips(user: User): ReturnType<typeof tipOf>[] {
    const all = [...this.ground.town.conversations.values()];
    return all.filter((c) => c.mode === Mode.PULL && partOf(c, user.id)).map(tipOf);
  }

  private onSubscribe(ask: Subscribe): void {
    const user = this.device?.user;
    if (user === undefined) return;
    const { unit, reason } = this.judge(user, { unit: UNIT, queueEpoch: ask.queueEpoch, pts: ask.fromPts });
    if (reason !== 0) this.down(kind.UNIT_STATE, UnitState, unit);
    this.begin(user, reason);
  }

  private onSend(id: number, send: Send): void {
    if (this.device === undefined) return;
    const done = this.ground.town.send({ device: this.device, epoch: send.deviceEpoch, n: send.cid }, send);
    if (typeof done === "number") return this.error(id, done);
    const { status, code, seq, rev, ts, cnt, id: messageId, expect: expectCid, retryAfterMs } = done;
    this.down(kind.SEND_ACK, SendAck, SendAck.of({ conv: send.conv, cid: send.cid, status: status as Status, code, seq, rev, ts, cnt, messageId, expectCid, retryAfterMs, unit: UNIT }), id);
  }

  private onOp(id: number, op: Op): void {
    if (this.device === undefined) return;
    const done = this.ground.town.op({ device: this.device, epoch: op.deviceEpoch, n: op.n }, op);
    if (typeof done === "number") return this.error(id, done);
    const { status, code, rev, id: made, expect: expectN, retryAfterMs } = done;
    this.down(kind.OP_ACK, OpAck, OpAck.of({ conv: op.conv, n: op.n, status: status as Status, code, rev, id: made, expectN, retryAfterMs, unit: UNIT }), id);
  }

  private onReadMarks(id: number, { marks }: ReadMarks): void {
    const user = this.device?.user;
    if (user === undefined) return;
    for (const mark of marks) this.ground.town.read(user, mark.conv, mark.upToSeq);
    this.down(kind.READ_MARKS_ACK, ReadMarksAck, ReadMarksAck.of({ done: marks.map((mark) => mark.conv) }), id);
  }

  private onRequest(id: number, request: ReadRequest): void {
    if (this.device === undefined) return;
    const reply = answer(this.ground.town, this.device, request.method, request.body, (device) => this.ground.isOnline(device));
    if (typeof reply === "number") return this.error(id, reply);
    this.down(kind.RESPONSE, ReadResponse, ReadResponse.of({ body: reply }), id);
  }

  private onPing(ping: Ping): void {
    const user = this.device?.user;
    if (user === undefined) return;
    const units = [UnitState.of({ unit: UNIT, queueEpoch: user.queueEpoch, tipPts: BigInt(user.queue.length), action: UnitAction.CONTINUE })];
    this.down(kind.PONG, Pong, Pong.of({ n: ping.n, serverMs: BigInt(this.ground.clock()), units, nextS: ping.nextS, tips: this.tips(user) }));
  }

  private error(id: number, code: number): void {
    this.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code, text: "refused" }), id);
  }
}
