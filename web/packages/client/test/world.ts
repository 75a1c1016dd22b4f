//! A device under test: the engine, a store, a clock that only moves when told, and the server's side of the link by hand.

import {
  ChunkAssembler, concat, Content, ConvItem, ConvListPage, ConvMeta, ConvKind, encodeFrame, type Frame, frameLimits, FrameReader, HelloAck, kind, type MessageType, Rebase, Send, SyncEvent, Text, UnitAction,
  UnitState, EventBatch, messageKind, decodeBounded, Mode, EMPTY,
} from "@tenon/wire";
import { type Answer, type AppEvent, type Command, Engine, engineConfig, type EngineConfig, MemoryStore, type Output, SeededRandom } from "../src/index.js";

export const CONV = 77n;
export const ME = 5n;
export const DEVICE = 9n;

export class World {
  engine!: Engine;
  readonly store = new MemoryStore();
  now = 1_000;
  answers: { ticket: number; answer: Answer }[] = [];
  events: AppEvent[] = [];
  connects = 0;
  /** Steps of every transaction, by kind. */
  commits: string[][] = [];
  up: Frame[] = [];
  /** While true, a transaction stays open until `commit`. */
  holdsCommits = false;
  private held: Extract<Output, { type: "commit" }> | undefined;
  private reader = new FrameReader(frameLimits.up);
  private nextTicket = 1;

  private constructor(private readonly changes: Partial<EngineConfig>) {}

  static async open(changes: Partial<EngineConfig> = {}): Promise<World> {
    const world = new World(changes);
    await world.boot();
    return world;
  }

  /** Starts the engine anew over what the store holds: a crash. */
  async boot(): Promise<void> {
    const config = engineConfig({ type: "credential", bytes: EMPTY }, { device: DEVICE, pullJitter: 0, ...this.changes });
    this.engine = new Engine(config, await this.store.load(), new SeededRandom(1n));
    this.reader = new FrameReader(frameLimits.up);
    this.held = undefined;
    this.events = [];
    this.answers = [];
    this.up = [];
  }

  private get clocks() {
    return { wall: 1_700_000_000_000 + this.now, mono: this.now };
  }

  async settle(): Promise<void> {
    for (;;) {
      const output = this.engine.pollOutput(this.clocks);
      for (let bytes = this.engine.pollTransmit(); bytes; bytes = this.engine.pollTransmit()) this.reader.push(bytes);
      for (let frame = this.reader.next(); frame; frame = this.reader.next()) this.up.push(frame);
      if (output === undefined) return;
      if (output.type === "commit") {
        this.held = output;
        if (this.holdsCommits) continue;
        await this.perform();
      } else if (output.type === "connect") this.connects += 1;
      else if (output.type === "answer") this.answers.push(output);
      else if (output.type === "event") this.events.push(output.event);
      else this.reader = new FrameReader(frameLimits.up);
    }
  }

  private async perform(): Promise<void> {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    await this.store.commit(held.ops);
    this.commits.push(held.ops.map((op) => op.type));
    this.engine.handleCommitted(held.tx, this.clocks);
  }

  /** Performs the transaction that is held back. */
  async commit(): Promise<void> {
    await this.perform();
    await this.settle();
  }

  async command(command: Command): Promise<void> {
    this.engine.handleCommand(command, this.clocks);
    await this.settle();
  }

  async send(text: string): Promise<number> {
    const ticket = this.nextTicket++;
    const body = bodyOf(text);
    await this.command({ type: "send", ticket, after: 0n, send: Send.of({ conv: CONV, kind: messageKind.TEXT, body }) });
    return ticket;
  }

  async linkUp(): Promise<void> {
    this.engine.handleLinkUp(this.clocks);
    await this.settle();
  }

  async linkDown(): Promise<void> {
    this.engine.handleLinkDown("cut", this.clocks);
    this.reader = new FrameReader(frameLimits.up);
    await this.settle();
  }

