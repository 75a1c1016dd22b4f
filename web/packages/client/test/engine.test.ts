import {
  Ack, ConvDiff, ConvDiffAnswer, ConvItems, ConvTip, ConvTips, ConvTooLong, encodeFrame, errorCode, ErrorInfo, flag, GetConvDiff, GetHistory, Hello, HelloAck, HistoryPage, kind, MessageRow, method, Op, opType,
  Ping, Pong, ReadMarks, ReadRequest, ReadResponse, SetSummary, Send, SendAck, Status, Subscribe, SyncEvent, UnitAction, UnitState, eventType, ConversationRemoved, ReadMarked, ReadState, OpAck,
} from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { bodyOf, CONV, DEVICE, item, ME, message, World } from "./world.js";

const settledOf = (w: World) => w.events.flatMap((e) => (e.type === "settled" ? [e.settled] : []));
const synced = (w: World) => w.events.flatMap((e) => (e.type === "sync" ? [e.event.rev] : []));
const respond = (w: World, id: number, body: Uint8Array) => w.down(kind.RESPONSE, ReadResponse, ReadResponse.of({ body }), id);
const line = (w: World) => w.engine.list().find((one) => one.conv === CONV);

describe("link", () => {
  it("the connection counter is durable before the socket opens", async () => {
    const w = await World.open();
    w.holdsCommits = true;
    await w.command({ type: "start" });
    expect(w.connects).toBe(0);
    await w.commit();
    expect(w.connects).toBe(1);
    expect((await w.store.load()).device?.connCtr).toBe(1n);
  });

  it("a new device asks for a device epoch and lands on the list", async () => {
    const w = await World.open();
    await w.command({ type: "start" });
    await w.linkUp();
    const [hello] = w.took(kind.HELLO, Hello);
    expect(hello).toMatchObject({ renewDeviceEpoch: true, device: DEVICE, connCtr: 1n, cursors: [] });
    const v = await World.open();
    await v.live([item({ tipRev: 3n, tipSeq: 3n, tipCnt: 3n })]);
    expect(v.engine.device).toMatchObject({ deviceEpoch: 1, needsEpoch: false, user: ME });
    expect(line(v)).toMatchObject({ unread: 3n, rev: 3n });
    expect(v.events.map((e) => e.type)).toContain("listComplete");
    expect(v.took(kind.SUBSCRIBE, Subscribe)).toMatchObject([{ unit: 1, queueEpoch: 1, fromPts: 0n }]);
  });

  it("a lost link comes back after a pause with a higher counter and the committed cursor", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n)]);
    await w.linkDown();
    expect(w.events.at(-1)).toMatchObject({ type: "state", state: { type: "backoff" } });
    await w.pass(30_000);
    await w.linkUp();
    expect(w.took(kind.HELLO, Hello).at(-1)).toMatchObject({ connCtr: 2n, cursors: [{ unit: 1, queueEpoch: 1, pts: 1n }], renewDeviceEpoch: false });
  });

  it("a ping without answer ends the link", async () => {
    const w = await World.open();
    await w.live();
    await w.pass(31_000);
    expect(w.took(kind.PING, Ping)).toHaveLength(1);
    await w.pass(6_000);
    expect(w.engine.link.isLive).toBe(false);
  });

  it("the same resync code three times in a row is a long pause", async () => {
    const w = await World.open();
    await w.command({ type: "start" });
    for (let n = 0; n < 3; n++) {
      await w.linkUp();
      await w.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code: errorCode.connection_stale }), 1);
      if (n < 2) await w.pass(60_000);
    }
    expect(w.events.at(-1)).toMatchObject({ state: { type: "backoff", waitMs: 300_000 } });
  });

  it("an ended session stops for good, an ended ticket asks for a new one", async () => {
    const w = await World.open();
    await w.command({ type: "start" });
    await w.linkUp();
    await w.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code: errorCode.ticket_expired }), 1);
    expect(w.events.map((e) => e.type)).toContain("authWanted");
    await w.pass(60_000);
    await w.linkUp();
    await w.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code: errorCode.device_removed }), 1);
    expect(w.events.at(-1)).toMatchObject({ state: { type: "stopped", code: errorCode.device_removed } });
    const before = w.connects;
    await w.pass(600_000);
    expect(w.connects).toBe(before);
  });

  it("a store that fails stops the engine and nothing leaves any more", async () => {
    const w = await World.open();
    await w.live([item()]);
    w.holdsCommits = true;
    await w.send("x");
    w.engine.handleCommitFailed("disk");
    await w.settle();
    expect(w.took(kind.SEND, Send)).toEqual([]);
    expect(w.events.at(-1)).toMatchObject({ state: { type: "stopped", text: "disk" } });
  });
});

