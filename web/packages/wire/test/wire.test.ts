import { describe, expect, it } from "vitest";
import {
  classOf, ClientSession, Close, Content, decodeBounded, encodeFrame, errorCode, fromJson, GetConvItems, Hello, HelloAck, kind, Pong,
  ReadRequest, ReadResponse, Send, Text, textOf, toJson, WireError, Envelope, method,
} from "../src/index.js";
// @ts-expect-error the generator is plain JavaScript
import { generated } from "../scripts/generate.mjs";
import { readFileSync } from "node:fs";

describe("generated files", () => {
  it("are what the schemas give", () => {
    for (const [name, text] of Object.entries(generated() as Record<string, string>)) {
      expect(readFileSync(new URL(`../src/gen/${name}`, import.meta.url), "utf8"), name).toBe(text);
    }
  });
});

describe("messages", () => {
  it("a field seen twice takes the last scalar and merges the message", () => {
    const once = Content.encode(Content.of({ what: { case: "text", value: Text.of({ text: "a" }) }, fallback: "x" }));
    const twice = Content.encode(Content.of({ what: { case: "text", value: Text.of() }, fallback: "y" }));
    const joined = new Uint8Array([...once, ...twice]);
    expect(Content.decode(joined)).toEqual(Content.of({ what: { case: "text", value: Text.of({ text: "a" }) }, fallback: "y" }));
  });

  it("text that is no UTF-8 is refused", () => {
    expect(() => Text.decode(new Uint8Array([0x0a, 1, 0xff]))).toThrow(WireError);
  });

  it("a list above its bound is refused", () => {
    const convs = Array.from({ length: 101 }, (_, i) => BigInt(i));
    expect(() => decodeBounded(GetConvItems, GetConvItems.encode(GetConvItems.of({ convs })))).toThrow("above 100");
  });

  it("classes follow from unknown codes too", () => {
    expect([classOf(1999), classOf(6001), classOf(9000), classOf(0)]).toEqual([1, 6, undefined, undefined]);
    expect(textOf(1999)).toBeUndefined();
    expect(textOf(5003)).toBe("connection_stale");
  });
});

describe("JSON form", () => {
  it("a send with content is a send with its body", () => {
    const [envelope] = fromJson('{"id":3,"send":{"conv":"7","kind":1,"content":{"text":{"text":"hi"}}}}', () => undefined);
    const body = Content.encode(Content.of({ what: { case: "text", value: Text.of({ text: "hi" }) } }));
    expect(envelope?.frame).toEqual({ case: "send", value: Send.of({ conv: 7n, kind: 1, body }) });
  });

  it("body and content together are refused, and content of no type", () => {
    expect(() => fromJson('{"send":{"kind":1,"body":"","content":{}}}', () => undefined)).toThrow("both");
    expect(() => fromJson('{"send":{"kind":77,"content":{}}}', () => undefined)).toThrow("unknown type");
  });

  it("a response opens by the method of its request", () => {
    const body = GetConvItems.encode(GetConvItems.of());
    const envelope = Envelope.of({ id: 9, last: true, frame: { case: "response", value: ReadResponse.of({ body: new Uint8Array([0x08, 1]) }) } });
    expect(body.length).toBe(0);
    expect(JSON.parse(toJson([envelope], () => method.SEQ_AT_TIME))).toEqual({ id: 9, last: true, response: { content: { seq: "1" } } });
  });
});

describe("session", () => {
  const welcome = () => encodeFrame(kind.HELLO_ACK, 1, HelloAck.encode(HelloAck.of({ proto: 1, heartbeatS: 30 })));
  const open = () => {
    const written: Uint8Array[] = [];
    return { written, session: new ClientSession(Hello.of({ protoMax: 1 }), 0, (bytes) => written.push(bytes)) };
  };

  it("says Hello first and refuses frames before the answer", () => {
    const { session, written } = open();
    expect(written[0]?.[1]).toBe(kind.HELLO);
    const events = session.handleBytes(encodeFrame(kind.PONG, 0, Pong.encode(Pong.of())), 1);
    expect(events).toEqual([{ type: "ended", end: expect.objectContaining({ code: errorCode.unexpected_frame, byPeer: false }) }]);
    expect(written.at(-1)?.[1]).toBe(kind.CLOSE);
  });

  it("keeps at most eight requests open and drops answers to none", () => {
    const { session } = open();
    session.handleBytes(welcome(), 1);
    const ids = Array.from({ length: 9 }, () => session.sendRequest(ReadRequest.of({ method: 3 })));
    expect(ids[8]).toBeUndefined();
    const answer = encodeFrame(kind.RESPONSE, ids[0] ?? 0, ReadResponse.encode(ReadResponse.of()));
    expect(session.handleBytes(answer, 2)).toMatchObject([{ type: "response", id: ids[0], method: 3 }]);
    expect(session.handleBytes(answer, 3)).toEqual([]);
  });

  it("a ping without pong is missed once, then the next is due", () => {
    const { session } = open();
    session.handleBytes(welcome(), 0);
    expect(session.handleTimeout(29_999)).toBeUndefined();
    expect(session.handleTimeout(30_000)).toEqual({ type: "beatDue" });
    session.ping({ n: 1, nextS: 30, ack: undefined }, 30_000);
    expect(session.handleTimeout(35_000)).toEqual({ type: "beatMissed" });
    expect(session.handleTimeout(35_001)).toBeUndefined();
    expect(session.handleTimeout(60_000)).toEqual({ type: "beatDue" });
  });

  it("a further ping buys a dead link no time", () => {
    const { session } = open();
    session.handleBytes(welcome(), 0);
    for (const at of [1_000, 3_000, 5_000]) session.ping({ n: 1, nextS: 60, ack: undefined }, at);
    expect(session.handleTimeout(5_999)).toBeUndefined();
    expect(session.handleTimeout(6_000)).toEqual({ type: "beatMissed" });
  });

  it("ends with the peer's close", () => {
    const { session } = open();
    const close = encodeFrame(kind.CLOSE, 0, Close.encode(Close.of({ reason: 2, text: "newer" })));
    expect(session.handleBytes(close, 0)).toEqual([
      { type: "ended", end: { reason: 2, code: 0, retryAfterMs: 0, text: "newer", byPeer: true } },
    ]);
  });
});