  async down<T>(frameKind: number, type: MessageType<T>, value: T, id = 0): Promise<void> {
    this.engine.handleBytes(encodeFrame(frameKind, id, type.encode(value)), this.clocks);
    await this.settle();
  }

  /** Several frames that arrive in one piece. */
  async burst(frames: readonly Uint8Array[]): Promise<void> {
    this.engine.handleBytes(concat(frames), this.clocks);
    await this.settle();
  }

  /** Lets time pass, stopping at every deadline. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (let due = this.engine.deadline; due !== undefined && due <= end; due = this.engine.deadline) {
      this.now = Math.max(this.now, due);
      this.engine.handleTimeout(this.clocks);
      await this.settle();
    }
    this.now = end;
    this.engine.handleTimeout(this.clocks);
    await this.settle();
  }

  /** Frames of a kind that came since the last look, decoded. */
  took<T>(frameKind: number, type: MessageType<T>): (T & { frameId: number })[] {
    const mine = this.up.filter((frame) => frame.kind === frameKind);
    this.up = this.up.filter((frame) => frame.kind !== frameKind);
    return mine.map((frame) => ({ ...decodeBounded(type, frame.payload), frameId: frame.id }));
  }

  /** Connects and lands on an empty or given list at pts 0. */
  async live(items: ConvItem[] = []): Promise<void> {
    await this.command({ type: "start" });
    await this.linkUp();
    const units = [UnitState.of({ unit: 1, queueEpoch: 1, action: UnitAction.REBASE })];
    await this.down(kind.HELLO_ACK, HelloAck, HelloAck.of({ proto: 1, deviceEpoch: 1, user: ME, org: 2n, units }), 1);
    const first = ConvListPage.of({ items, done: true });
    await this.down(kind.REBASE, Rebase, Rebase.of({ unit: 1, queueEpoch: 1, reason: 1, first }));
  }

  /** Connects again after a lost link: the server goes on from the cursor. */
  async again(lastOpSeq = 0n): Promise<void> {
    await this.pass(60_000);
    await this.linkUp();
    const units = [UnitState.of({ unit: 1, queueEpoch: 1, action: UnitAction.CONTINUE })];
    await this.down(kind.HELLO_ACK, HelloAck, HelloAck.of({ proto: 1, deviceEpoch: 1, user: ME, org: 2n, units, lastOpSeq }), 1);
  }

  async batch(fromPts: bigint, events: SyncEvent[]): Promise<void> {
    const toPts = fromPts + BigInt(events.length);
    const numbered = events.map((event, index) => ({ ...event, pts: fromPts + BigInt(index) + 1n }));
    await this.down(kind.EVENT_BATCH, EventBatch, EventBatch.of({ unit: 1, queueEpoch: 1, fromPts, toPts, events: numbered, tipPts: toPts }));
  }

  async rows() {
    return this.store.messages({ conv: CONV, lo: 0n, hi: 1_000n, limit: 1_000, isUpward: true });
  }
}

export const bodyOf = (text: string): Uint8Array => Content.encode(Content.of({ what: { case: "text", value: Text.of({ text }) } }));

/** A message event; rev = seq unless told. */
export const message = (seq: bigint, fields: Partial<SyncEvent> = {}): SyncEvent =>
  SyncEvent.of({ type: 1, conv: CONV, rev: seq, seq, cnt: seq, sender: 6n, ts: 1_000n + seq, kind: 1, body: bodyOf(`m${seq}`), ...fields });

export const item = (fields: Partial<ConvItem> = {}): ConvItem =>
  ConvItem.of({ conv: CONV, sortTs: 1n, meta: ConvMeta.of({ conv: CONV, ver: 1n, kind: ConvKind.GROUP, mode: Mode.QUEUE, unit: 1, title: "team" }), ...fields });

export { ChunkAssembler, concat };
