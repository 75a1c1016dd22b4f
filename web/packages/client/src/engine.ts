//! The engine: a pure state machine between the app, one link and the local store.
//!
//! Takes commands (`handleCommand`), bytes of a link, the end of a transaction and the time; then `pollOutput` and
//! `pollTransmit` until both say `undefined`. `deadline` says when to call `handleTimeout`.
//!
//! Invariants: at most one transaction is open; what depends on it (Ack, Send, answers, events) leaves after it is committed,
//! and what comes meanwhile is gathered into the next one. Numbered events leave in order, each once. Same inputs, same
//! random source: same outputs. Not here: sockets, timers, clocks (the driver); frames (wire).

import type { Cursor } from "@tenon/wire";
import { asksTimeout, Asks, request } from "./engine/ask.js";
import { Conversation } from "./engine/conversation.js";
import { history } from "./engine/history.js";
import { IntervalSet } from "./engine/interval.js";
import { authorize, Link, linkBytes, linkDown, linkTimeout, linkUp, start, stop, watch } from "./engine/link.js";
import { cancel, Outbox, outboxDeadline, outboxTimeout, queueOp, queueSend } from "./engine/outbox.js";
import { Debts, noteDebt, pull } from "./engine/pull.js";
import { markRead, Reads, readsDeadline, readsTimeout } from "./engine/read.js";
import type { Answer, AppEvent, Command, EngineConfig, ListLine, Now, Output } from "./engine/speech.js";
import { ackWhenDue, AckState, sendAck, Stream } from "./engine/stream.js";
import { cut, type Effect, release, Transactions, type Up } from "./engine/tx.js";
import { compare } from "./numbers.js";
import type { Random } from "./random.js";
import { ConvState, type DeviceRow, type EventWhat, type Loaded } from "./rows.js";

/** Steps gathered for the next transaction above which the driver should stop reading from the link. */
const PENDING_OPS_MAX = 4_096;

const newDevice = (): DeviceRow => ({
  device: 0n,
  deviceEpoch: 0,
  connCtr: 0n,
  nextOpSeq: 1n,
  user: 0n,
  org: 0n,
  nextLocal: 1n,
  nextEvent: 1n,
  needsEpoch: true,
});

/** One account on one device. */
export class Engine {
  readonly device: DeviceRow;
  readonly streams = new Map<number, Stream>();
  readonly conversations = new Map<bigint, Conversation>();
  readonly outbox = new Outbox();
  readonly reads = new Reads();
  readonly debts = new Debts();
  readonly asks = new Asks();
  readonly link: Link;
  readonly ack = new AckState();
  readonly tx = new Transactions();

  /** An engine over what the store holds. Events that the app has not handled come first. */
  constructor(
    readonly config: EngineConfig,
    loaded: Loaded,
    readonly random: Random,
  ) {
    this.device = loaded.device ?? newDevice();
    if (config.device !== 0n) this.device.device = config.device;
    this.link = new Link(config.backoffMin);
    this.tx.pending.isDeviceDirty = loaded.device === undefined;
    for (const row of loaded.streams) this.streams.set(row.unit, new Stream(row, true));
    this.ack.committed = this.cursors();
    for (const row of loaded.conversations) this.conversations.set(row.conv, new Conversation(row));
    for (const { conv, intervals } of loaded.intervals) {
      const c = this.conversations.get(conv);
      if (c) c.intervals = new IntervalSet(intervals);
    }
    for (const row of loaded.outbox) this.outbox.load(row);
    for (const row of loaded.reads) this.reads.rows.set(row.conv, row);
    for (const { n, what } of loaded.events) this.event({ n, ...what });
    for (const conv of this.conversations.keys()) noteDebt(this, conv);
  }

  /** Takes a wish of the app. */
  handleCommand(command: Command, now: Now): void {
    switch (command.type) {
      case "start":
        return start(this);
      case "stop":
        return stop(this);
      case "authorize":
        return authorize(this, command.auth);
      case "send":
        return queueSend(this, command.ticket, command.send, command.after, now);
      case "op":
        return queueOp(this, command.ticket, command.op, command.after, now);
      case "cancel":
        return cancel(this, command.local, now);
      case "markRead":
        return markRead(this, command.conv, command.upToSeq, command.upToPcnt, now);
      case "history":
        return history(this, command.ticket, command.want);
      case "request":
        return request(this, command.ticket, command.method, command.body);
      case "watch":
        return watch(this, command.watch);
      case "ephemeral":
        return this.up({ type: "ephemeral", ephemeral: command.ephemeral });
      case "eventsDone":
        if (this.config.keepsEvents && command.n > this.tx.pending.eventsDone) this.tx.pending.eventsDone = command.n;
    }
  }

