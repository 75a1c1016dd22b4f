//! The stream of a unit: coverage, cursor, Ack.

import { Ack, Cursor, EventBatch, type Rebase, Subscribe, UnitAction, type UnitState } from "@tenon/wire";
import type { Engine } from "../engine.js";
import type { StreamRow } from "../rows.js";
import { apply } from "./apply.js";
import type { Now } from "./speech.js";

/** Applied bytes that are acked at once, whatever the delay. */
const ACK_BYTES = 16 * 1024;
/** The same in events: a quarter of what may be under way. */
const ACK_EVENTS = 256 / 4;

/** One unit's stream. */
export class Stream {
  /** True from the order to Rebase until its first page is taken; batches are dropped. */
  isRebasing = false;
  /** The Rebase whose first page is asked for. */
  asked: Rebase | undefined;

  /** `hasCursor` is false until the first Rebase is taken: there is no cursor to present or store. */
  constructor(
    readonly row: StreamRow,
    public hasCursor: boolean,
  ) {}

  static fresh(unit: number): Stream {
    return new Stream({ unit, queueEpoch: 0, pts: 0n, rebaseReason: 0, generation: 0n, rebase: undefined }, false);
  }

  cursor(): Cursor | undefined {
    const { unit, queueEpoch, pts } = this.row;
    return this.hasCursor ? { unit, queueEpoch, pts } : undefined;
  }

  toRow(): StreamRow | undefined {
    return this.hasCursor ? { ...this.row, rebase: this.row.rebase && { ...this.row.rebase } } : undefined;
  }

  get isPaging(): boolean {
    return this.row.rebase !== undefined || this.isRebasing;
  }

  linkDown(): void {
    this.isRebasing = false;
    this.asked = undefined;
  }
}

/** What is committed, and what of it the server was told. */
export class AckState {
  committed = new Map<number, Cursor>();
  told = new Map<number, Cursor>();
  due: number | undefined;
  bytes = 0;
  events = 0;

  /** A new link: the Hello told the committed cursors. */
  restart(): void {
    this.told = new Map(this.committed);
    this.due = undefined;
    this.bytes = 0;
    this.events = 0;
  }

  get isTold(): boolean {
    if (this.told.size !== this.committed.size) return false;
    return [...this.committed].every(([unit, cursor]) => {
      const told = this.told.get(unit);
      return told !== undefined && told.queueEpoch === cursor.queueEpoch && told.pts === cursor.pts;
    });
  }
}

/** The stream of a unit, as a fresh one if it was not known. */
export function streamOf(e: Engine, unit: number): Stream {
  let stream = e.streams.get(unit);
  if (stream === undefined) {
    stream = Stream.fresh(unit);
    e.streams.set(unit, stream);
  }
  return stream;
}

export function onBatch(e: Engine, batch: EventBatch, now: Now): void {
  e.link.isFed = true;
  const stream = e.streams.get(batch.unit);
  if (stream === undefined || stream.isRebasing || !stream.hasCursor) return;
  const cursor = stream.row.pts;
  if (batch.queueEpoch !== stream.row.queueEpoch || batch.fromPts > cursor) return subscribe(e, batch.unit);
  if (batch.toPts <= cursor) {
    e.ack.told.delete(batch.unit);
    return ackWhenDue(e, now);
  }
  e.ack.bytes += batch.events.reduce((sum, event) => sum + event.body.length + 64, 32);
  e.ack.events += batch.events.length;
  stream.row.pts = batch.toPts;
  e.tx.pending.streams.add(batch.unit);
  for (const event of batch.events) if (event.pts > cursor) apply(e, event, now);
}

/** Asks for the stream from the cursor, once all before is committed. */
export function subscribe(e: Engine, unit: number): void {
  const cursor = e.streams.get(unit)?.cursor();
  if (cursor) e.up({ type: "subscribe", subscribe: Subscribe.of({ unit, queueEpoch: cursor.queueEpoch, fromPts: cursor.pts }) });
}

/** A unit's state, in the answer to Hello or on the live link. */
export function onUnitState(e: Engine, state: UnitState, isLive: boolean): void {
  if (state.action === UnitAction.CONTINUE) {
    const stream = e.streams.get(state.unit);
    if (stream === undefined) return;
    if (stream.hasCursor && stream.row.queueEpoch !== state.queueEpoch) {
      stream.row.queueEpoch = state.queueEpoch;
      e.tx.pending.streams.add(state.unit);
    }
    if (isLive) subscribe(e, state.unit);
  } else if (state.action === UnitAction.REBASE) streamOf(e, state.unit).isRebasing = true;
  else if (isLive) subscribe(e, state.unit);
}

/** The heartbeat says how far the queue is: if nothing came since the Ping, the stream has stalled. */
export function onPongUnit(e: Engine, state: UnitState): void {
  const stream = e.streams.get(state.unit);
  if (stream === undefined) return;
  const { row } = stream;
  const isBehind = (state.queueEpoch === row.queueEpoch && state.tipPts > row.pts) || state.queueEpoch > row.queueEpoch;
  if (isBehind && !stream.isRebasing && stream.hasCursor && !e.link.isFed) subscribe(e, state.unit);
}

/** Plans the Ack of what is committed; sends it at once if much is under way. */
export function ackWhenDue(e: Engine, now: Now): void {
  const { ack } = e;
  if (ack.isTold || !e.link.isLive) return;
  if (ack.bytes >= ACK_BYTES || ack.events >= ACK_EVENTS) sendAck(e);
  else ack.due ??= now.mono + e.config.ackDelay;
}

/** Tells the committed cursors, if the server does not know them. */
export function sendAck(e: Engine): void {
  const told = takeAck(e);
  if (told && e.link.isLive) e.link.session?.sendAck(told);
}

export function takeAck(e: Engine): Ack | undefined {
  const { ack } = e;
  ack.due = undefined;
  if (ack.isTold) return undefined;
  ack.restart();
  return Ack.of({ cursors: [...ack.committed.values()].sort((a, b) => a.unit - b.unit) });
}
