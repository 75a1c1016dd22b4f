//! The frozen vectors of the codec: one case a line, run whole and byte by byte.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ChunkAssembler, type Frame, frameLimits, frameOfEnvelope, FrameReader, fromJson, envelopeOf, toJson, WireError } from "../src/index.js";

interface Case {
  id: string;
  desc: string;
  config: { limits: string };
  json?: Record<string, unknown>;
  steps: [{ in: string; out: unknown[] }];
}

const text = readFileSync(new URL("../../../../vectors/v01-codec.jsonl", import.meta.url), "utf8");
const cases = text.trim().split("\n").map((line) => JSON.parse(line) as Case);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (value: string) => new Uint8Array(Buffer.from(value, "hex"));

/** What a reader makes of `bytes`, cut into pieces: frames as JSON, then perhaps one error. */
function run(limits: string, bytes: Uint8Array, piece: number): { out: unknown[]; frames: Frame[] } {
  const chosen = limits === "before_login" ? frameLimits.beforeLogin : limits === "up" ? frameLimits.up : frameLimits.down;
  const reader = new FrameReader(chosen);
  const chunks = new ChunkAssembler();
  const out: unknown[] = [];
  const frames: Frame[] = [];
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      reader.push(bytes.subarray(at, at + piece));
      for (let frame = reader.next(); frame; frame = reader.next()) {
        const whole = chunks.take(frame);
        if (whole === undefined) continue;
        out.push({ kind: whole.kind, id: whole.id, prio: whole.prio, ext: hex(whole.ext), payload: hex(whole.payload) });
        frames.push(whole);
      }
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    out.push({ error: error.code });
  }
  return { out, frames };
}

const none = () => undefined;

describe("codec vectors", () => {
  it("are all here", () => expect(cases.length).toBeGreaterThanOrEqual(234));

  it.each(cases.map((c) => [`${c.id} ${c.desc}`, c] as const))("%s", (name, c) => {
    const bytes = unhex(c.steps[0].in);
    const whole = run(c.config.limits, bytes, bytes.length || 1);
    expect(whole.out).toEqual(c.steps[0].out);
    expect(run(c.config.limits, bytes, 1).out).toEqual(c.steps[0].out);
    const frame = whole.frames[0];
    if (c.json === undefined || frame === undefined) return;
    if ("error" in c.json && typeof c.json["error"] === "string") {
      expect(() => envelopeOf(frame)).toThrow(expect.objectContaining({ code: c.json["error"] }));
      return;
    }
    const envelope = envelopeOf(frame);
    expect(JSON.parse(toJson([envelope], none))).toEqual(c.json);
    const read = fromJson(JSON.stringify(c.json), none);
    expect(read).toEqual([envelope]);
    if (!name.includes("unknown fields") && read[0]) expect(hex(frameOfEnvelope(read[0]))).toBe(c.steps[0].in);
  });
});
