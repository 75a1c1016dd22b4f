//! Against a running server: `TENON_URL=http://127.0.0.1:7700 TENON_PASSWORD=... NODE_OPTIONS=--experimental-websocket npm test`.
//! Needs the accounts ada and bob.

import { GetRoster, method, Op, OpenDirect, opType } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type AppEvent, freshTicket, Host, MemoryStore, type Notice, type Settled, shownOf, signIn, socketUrl, textMessage, webSocketTo } from "../src/index.js";

const server = process.env["TENON_URL"] ?? "";
const password = process.env["TENON_PASSWORD"] ?? "";

async function open(name: string) {
  const session = await signIn(server, { name, password, label: "live test" });
  const notices: Notice[] = [];
  const events: AppEvent[] = [];
  const store = new MemoryStore();
  const connect = webSocketTo(socketUrl(server, server));
  const host = await Host.open({ stores: store, connect, getTicket: () => freshTicket(session) }, (notice) => {
    notices.push(notice);
    if (notice.type === "event") events.push(notice.event);
  });
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (let n = 0; n < 500; n++) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${name} waited too long: ${JSON.stringify(notices.slice(-3), (_, v) => (typeof v === "bigint" ? `${v}` : v))}`);
  };
  const settled = async (local: bigint): Promise<Settled> =>
    until(() => events.flatMap((e) => (e.type === "settled" && e.settled.local === local ? [e.settled] : []))[0]);
  return { session, host, events, notices, until, settled };
}

describe.runIf(server !== "")("a running server", () => {
  it("two people talk, and a new device sees the same", { timeout: 30_000 }, async () => {
    const ada = await open("ada");
    const bob = await open("bob");
    await bob.until(() => bob.notices.find((n) => n.type === "listComplete"));
    const queued = await ada.host.ask({ type: "op", after: 0n, op: Op.of({ type: opType.OPEN_DIRECT, body: OpenDirect.encode({ user: BigInt(bob.session.user) }) }) });
    if (queued.type !== "queued") throw new Error(queued.type);
    const conv = (await ada.settled(queued.local)).id;
    expect(conv).not.toBe(0n);
    const text = `hello ${Date.now()}`;
    const sent = await ada.host.ask({ type: "send", after: 0n, send: textMessage(conv, text) });
    if (sent.type !== "queued") throw new Error(sent.type);
    const place = await ada.settled(sent.local);
    expect(place.code).toBe(0);
    const got = await bob.until(() => bob.events.find((e) => e.type === "sync" && e.event.type === 1 && e.event.conv === conv && e.event.seq === place.seq));
    if (got.type !== "sync") throw new Error("no event");
    expect(shownOf(got.event)).toMatchObject({ type: "text", text });
    const again = await open("bob");
    await again.until(() => again.notices.find((n) => n.type === "listComplete"));
    const page = await again.host.ask({ type: "history", want: { conv, aboveSeq: 0n, belowSeq: 0n, limit: 20, isUpward: false } });
    expect(page).toMatchObject({ type: "history", history: { hi: place.seq } });
    const rows = await again.host.rows({ conv, lo: 1n, hi: place.seq, limit: 100, isUpward: true });
    expect(rows.map((row) => row.seq)).toContain(place.seq);
    const roster = await again.host.ask({ type: "request", method: method.GET_ROSTER, body: GetRoster.encode(GetRoster.of({ conv, limit: 10 })) });
    expect(roster.type).toBe("response");
    for (const one of [ada, bob, again]) one.host.close();
  });
});