describe("stream", () => {
  it("events are folded once, whatever comes twice", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n), message(2n)]);
    await w.batch(0n, [message(1n), message(2n)]);
    await w.batch(1n, [message(2n), message(3n)]);
    expect(synced(w)).toEqual([1n, 2n, 3n]);
    expect((await w.rows()).map((row) => row.seq)).toEqual([1n, 2n, 3n]);
    expect(line(w)).toMatchObject({ unread: 3n, rev: 3n, known: 3n });
  });

  it("effects and cursor are one transaction, and the ack follows it", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.pass(1_000);
    w.took(kind.ACK, Ack);
    w.holdsCommits = true;
    await w.batch(0n, [message(1n)]);
    await w.pass(1_000);
    expect(w.took(kind.ACK, Ack)).toEqual([]);
    expect(synced(w)).toEqual([]);
    await w.commit();
    expect(w.commits.at(-1)).toEqual(expect.arrayContaining(["message", "stream", "conversation", "intervals"]));
    await w.pass(1_000);
    expect(w.took(kind.ACK, Ack)).toMatchObject([{ cursors: [{ unit: 1, pts: 1n }] }]);
  });

  it("a batch from beyond the cursor is not taken: the stream starts again from the cursor", async () => {
    const w = await World.open();
    await w.live([item()]);
    w.took(kind.SUBSCRIBE, Subscribe);
    await w.batch(5n, [message(6n)]);
    expect(synced(w)).toEqual([]);
    expect(w.took(kind.SUBSCRIBE, Subscribe)).toMatchObject([{ fromPts: 0n }]);
  });

  it("an event of an unknown type is kept and the cursor moves", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n, { type: 99, flags: flag.CRITICAL, seq: 0n }), message(2n)]);
    expect([...w.store.opaque.keys()]).toEqual([1n]);
    expect(w.engine.conversations.get(CONV)?.row).toMatchObject({ rev: 2n, isUpdateNeeded: true });
    expect((await w.store.load()).streams[0]?.pts).toBe(2n);
  });

  it("own messages and read marks lower unread, never by counting", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n), message(2n), message(3n, { sender: ME, flags: flag.OWN })]);
    expect(line(w)?.unread).toBe(0n);
    await w.batch(3n, [message(4n), message(5n)]);
    expect(line(w)?.unread).toBe(2n);
    const body = ReadMarked.encode({ read: ReadState.of({ readSeq: 4n, readCnt: 4n }) });
    await w.batch(5n, [SyncEvent.of({ type: eventType.READ_MARKED, conv: CONV, body })]);
    expect(line(w)?.unread).toBe(1n);
  });

  it("a conversation that was left owes nothing and is gone from the list", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 1n })]);
    await w.batch(0n, [SyncEvent.of({ type: eventType.CONVERSATION_REMOVED, conv: CONV, body: ConversationRemoved.encode(ConversationRemoved.of()) })]);
    expect(w.engine.list()).toEqual([]);
    expect(w.engine.debts.owing.size).toBe(0);
  });
});

