//! The frozen vectors of the engine: the same inputs give the same outputs as the Rust engine, and the same store.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Content, envelopeOf, frameLimits, frameOfEnvelope, FrameReader, fromJson, messageFromJson, MessageRow, messageToJson, Op, PrivateMessage, Send, Text, toJson } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type Command, Engine, engineConfig, MemoryStore, type Output, SeededRandom } from "../src/index.js";
import { U64_MAX } from "../src/numbers.js";
import { answerOf, eventOf, loadedOf, opOf, sortedText } from "./render.js";

type Input = Record<string, unknown>;
interface Case {
  readonly id: string;
  readonly desc: string;
  readonly final_db_sha: string;
  readonly steps: readonly { readonly at: number; readonly in: Input; readonly out: unknown[] }[];
}

const read = (name: string): Case[] =>
  readFileSync(new URL(`../../../../vectors/${name}`, import.meta.url), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Case);

class Runner {
  private readonly store = new MemoryStore();
  private engine!: Engine;
  private held: Extract<Output, { type: "commit" }> | undefined;
  private holds = false;
  private reader = new FrameReader(frameLimits.up);
  private readonly methods = new Map<number, number>();
  private mono = 0;
  private restarts = 0n;
  private out: unknown[] = [];

  async boot(): Promise<void> {
    const bytes = new TextEncoder().encode("secret");
    const config = engineConfig({ type: "credential", bytes }, { device: 11n, sdk: "vectors", pullJitter: 0, ackDelay: 0 });
    this.engine = new Engine(config, await this.store.load(), new SeededRandom(1n + this.restarts));
  }

  private get now() {
    return { wall: Math.floor(this.mono), mono: this.mono };
  }

  async step(at: number, input: Input): Promise<unknown[]> {
    this.mono = at;
    const [kind = "", value] = Object.entries(input)[0] ?? [];
    await this.perform(kind, value as Input);
    await this.outputs();
    const out = this.out;
    this.out = [];
    return out;
  }

  private async perform(kind: string, value: unknown): Promise<void> {
    if (kind === "time") return this.time();
    if (kind === "link" && value === "up") {
      this.reader = new FrameReader(frameLimits.up);
      this.methods.clear();
      return this.engine.handleLinkUp(this.now);
    }
    if (kind === "link") return this.engine.handleLinkDown("cut", this.now);
    if (kind === "commits") {
      this.holds = value === "hold";
      return this.commit();
    }
    if (kind === "crash") return this.crash(value === "committed");
    if (kind === "frame") {
      const [envelope] = fromJson(JSON.stringify(value), (id) => this.methods.get(id));
      if (envelope === undefined) throw new Error("no envelope");
      return this.engine.handleBytes(frameOfEnvelope(envelope), this.now);
    }
    this.engine.handleCommand(commandOf(kind, value as Input), this.now);
  }

  private async time(): Promise<void> {
    const end = this.mono;
    for (let at = this.engine.deadline; at !== undefined && at <= end; at = this.engine.deadline) {
      this.mono = Math.max(at, 0.001);
      this.engine.handleTimeout(this.now);
      await this.outputs();
    }
    this.mono = end;
  }

  private async crash(happened: boolean): Promise<void> {
    if (this.held && happened) await this.store.commit(this.held.ops);
    this.held = undefined;
    this.holds = false;
    this.restarts += 1n;
    await this.boot();
    this.engine.handleCommand({ type: "start" }, this.now);
  }

  private async commit(): Promise<void> {
    const { held } = this;
    if (this.holds || held === undefined) return;
    this.held = undefined;
    await this.store.commit(held.ops);
    this.engine.handleCommitted(held.tx, this.now);
  }

  private async outputs(): Promise<void> {
    for (;;) {
      const output = this.engine.pollOutput(this.now);
      this.transmit();
      if (output === undefined) return;
      if (output.type === "commit") {
        this.out.push({ commit: output.ops.map(opOf) });
        this.held = output;
        await this.commit();
      } else if (output.type === "connect") this.out.push("connect");
      else if (output.type === "closeLink") this.out.push("close_link");
      else if (output.type === "answer") this.out.push({ ticket: output.ticket, answer: answerOf(output.answer) });
      else this.out.push({ event: eventOf(output.event) });
    }
  }

  /** Frames that leave, as envelopes. */
  private transmit(): void {
    for (let bytes = this.engine.pollTransmit(); bytes; bytes = this.engine.pollTransmit()) {
      this.reader.push(bytes);
      for (let frame = this.reader.next(); frame; frame = this.reader.next()) {
        const envelope = envelopeOf(frame);
        if (envelope.frame?.case === "request") this.methods.set(envelope.id, envelope.frame.value.method);
        this.out.push({ frame: JSON.parse(toJson([envelope], () => undefined)) as unknown });
      }
    }
  }

  /** SHA-256 over the final store, messages included. */
  async digest(): Promise<string> {
    const loaded = await this.store.load();
    let text = sortedText(loadedOf(loaded));
    for (const { conv } of loaded.conversations) {
      const rows = await this.store.messages({ conv, lo: 0n, hi: U64_MAX, limit: 1_000, isUpward: true });
      const privates = await this.store.privates(conv, 0n, U64_MAX);
      text += sortedText([`${conv}`, rows.map((row) => messageToJson(MessageRow, row)), privates.map((row) => messageToJson(PrivateMessage, row))]);
    }
    return createHash("sha256").update(text).digest("hex");
  }
}

function commandOf(kind: string, value: Input): Command {
  const number = (name: string) => Number(value[name] ?? 0);
  const big = (name: string) => BigInt(number(name));
  const ticket = number("ticket");
  switch (kind) {
    case "start":
    case "stop":
      return { type: kind };
    case "send": {
      const body = Content.encode(Content.of({ what: { case: "text", value: Text.of({ text: String(value["text"]) }) } }));
      return { type: "send", ticket, send: Send.of({ conv: big("conv"), kind: 1, body }), after: big("after") };
    }
    case "op":
      return { type: "op", ticket, op: messageFromJson(Op, value["op"]), after: big("after") };
    case "cancel":
      return { type: "cancel", local: big("local") };
    case "mark_read":
      return { type: "markRead", conv: big("conv"), upToSeq: big("up_to_seq"), upToPcnt: big("up_to_pcnt") };
    case "history": {
      const want = { conv: big("conv"), aboveSeq: big("above_seq"), belowSeq: big("below_seq"), limit: number("limit"), isUpward: value["is_upward"] === true };
      return { type: "history", ticket, want };
    }
    case "events_done":
      return { type: "eventsDone", n: BigInt(value as unknown as number) };
    default:
      throw new Error(`unknown input ${kind}`);
  }
}

describe.each(["v03-apply.jsonl", "v05-history.jsonl", "v06-outbox.jsonl", "v07-rebase.jsonl"])("%s", (name) => {
  it.each(read(name).map((c) => [`${c.id} ${c.desc}`, c] as const))("%s", async (_, c) => {
    const runner = new Runner();
    await runner.boot();
    for (const [at, step] of c.steps.entries()) expect(await runner.step(step.at, step.in), `step ${at}: ${JSON.stringify(step.in)}`).toEqual(step.out);
    expect(await runner.digest()).toBe(c.final_db_sha);
  });
});