  /** The driver opened a link: the Hello is the first thing on it. */
  handleLinkUp(now: Now): void {
    linkUp(this, now);
  }

  /** A link ended or could not be opened. */
  handleLinkDown(text: string, now: Now): void {
    linkDown(this, text, now);
  }

  /** Takes bytes of the link. */
  handleBytes(bytes: Uint8Array, now: Now): void {
    linkBytes(this, bytes, now);
  }

  /** The transaction `tx` is durable: what depends on it may leave. */
  handleCommitted(tx: number, now: Now): void {
    const { open } = this.tx;
    if (open?.tx !== tx) return;
    this.tx.open = undefined;
    this.tx.ready.push(...open.effects);
    this.ack.committed = open.cursors;
    ackWhenDue(this, now);
  }

  /** The store failed: the engine stops for good and says so once. */
  handleCommitFailed(text: string): void {
    this.tx.fail();
    this.link.abandon();
    this.tx.ready.push({ type: "closeLink" }, { type: "event", event: { type: "state", state: { type: "stopped", code: 0, reason: 0, text } } });
  }

  /** True while the driver may read more from the link. */
  get hasRoom(): boolean {
    return this.tx.pending.ops.length + this.tx.pending.effects.length < PENDING_OPS_MAX;
  }

  /** The next thing to do outside; call until `undefined`. */
  pollOutput(now: Now): Output | undefined {
    for (;;) {
      const effect = this.tx.ready.shift();
      if (effect) {
        const output = release(this, effect, now);
        if (output) return output;
        continue;
      }
      if (this.tx.open !== undefined || this.tx.isFailed) return undefined;
      const output = cut(this);
      if (output !== "effects") return output;
    }
  }

  /** Bytes for the open link; call until `undefined` after every `pollOutput`. */
  pollTransmit(): Uint8Array | undefined {
    return this.link.pollTransmit();
  }

  /** When `handleTimeout` is due; `undefined` = not before the next input. */
  get deadline(): number | undefined {
    const all = [this.link.deadline, this.ack.due, this.debts.at, this.asks.deadline, outboxDeadline(this), readsDeadline(this)];
    const due = all.filter((at) => at !== undefined);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** Does what the time asks for. */
  handleTimeout(now: Now): void {
    linkTimeout(this, now);
    if (this.ack.due !== undefined && this.ack.due <= now.mono) sendAck(this);
    asksTimeout(this, now);
    outboxTimeout(this, now);
    readsTimeout(this, now);
    if (this.debts.at !== undefined && this.debts.at <= now.mono) pull(this, now);
  }

  /** Conversations of the user, newest first. */
  list(): ListLine[] {
    const joined = [...this.conversations.values()].filter((c) => c.row.state === ConvState.JOINED);
    return joined.map((c) => c.line()).sort((a, b) => compare(b.sortTs, a.sortTs) || compare(a.conv, b.conv));
  }

  /** Positions in the streams, those not yet committed included. */
  cursors(): Map<number, Cursor> {
    const cursors = [...this.streams.values()].flatMap((stream) => stream.cursor() ?? []);
    return new Map(cursors.map((cursor) => [cursor.unit, cursor]));
  }

  /** Number of the running or last Rebase of the home unit. */
  generation(): bigint {
    let generation = 0n;
    for (const { row } of this.streams.values()) if (row.generation > generation) generation = row.generation;
    return generation;
  }

  /** The row of this conversation is written with the next transaction. */
  dirty(conv: bigint): void {
    this.tx.pending.conversations.add(conv);
  }

  /** Gives the app a numbered event, stored until it is handled. */
  tell(what: EventWhat): void {
    const n = this.device.nextEvent;
    this.device.nextEvent += 1n;
    if (this.config.keepsEvents) {
      this.tx.pending.isDeviceDirty = true;
      this.tx.pending.ops.push({ type: "event", row: { n, what } });
    }
    this.event({ n, ...what });
  }

  /** Tells the app once all changes so far are committed. */
  event(event: AppEvent): void {
    this.effect({ type: "event", event });
  }

  answer(ticket: number, answer: Answer): void {
    this.effect({ type: "answer", ticket, answer });
  }

  /** Queues something for the link as it is now; dropped if that link ends first. */
  up(up: Up): void {
    if (this.link.isLive) this.effect({ type: "up", link: this.link.number, up });
  }

  private effect(effect: Effect): void {
    this.tx.pending.effects.push(effect);
  }
}