describe("debts", () => {
  const diffAsked = (w: World) =>
    w.took(kind.REQUEST, ReadRequest).flatMap((r) => (r.method === method.GET_CONV_DIFF ? [{ id: r.frameId, ...GetConvDiff.decode(r.body) }] : []));

  it("a hole in the revs is pulled, and what lies behind it comes in order", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(3n)]);
    expect(synced(w)).toEqual([]);
    await w.pass(300);
    const [want] = diffAsked(w);
    expect(want).toMatchObject({ conv: CONV, sinceRev: 0n });
    const diff = ConvDiff.of({ conv: CONV, fromRev: 0n, toRev: 3n, tipRev: 3n, tipSeq: 3n, tipCnt: 3n, final: true, events: [message(1n), message(2n), message(3n)] });
    await respond(w, want?.id ?? 0, ConvDiffAnswer.encode({ what: { case: "diff", value: diff } }));
    expect(synced(w)).toEqual([1n, 2n, 3n]);
    expect(w.engine.debts.owing.size).toBe(0);
  });

  it("a debt survives a crash, since it is stored with the cursor", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(3n)]);
    await w.boot();
    expect([...w.engine.debts.owing]).toEqual([CONV]);
    await w.command({ type: "start" });
    await w.again();
    await w.pass(300);
    expect(diffAsked(w)).toMatchObject([{ conv: CONV, sinceRev: 0n }]);
  });

  it("a tip is enough to owe, on the live link and by the heartbeat", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 2n })]);
    await w.down(kind.CONV_TIPS, ConvTips, ConvTips.of({ tips: [ConvTip.of({ conv: CONV, rev: 4n, seq: 4n, cnt: 4n })] }));
    expect([...w.engine.debts.owing]).toEqual([CONV]);
    const v = await World.open();
    await v.live([item({ tipRev: 2n })]);
    await v.pass(31_000);
    await v.down(kind.PONG, Pong, Pong.of({ tips: [ConvTip.of({ conv: CONV, rev: 4n, seq: 4n })] }));
    expect([...v.engine.debts.owing]).toEqual([CONV]);
  });

  it("a difference that is too long jumps, once and told", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 2n, tipSeq: 2n })]);
    await w.batch(0n, [message(3n)]);
    await w.batch(1n, [message(9_000n)]);
    await w.pass(300);
    const [want] = diffAsked(w);
    const last = [MessageRow.of({ seq: 8_999n, ver: 8_999n }), MessageRow.of({ seq: 9_000n, ver: 9_000n })];
    const tooLong = ConvTooLong.of({ item: item({ tipRev: 9_000n, tipSeq: 9_000n, tipCnt: 9_000n }), last, oldestRev: 1n });
    await respond(w, want?.id ?? 0, ConvDiffAnswer.encode({ what: { case: "tooLong", value: tooLong } }));
    expect(w.events.filter((e) => e.type === "jumped")).toMatchObject([{ jumped: { conv: CONV, fromRev: 3n, toRev: 9_000n } }]);
    const c = w.engine.conversations.get(CONV);
    const isHeld = (seq: bigint) => c?.intervals.around(seq, c.row.breakRev) !== undefined;
    expect([3n, 8_998n, 8_999n, 9_000n].map(isHeld)).toEqual([false, false, true, true]);
    expect(w.engine.debts.owing.size).toBe(0);
  });

  it("pulls that bring nothing pause instead of asking for ever", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(3n)]);
    for (let n = 0; n < 3; n++) {
      await w.pass(300);
      const [want] = diffAsked(w);
      await respond(w, want?.id ?? 0, ConvDiffAnswer.encode({ what: { case: "diff", value: ConvDiff.of({ conv: CONV, tipRev: 3n }) } }));
    }
    await w.pass(20_000);
    expect(diffAsked(w)).toEqual([]);
  });

  it("an absent conversation clears its debt", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(3n)]);
    await w.pass(300);
    const [want] = diffAsked(w);
    await w.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code: errorCode.absent }), want?.id ?? 0);
    expect(w.engine.debts.owing.size).toBe(0);
    expect(w.engine.list()).toEqual([]);
  });

  it("an unknown conversation asks for its line", async () => {
    const w = await World.open();
    await w.live();
    await w.batch(0n, [message(1n)]);
    await w.pass(300);
    const [asked] = w.took(kind.REQUEST, ReadRequest).filter((r) => r.method === method.GET_CONV_ITEMS);
    await respond(w, asked?.frameId ?? 0, ConvItems.encode(ConvItems.of({ items: [item({ tipRev: 1n, tipSeq: 1n, tipCnt: 1n })] })));
    expect(line(w)).toMatchObject({ unread: 1n, meta: { title: "team" } });
  });
});

