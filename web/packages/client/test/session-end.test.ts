//! A session that the server ends: asked once whether the device may still come in.

import { Close, closeReason, encodeFrame, errorCode, kind, utf8, WireError } from "@tenon/wire";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, type Connect, type SocketEvents, textMessage } from "../src/index.js";
import { TestServer } from "../src/testing/index.js";

const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.close(false);
});

/** A live client, what ends its session as a new password does, and how often it asked for a ticket. */
async function live(answer: (times: number) => void = () => undefined) {
  const server = new TestServer();
  const session = server.session("ada");
  const links: SocketEvents[] = [];
  /** `isShut`: every further link is ended at its Hello. */
  const state = { tickets: 0, isShut: false };
  const close = encodeFrame(kind.CLOSE, 0, Close.encode(Close.of({ reason: closeReason.SESSION_ENDED, code: errorCode.session_ended })));
  const connect: Connect = (events) => {
    links.push(events);
    if (!state.isShut) return server.connect(events);
    queueMicrotask(() => events.opened());
    return { send: () => queueMicrotask(() => events.bytes(close)), close: () => undefined };
  };
  const getToken = async () => {
    state.tickets += 1;
    answer(state.tickets);
    return utf8(session.device);
  };
  const client = server.client("ada", { session, connect, getToken });
  open.push(client);
  await expect.poll(() => client.status.get().state).toBe("live");
  const end = () => links.at(-1)?.bytes(close);
  return { server, client, links, state, end };
}

describe("a session that ends", () => {
  it("comes back by itself while the credential is good, and what was written goes out once", async () => {
    const { server, client, links, state, end } = await live();
    const conv = server.group("team", ["ada", "bob"]);
    await expect.poll(() => client.conversation(conv).get()?.conv).toBe(conv);
    const states: string[] = [];
    client.connection.subscribe(() => states.push(client.connection.get().type));
    end();
    await client.send(textMessage(conv, "written meanwhile"));
    const timeline = client.openTimeline(conv);
    await expect.poll(() => timeline.view.get().rows.length).toBe(1);
    expect(client.connection.get().type).toBe("live");
    expect(states).not.toContain("stopped");
    expect([links.length, state.tickets]).toEqual([2, 2]);
    // Every later password is asked about anew.
    end();
    await expect.poll(() => links.length).toBe(3);
    await expect.poll(() => client.connection.get().type).toBe("live");
  });

  it("is over for good when the credential is refused, with the reason of the refusal", async () => {
    const { client, links, end } = await live((times) => {
      if (times > 1) throw new WireError("account_disabled", "closed");
    });
    end();
    await expect.poll(() => client.connection.get()).toMatchObject({ type: "stopped", code: errorCode.account_disabled });
    expect(client.status.get().reason).toBe("account_disabled");
    expect(links.length).toBe(1);
  });

  it("is over for good when the session ends again before it lived", async () => {
    const { client, links, state, end } = await live();
    state.isShut = true;
    end();
    await expect.poll(() => client.connection.get()).toMatchObject({ type: "stopped", reason: closeReason.SESSION_ENDED });
    expect([links.length, state.tickets]).toEqual([2, 2]);
  });
});
