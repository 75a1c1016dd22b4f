//! Runs that nobody wrote: what the engine in Rust was given under lost, repeated and cut links and crashes is given to this
//! one, and both must come to the same outputs after every poll and to the same store (`vectors/v13-soak.jsonl`).

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { MessageRow, messageToJson, Op, PrivateMessage, Send } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type Command, Engine, engineConfig, MemoryStore, type Output, SeededRandom } from "../src/index.js";
import { U64_MAX } from "../src/numbers.js";
import { answerOf, eventOf, loadedOf, opOf, sortedText } from "./render.js";

type Step = readonly [what: string, at: number, value: unknown];
interface Trace {
  readonly id: string;
  readonly device: string;
  readonly random: string;
  readonly steps: readonly Step[];
  readonly out_sha: string;
  readonly final_db_sha: string;
}

const traces = readFileSync(new URL("../../../../vectors/v13-soak.jsonl", import.meta.url), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Trace);
const bytesOf = (hex: unknown): Uint8Array => Uint8Array.from(Buffer.from(String(hex), "hex"));

class Replay {
  readonly store = new MemoryStore();
  private engine!: Engine;
  private held: Extract<Output, { type: "commit" }> | undefined;
  private readonly digest = createHash("sha256");
  private us = 1_000_000;
  /** Milliseconds as the engine counts them; never back, so that a rounded deadline is reached at its time. */
  private mono = 0;

  constructor(private readonly trace: Trace) {}

  async boot(random: bigint): Promise<void> {
    const auth = { type: "credential", bytes: new TextEncoder().encode(this.trace.device) } as const;
    const config = engineConfig(auth, { device: BigInt(this.trace.device), firstPage: 2, sdk: "tenon-rust/0.1.0" });
    this.engine = new Engine(config, await this.store.load(), new SeededRandom(random));
  }

  private get now() {
    return { wall: Math.floor(this.us / 1_000), mono: this.mono };
  }

  async step([what, at, value]: Step): Promise<void> {
    this.us = at;
    this.mono = Math.max(this.mono, at / 1_000);
    switch (what) {
      case "poll":
        return this.poll(value as [number, string]);
      case "command":
        return this.engine.handleCommand(commandOf(value as Record<string, string>), this.now);
      case "up":
        return this.engine.handleLinkUp(this.now);
      case "down":
        return this.engine.handleLinkDown(String(value), this.now);
      case "bytes":
        return this.engine.handleBytes(bytesOf(value), this.now);
      case "timeout":
        expect(this.engine.deadline ?? Infinity, "a deadline is due").toBeLessThan(this.mono + 0.001);
        this.mono = Math.max(this.mono, this.engine.deadline ?? 0);
        return this.engine.handleTimeout(this.now);
      case "committed": {
        const { held } = this;
        this.held = undefined;
        if (held === undefined) throw new Error("nothing is to be committed");
        await this.store.commit(held.ops);
        return this.engine.handleCommitted(held.tx, this.now);
      }
      case "crash": {
        const { happened, random } = value as { happened: boolean; random: string };
        if (this.held && happened) await this.store.commit(this.held.ops);
        this.held = undefined;
        return this.boot(BigInt(random));
      }
      default:
        throw new Error(`unknown step ${what}`);
    }
  }

  private poll([times, sum]: readonly [number, string]): void {
    for (let n = 0; n < times; n++) {
      const output = this.engine.pollOutput(this.now);
      for (let bytes = this.engine.pollTransmit(); bytes; bytes = this.engine.pollTransmit()) this.digest.update(bytes);
      if (output) this.digest.update(sortedText(this.rendered(output)));
    }
    expect(this.digest.copy().digest("hex").slice(0, 8)).toBe(sum);
  }

  private rendered(output: Output): unknown {
    if (output.type === "commit") {
      this.held = output;
      return { commit: output.ops.map(opOf) };
    }
    if (output.type === "connect") return "connect";
    if (output.type === "closeLink") return "close_link";
    return output.type === "answer" ? { ticket: output.ticket, answer: answerOf(output.answer) } : { event: eventOf(output.event) };
  }

  outputs(): string {
    return this.digest.copy().digest("hex");
  }

  async stored(): Promise<string> {
    const loaded = await this.store.load();
    let text = sortedText(loadedOf(loaded));
    for (const { conv } of loaded.conversations) {
      const rows = await this.store.messages({ conv, lo: 0n, hi: U64_MAX, limit: 10_000, isUpward: true });
      const privates = await this.store.privates(conv, 0n, U64_MAX);
      text += sortedText([`${conv}`, rows.map((row) => messageToJson(MessageRow, row)), privates.map((row) => messageToJson(PrivateMessage, row))]);
    }
    return createHash("sha256").update(text).digest("hex");
  }
}

function commandOf(value: Record<string, string>): Command {
  const ticket = Number(value["ticket"] ?? 0);
  switch (value["type"]) {
    case "start":
      return { type: "start" };
    case "send":
      return { type: "send", ticket, send: Send.decode(bytesOf(value["send"])), after: 0n };
    case "op":
      return { type: "op", ticket, op: Op.decode(bytesOf(value["op"])), after: 0n };
    case "cancel":
      return { type: "cancel", local: BigInt(value["local"] ?? 0) };
    case "markRead":
      return { type: "markRead", conv: BigInt(value["conv"] ?? 0), upToSeq: BigInt(value["seq"] ?? 0), upToPcnt: 0n };
    case "history":
      return { type: "history", ticket, want: { conv: BigInt(value["conv"] ?? 0), aboveSeq: 0n, belowSeq: 0n, limit: Number(value["limit"]), isUpward: false } };
    case "eventsDone":
      return { type: "eventsDone", n: BigInt(value["n"] ?? 0) };
    default:
      throw new Error(`unknown command ${value["type"]}`);
  }
}

describe("the same run in both engines", () => {
  it.each(traces.map((trace) => [trace.id, trace] as const))("%s", async (_, trace) => {
    const replay = new Replay(trace);
    await replay.boot(BigInt(trace.random));
    for (const [at, step] of trace.steps.entries()) {
      try {
        await replay.step(step);
      } catch (error) {
        const around = trace.steps.slice(Math.max(0, at - 4), at + 1).map((one) => JSON.stringify(one).slice(0, 200));
        throw new Error(`step ${at} of ${trace.steps.length}:\n${around.join("\n")}`, { cause: error });
      }
    }
    expect(replay.outputs()).toBe(trace.out_sha);
    expect(await replay.stored()).toBe(trace.final_db_sha);
    expect(trace.steps.length).toBeGreaterThan(200);
  });
});