describe("outbox", () => {
  const ack = (fields: Partial<SendAck>) => SendAck.of({ conv: CONV, cid: 1n, status: Status.OK, seq: 1n, rev: 1n, messageId: 4n, ts: 9n, ...fields });

  it("a message leaves only after it is durable, and keeps its key over links", async () => {
    const w = await World.open();
    await w.live([item()]);
    w.holdsCommits = true;
    await w.send("hi");
    expect(w.took(kind.SEND, Send)).toEqual([]);
    await w.commit();
    w.holdsCommits = false;
    expect(w.took(kind.SEND, Send)).toMatchObject([{ conv: CONV, cid: 1n, deviceEpoch: 1 }]);
    await w.linkDown();
    await w.again();
    const [again] = w.took(kind.SEND, Send);
    expect(again).toMatchObject({ cid: 1n, deviceEpoch: 1 });
    await w.down(kind.SEND_ACK, SendAck, ack({ status: Status.DUPLICATE }), again?.frameId ?? 0);
    expect(settledOf(w)).toMatchObject([{ code: 0, seq: 1n, conv: CONV }]);
    expect((await w.store.load()).outbox).toEqual([]);
  });

  it("after a crash the stored command goes out under the same key", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("hi");
    await w.boot();
    await w.command({ type: "start" });
    await w.again();
    expect(w.took(kind.SEND, Send)).toMatchObject([{ cid: 1n, deviceEpoch: 1, body: bodyOf("hi") }]);
  });

  it("messages wait without a link and leave in order", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.linkDown();
    for (const text of ["a", "b", "c"]) await w.send(text);
    await w.again();
    expect(w.took(kind.SEND, Send).map((s) => [s.cid, s.body])).toEqual([1n, 2n, 3n].map((cid, i) => [cid, bodyOf("abc"[i] ?? "")]));
  });

  it("a gap sends from the expected number on", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    await w.send("b");
    const sent = w.took(kind.SEND, Send);
    await w.down(kind.SEND_ACK, SendAck, ack({ cid: 2n, status: Status.GAP, expectCid: 1n }), sent[1]?.frameId ?? 0);
    expect(w.took(kind.SEND, Send).map((s) => s.cid)).toEqual([1n, 2n]);
  });

  it("gaps that come in one piece send what waits once, not once for each of them", async () => {
    const w = await World.open();
    await w.live([item()]);
    for (const text of "abcdefgh") await w.send(text);
    const sent = w.took(kind.SEND, Send);
    const gaps = sent.slice(1).map((one) => encodeFrame(kind.SEND_ACK, one.frameId, SendAck.encode(ack({ cid: one.cid, status: Status.GAP, expectCid: 1n }))));
    await w.burst(gaps);
    expect(w.took(kind.SEND, Send).map((s) => s.cid)).toEqual(sent.map((s) => s.cid));
  });

  it("a rejected message is told with its content and the next one goes on", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    await w.send("b");
    const sent = w.took(kind.SEND, Send);
    await w.down(kind.SEND_ACK, SendAck, ack({ status: Status.REJECTED, code: errorCode.muted }), sent[0]?.frameId ?? 0);
    await w.down(kind.SEND_ACK, SendAck, ack({ cid: 2n, seq: 1n }), sent[1]?.frameId ?? 0);
    expect(settledOf(w)).toMatchObject([{ code: errorCode.muted, send: { body: bodyOf("a") } }, { code: 0, seq: 1n, send: undefined }]);
  });

  it("the own event settles a message whose ack was lost, and both are told once", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    const [sent] = w.took(kind.SEND, Send);
    await w.batch(0n, [message(1n, { sender: ME, device: DEVICE, deviceEpoch: 1, cid: 1n, flags: flag.OWN, messageId: 4n })]);
    await w.down(kind.SEND_ACK, SendAck, ack({}), sent?.frameId ?? 0);
    expect(settledOf(w)).toMatchObject([{ code: 0, seq: 1n }]);
  });

  it("an unanswered message is sent again, each time later", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    w.took(kind.SEND, Send);
    await w.pass(5_100);
    expect(w.took(kind.SEND, Send)).toMatchObject([{ cid: 1n }]);
    await w.down(kind.PONG, Pong, Pong.of({}));
    await w.pass(9_000);
    expect(w.took(kind.SEND, Send)).toEqual([]);
    await w.pass(2_000);
    expect(w.took(kind.SEND, Send)).toMatchObject([{ cid: 1n }]);
  });

  it("a busy answer waits as long as the server says", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    const [sent] = w.took(kind.SEND, Send);
    await w.down(kind.SEND_ACK, SendAck, ack({ status: Status.RETRY, code: errorCode.overload, retryAfterMs: 2_000 }), sent?.frameId ?? 0);
    await w.pass(1_900);
    expect(w.took(kind.SEND, Send)).toEqual([]);
    await w.pass(1_200);
    expect(w.took(kind.SEND, Send)).toMatchObject([{ cid: 1n }]);
  });

  it("a cancelled message goes out as VOID, or is recalled if it was done", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    w.took(kind.SEND, Send);
    await w.command({ type: "cancel", local: 1n });
    const [voided] = w.took(kind.SEND, Send);
    expect((voided?.flags ?? 0) & flag.VOID).not.toBe(0);
    await w.down(kind.SEND_ACK, SendAck, ack({ status: Status.DUPLICATE }), voided?.frameId ?? 0);
    expect(w.took(kind.OP, Op)).toMatchObject([{ conv: CONV, type: opType.RECALL, n: 2n }]);
  });

  it("a stale connection counter closes old numbers before new ones are used", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.send("a");
    w.took(kind.SEND, Send);
    await w.linkDown();
    await w.send("b");
    await w.pass(60_000);
    await w.linkUp();
    await w.down(kind.ERROR, ErrorInfo, ErrorInfo.of({ code: errorCode.connection_stale }), 1);
    await w.pass(60_000);
    await w.linkUp();
    expect(w.took(kind.HELLO, Hello).at(-1)).toMatchObject({ renewDeviceEpoch: true });
    const units = [UnitState.of({ unit: 1, queueEpoch: 1, action: UnitAction.CONTINUE })];
    await w.down(kind.HELLO_ACK, HelloAck, HelloAck.of({ deviceEpoch: 2, user: ME, org: 2n, units }), 1);
    const [voided, ...rest] = w.took(kind.SEND, Send);
    expect(rest).toEqual([]);
    expect(voided).toMatchObject({ cid: 1n, deviceEpoch: 1 });
    expect((voided?.flags ?? 0) & flag.VOID).not.toBe(0);
    await w.down(kind.SEND_ACK, SendAck, ack({ status: Status.REJECTED, code: errorCode.cancelled }), voided?.frameId ?? 0);
    expect(w.took(kind.SEND, Send).map((s) => [s.deviceEpoch, s.cid, s.body])).toEqual([[2, 1n, bodyOf("a")]]);
    expect(settledOf(w)).toMatchObject([{ isOfferedAgain: true, local: 2n }]);
  });

  it("commands of the user have their own chain", async () => {
    const w = await World.open();
    await w.live([item()]);
    const body = SetSummary.encode(SetSummary.of({ mask: 1 }));
    await w.command({ type: "op", ticket: 50, after: 0n, op: Op.of({ type: opType.SET_SUMMARY, body }) });
    const [op] = w.took(kind.OP, Op);
    expect(op).toMatchObject({ conv: 0n, n: 1n, deviceEpoch: 1 });
    await w.down(kind.OP_ACK, OpAck, OpAck.of({ n: 1n, status: Status.OK }), op?.frameId ?? 0);
    expect(settledOf(w)).toMatchObject([{ code: 0, conv: 0n }]);
  });
});

