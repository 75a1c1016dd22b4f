//! Clients over the server in memory: what the real one gives, without a process.

import { kind } from "@tenon/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Client, MemoryStore, shownOf, textMessage } from "../src/index.js";
import { TestServer } from "../src/testing/index.js";

const open: Client[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.close(false);
});

async function signedIn(server: TestServer, name: string, options: Parameters<TestServer["client"]>[1] = {}): Promise<Client> {
  const client = server.client(name, options);
  open.push(client);
  await expect.poll(() => client.status.get().state).toBe("live");
  return client;
}

const texts = (client: Client, conv: bigint) => {
  const timeline = client.openTimeline(conv);
  return () => timeline.view.get().rows.flatMap((row) => {
    const shown = shownOf(row);
    return shown.type === "text" ? [shown.text] : [];
  });
};

describe("server in memory", () => {
  it("two people talk in a group: order, unread, reading", async () => {
    const server = new TestServer();
    const [ada, bob] = [await signedIn(server, "ada"), await signedIn(server, "bob")];
    const [id] = await ada.findUsers(["bob"]);
    const conv = await ada.createGroup("team", [id ?? 0n]);
    for (const text of ["one", "two", "three"]) await ada.send(textMessage(conv, text));
    await expect.poll(() => bob.conversation(conv).get()?.unread).toBe(3n);
    const seen = texts(bob, conv);
    await expect.poll(seen).toEqual(["one", "two", "three"]);
    bob.markRead(conv, 3n);
    await expect.poll(() => bob.conversation(conv).get()?.unread).toBe(0n);
    await expect.poll(() => bob.people.person(ada.me).get().name).toBe("ada");
    await expect.poll(() => bob.members(conv).get().length).toBe(2);
  });

  it("one to one: the peer's reading is told", async () => {
    const server = new TestServer();
    const [ada, bob] = [await signedIn(server, "ada"), await signedIn(server, "bob")];
    const conv = await ada.openDirect(bob.me);
    expect(await bob.openDirect(ada.me)).toBe(conv);
    await ada.send(textMessage(conv, "hi"));
    await expect.poll(() => bob.conversation(conv).get()?.unread).toBe(1n);
    bob.markRead(conv, 1n);
    await expect.poll(() => ada.conversation(conv).get()?.peerReadSeq).toBe(1n);
  });

  it("a lost answer: the message is there once", async () => {
    const server = new TestServer();
    const ada = await signedIn(server, "ada");
    const conv = server.group("team", ["ada", "bob"]);
    await expect.poll(() => ada.conversation(conv).get()?.meta?.title).toBe("team");
    let lost = 0;
    server.network.loses = (frame, way) => way === "down" && (frame.kind === kind.SEND_ACK || frame.kind === kind.EVENT_BATCH) && lost++ < 2;
    await ada.send(textMessage(conv, "once"));
    await expect.poll(() => server.history(conv).length).toBe(1);
    server.network.cut();
    await expect.poll(texts(ada, conv)).toEqual(["once"]);
    expect(server.history(conv).length).toBe(1);
    expect(lost).toBeGreaterThanOrEqual(2);
  });

  it("offline and back: what was written goes out in order, and both see one order", async () => {
    const server = new TestServer();
    const [ada, bob] = [await signedIn(server, "ada"), await signedIn(server, "bob")];
    const conv = server.group("team", ["ada", "bob"]);
    await expect.poll(() => ada.conversation(conv).get()?.meta?.title).toBe("team");
    server.network.down();
    await expect.poll(() => ada.status.get()).toMatchObject({ state: "backoff", reason: "unreachable" });
    for (const text of ["a", "b", "c"]) await ada.send(textMessage(conv, text));
    server.say(conv, "cleo", "meanwhile");
    server.network.up();
    ada.connectNow();
    bob.connectNow();
    const [left, right] = [texts(ada, conv), texts(bob, conv)];
    await expect.poll(left).toEqual(["meanwhile", "a", "b", "c"]);
    await expect.poll(right).toEqual(["meanwhile", "a", "b", "c"]);
  });

  it("a restart over the same store goes on from its cursor", async () => {
    const server = new TestServer();
    const session = server.session("ada");
    const stores = new MemoryStore();
    const first = await signedIn(server, "ada", { session, stores });
    const conv = server.group("team", ["ada", "bob"]);
    await expect.poll(() => first.conversation(conv).get()?.meta?.title).toBe("team");
    // What the app has taken is noted a little later; before that it would be told again.
    await expect.poll(async () => (await stores.load()).events.length).toBe(0);
    await first.close(false);
    server.say(conv, "bob", "while away");
    const rebased: unknown[] = [];
    const again = server.client("ada", { session, stores });
    open.push(again);
    again.on("rebased", (event) => rebased.push(event));
    await expect.poll(texts(again, conv)).toEqual(["while away"]);
    expect(rebased).toEqual([]);
  });

  it("a queue that was trimmed: the list is read anew, and the app is told", async () => {
    const server = new TestServer();
    const session = server.session("ada");
    const stores = new MemoryStore();
    const first = await signedIn(server, "ada", { session, stores });
    const conv = server.group("team", ["ada", "bob"]);
    await expect.poll(() => first.conversation(conv).get()?.meta?.title).toBe("team");
    // What the app has taken is noted a little later; before that it would be told again.
    await expect.poll(async () => (await stores.load()).events.length).toBe(0);
    await first.close(false);
    for (let n = 1; n <= 200; n++) server.say(conv, "bob", `n${n}`);
    server.trim("ada");
    const again = server.client("ada", { session, stores });
    open.push(again);
    const rebased: unknown[] = [];
    again.on("rebased", (event) => rebased.push(event));
    await expect.poll(() => again.conversation(conv).get()?.unread).toBe(200n);
    await expect.poll(() => rebased).toEqual([{ unit: 1, reason: 3 }]);
    await expect.poll(() => texts(again, conv)().at(-1)).toBe("n200");
  });

  it("a server that speaks other versions, and a device that was signed out, are told as such", async () => {
    const server = new TestServer();
    server.protos = { min: 2, max: 3 };
    const old = server.client("ada");
    open.push(old);
    await expect.poll(() => old.status.get()).toMatchObject({ state: "stopped", reason: "proto_unsupported" });
    await expect(old.ready()).rejects.toThrow();
    server.protos = { min: 1, max: 1 };
    const session = server.session("bob");
    const bob = await signedIn(server, "bob", { session });
    server.signOut(session);
    await expect.poll(() => bob.status.get()).toMatchObject({ state: "stopped", reason: "signed_out" });
  });

  it("who is removed hears it, and a message from there fails for the user to see", async () => {
    const server = new TestServer();
    const [ada, bob] = [await signedIn(server, "ada"), await signedIn(server, "bob")];
    const conv = await ada.createGroup("team", [bob.me]);
    await expect.poll(() => bob.conversation(conv).get()?.meta?.title).toBe("team");
    await ada.rename(conv, "crew");
    await expect.poll(() => bob.conversation(conv).get()?.meta?.title).toBe("crew");
    await expect(bob.rename(conv, "mine")).rejects.toMatchObject({ code: 6006 });
    await ada.removeMembers(conv, [bob.me]);
    await expect.poll(() => bob.conversation(conv).get()).toBeUndefined();
    const settled = new Promise((resolve) => bob.on("settled", resolve));
    await bob.send(textMessage(conv, "too late"));
    expect(await settled).toMatchObject({ code: 6002 });
  });

  it("edits are refused as by the real server, unless a test wants them", async () => {
    for (const changes of [false, true]) {
      const server = new TestServer({ changes });
      const ada = await signedIn(server, "ada");
      const conv = server.group("team", ["ada"]);
      await expect.poll(() => ada.conversation(conv).get()?.meta?.title).toBe("team");
      server.say(conv, "ada", "one");
      const edited = ada.edit(conv, 1n, textMessage(conv, "two"));
      if (changes) await edited;
      else await expect(edited).rejects.toMatchObject({ code: 6014 });
      await expect.poll(texts(ada, conv)).toEqual([changes ? "two" : "one"]);
    }
  });

  it("a listener of the app that throws is reported, and everything else goes on", async () => {
    const faults: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (act: () => void) => void Promise.resolve().then(act).catch((fault: unknown) => faults.push(fault)));
    try {
      const server = new TestServer();
      const ada = await signedIn(server, "ada");
      const seen: bigint[] = [];
      ada.on("message", () => {
        throw new Error("a fault of the app");
      });
      ada.on("message", ({ seq }) => seen.push(seq));
      const conv = server.group("team", ["ada", "bob"]);
      for (const text of ["one", "two"]) server.say(conv, "bob", text);
      await expect.poll(() => seen).toEqual([1n, 2n]);
      expect(ada.status.get().state).toBe("live");
      await expect.poll(() => faults.length).toBe(2);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("latency: nothing overtakes", async () => {
    const server = new TestServer();
    server.network.latencyMs = 15;
    const [ada, bob] = [await signedIn(server, "ada"), await signedIn(server, "bob")];
    const conv = await ada.createGroup("team", [bob.me]);
    const all = Array.from({ length: 30 }, (_, n) => `n${n}`);
    for (const text of all) await ada.send(textMessage(conv, text));
    const seen = texts(bob, conv);
    await expect.poll(seen, { timeout: 20_000 }).toEqual(all);
  });
});