describe("history and reads", () => {
  const asked = (w: World) => w.took(kind.REQUEST, ReadRequest).filter((r) => r.method === method.GET_HISTORY);
  const want = { conv: CONV, aboveSeq: 0n, belowSeq: 0n, limit: 10, isUpward: false };
  const rowsTo = (hi: bigint) => Array.from({ length: Number(hi) }, (_, i) => MessageRow.of({ seq: BigInt(i + 1), ver: BigInt(i + 1), cnt: BigInt(i + 1) }));
  const page = (fields: Partial<HistoryPage> = {}) =>
    HistoryPage.encode(HistoryPage.of({ conv: CONV, loSeq: 1n, hiSeq: 4n, asOfRev: 4n, floor: true, stable: true, normal: rowsTo(4n), ...fields }));

  it("a page is asked for once, then the device answers alone", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 4n, tipSeq: 4n, tipCnt: 4n })]);
    await w.command({ type: "history", ticket: 1, want });
    const [request] = asked(w);
    expect(GetHistory.decode(request?.body ?? new Uint8Array())).toMatchObject({ conv: CONV, limit: 10, minRev: 4n });
    await respond(w, request?.frameId ?? 0, page());
    await w.command({ type: "history", ticket: 2, want });
    expect(asked(w)).toEqual([]);
    expect(w.answers.map((a) => a.answer)).toMatchObject([1, 2].map(() => ({ type: "history", history: { lo: 1n, hi: 4n, isFloor: true } })));
    await w.batch(0n, [message(5n)]);
    await w.command({ type: "history", ticket: 3, want });
    expect(w.answers.at(-1)?.answer).toMatchObject({ history: { lo: 1n, hi: 5n } });
  });

  it("a page that is older than an edit loses that row and is asked for again", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 4n, tipSeq: 4n, tipCnt: 4n })]);
    await w.command({ type: "history", ticket: 1, want });
    const [request] = asked(w);
    await w.batch(0n, [message(2n, { type: eventType.MESSAGE_RECALLED, rev: 5n, ver: 5n, body: new Uint8Array() })]);
    await respond(w, request?.frameId ?? 0, page());
    expect((await w.rows()).map((row) => row.seq)).toEqual([1n, 3n, 4n]);
    expect(w.answers).toEqual([]);
    expect(asked(w)).toHaveLength(1);
  });

  it("a tombstone wins over a page that comes later", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n), message(1n, { type: eventType.MESSAGE_RECALLED, rev: 2n, ver: 2n })]);
    const [row] = await w.rows();
    expect(row).toMatchObject({ ver: 2n, body: new Uint8Array() });
    expect((row?.flags ?? 0) & flag.RECALLED).not.toBe(0);
    await w.store.commit([{ type: "message", conv: CONV, row: MessageRow.of({ seq: 1n, ver: 1n, body: bodyOf("old") }) }]);
    expect((await w.rows())[0]).toMatchObject({ ver: 2n });
  });

  it("a read mark is stored until it arrived, and one conversation is not told often", async () => {
    const w = await World.open();
    await w.live([item({ tipRev: 4n, tipSeq: 4n, tipCnt: 4n })]);
    await w.command({ type: "markRead", conv: CONV, upToSeq: 2n, upToPcnt: 0n });
    await w.command({ type: "markRead", conv: CONV, upToSeq: 4n, upToPcnt: 0n });
    expect(w.took(kind.READ_MARKS, ReadMarks)).toMatchObject([{ marks: [{ conv: CONV, upToSeq: 2n }] }]);
    await w.pass(3_100);
    expect(w.took(kind.READ_MARKS, ReadMarks)).toMatchObject([{ marks: [{ upToSeq: 4n }] }]);
    expect((await w.store.load()).reads).toMatchObject([{ conv: CONV, upToSeq: 4n }]);
    const body = ReadMarked.encode({ read: ReadState.of({ readSeq: 4n, readCnt: 4n }) });
    await w.batch(0n, [SyncEvent.of({ type: eventType.READ_MARKED, conv: CONV, body })]);
    expect((await w.store.load()).reads).toEqual([]);
  });
});

describe("events for the app", () => {
  it("come again after a crash until they are handled", async () => {
    const w = await World.open();
    await w.live([item()]);
    await w.batch(0n, [message(1n), message(2n)]);
    await w.boot();
    await w.settle();
    expect(synced(w)).toEqual([1n, 2n]);
    const last = w.events.at(-1);
    await w.command({ type: "eventsDone", n: last && "n" in last ? last.n : 0n });
    await w.boot();
    await w.settle();
    expect(synced(w)).toEqual([]);
  });
});
