// @vitest-environment jsdom
//! The hooks over a client and a server in memory.

import { type Client, shownOf, textMessage } from "@tenon/client";
import { TestServer } from "@tenon/client/testing";
import { act as reactAct, type ReactNode, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Conversations, type Messages, type Sending, TenonProvider, useClient, useConnectionState, useConversation, useConversations, useMembers, useMessages, usePeerRead, usePerson, useSend, useThread, useUnread, type ThreadMessages } from "../src/index.js";

/** React draws everything before it resolves; what the server does in between is nobody's act. */
async function act(doing: () => Promise<unknown>): Promise<void> {
  const scope = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean };
  scope.IS_REACT_ACT_ENVIRONMENT = true;
  try {
    await reactAct(async () => void (await doing()));
  } finally {
    scope.IS_REACT_ACT_ENVIRONMENT = false;
  }
}

let server: TestServer;
let ada: Client;
let bob: Client;
let conv: bigint;
let root: Root;
let box: HTMLElement;

beforeEach(async () => {
  server = new TestServer({ changes: true });
  conv = server.group("team", ["ada", "bob"]);
  [ada, bob] = [server.client("ada"), server.client("bob")];
  await Promise.all([ada.ready(), bob.ready()]);
  box = document.body.appendChild(document.createElement("div"));
  root = createRoot(box);
});
afterEach(async () => {
  await act(async () => root.unmount());
  box.remove();
  await Promise.all([ada.close(false), bob.close(false)]);
});

const draw = (node: ReactNode) => act(async () => root.render(<StrictMode><TenonProvider client={ada}>{node}</TenonProvider></StrictMode>));
/** Waits while React may draw. */
const until = (look: () => unknown) => expect.poll(async () => (await act(async () => undefined), look()), { timeout: 20_000 });
const textsOf = (rows: Messages["rows"]) => rows.map((row) => shownOf(row)).map((shown) => (shown.type === "text" ? shown.text : ""));

describe("hooks", () => {
  it("the list, its window and its filter", async () => {
    for (const title of ["a", "b", "c"]) server.group(title, ["ada"]);
    let seen!: Conversations;
    const noTeam = (line: { meta: { title: string } | undefined }) => line.meta?.title !== "team";
    function List() {
      seen = useConversations({ filter: noTeam, window: 2 });
      return <ul>{seen.lines.map((line) => <li key={`${line.conv}`}>{line.meta?.title}</li>)}</ul>;
    }
    await draw(<List />);
    await until(() => seen.total).toBe(3);
    expect([seen.lines.length, seen.isComplete]).toEqual([2, true]);
    await act(async () => seen.loadMore());
    expect(box.querySelectorAll("li").length).toBe(3);
  });

  it("a thread: its answers wherever they stand, one thread after the other", async () => {
    for (let n = 1; n <= 120; n++) server.say(conv, "bob", `line ${n}`);
    await until(() => ada.conversation(conv).get()?.tipSeq).toBe(120n);
    for (const [text, seq] of [["to three", 3n], ["to four", 4n], ["to the answer", 121n]] as const) await ada.send(textMessage(conv, text, [], seq));
    await until(() => ada.conversation(conv).get()?.tipSeq).toBe(123n);
    let thread!: ThreadMessages;
    function Thread({ seq }: { readonly seq: bigint }) {
      thread = useThread(conv, seq);
      return null;
    }
    await draw(<Thread seq={123n} />);
    await until(() => thread.state).toBe("all");
    expect([thread.rootSeq, textsOf(thread.rows)]).toEqual([3n, ["to three", "to the answer"]]);
    await draw(<Thread seq={4n} />);
    await until(() => textsOf(thread.rows)).toEqual(["to four"]);
    await bob.send(textMessage(conv, "and bob", [], 122n));
    await until(() => textsOf(thread.rows)).toEqual(["to four", "and bob"]);
    expect(thread.root?.seq).toBe(4n);
  });

  it("messages come in, unread counts them, reading empties it", async () => {
    let messages!: Messages;
    const drawn: string[] = [];
    function Chat() {
      messages = useMessages(conv);
      const unread = useUnread(conv);
      const all = useUnread();
      drawn.push(`${unread.count}/${all.count}/${unread.isMentioned}`);
      return null;
    }
    await draw(<Chat />);
    server.say(conv, "bob", "one");
    server.say(conv, "bob", "two");
    await until(() => textsOf(messages.rows)).toEqual(["one", "two"]);
    await until(() => drawn.at(-1)).toBe("2/2/false");
    await act(async () => messages.markRead(2n));
    await until(() => drawn.at(-1)).toBe("0/0/false");
    expect(messages.isFloor).toBe(true);
  });

  it("what is sent is shown at once, and without a network waits in order", async () => {
    let messages!: Messages;
    let sending!: Sending;
    function Chat() {
      messages = useMessages(conv);
      sending = useSend(conv);
      return null;
    }
    await draw(<Chat />);
    server.network.down();
    await act(async () => void (await sending.send("first"), await sending.send("second")));
    await until(() => messages.outgoing.length).toBe(2);
    server.network.up();
    await act(async () => ada.connectNow());
    await until(() => textsOf(messages.rows)).toEqual(["first", "second"]);
    await until(() => messages.outgoing.length).toBe(0);
    await act(async () => void (await sending.edit(1n, "first, better"), await sending.react(2n, "👍", true)));
    await until(() => textsOf(messages.rows)).toEqual(["first, better", "second"]);
    await until(() => messages.rows[1]?.reactions.map((r) => [r.code, r.count])).toEqual([["👍", 1]]);
    await act(async () => sending.recall(1n));
    await until(() => shownOf(messages.rows[0] as never).type).toBe("recalled");
    expect(sending.error).toBeUndefined();
  });

  it("a refusal is an error of the hook, and the next try clears it", async () => {
    let sending!: Sending;
    function Chat() {
      sending = useSend(conv);
      return null;
    }
    await draw(<Chat />);
    await act(async () => expect(sending.recall(99n)).rejects.toMatchObject({ code: 6012 }));
    expect(sending.error?.code).toBe(6012);
    await act(async () => void (await sending.send("fine")));
    expect(sending.error).toBeUndefined();
  });

  it("connection, people, members, one conversation", async () => {
    let seen: unknown[] = [];
    function All() {
      const connection = useConnectionState();
      const line = useConversation(conv);
      const members = useMembers(conv);
      const person = usePerson(bob.me);
      seen = [connection.state, line?.meta?.title, members.length, person.name, useClient() === ada];
      return null;
    }
    await draw(<All />);
    await until(() => seen).toEqual(["live", "team", 2, "bob", true]);
    server.network.down();
    await until(() => seen[0]).toBe("backoff");
  });

  it("jumps to a message, goes on in both directions, and back to the newest", async () => {
    for (let n = 1; n <= 300; n++) server.say(conv, "bob", `${n}`);
    let messages!: Messages;
    const ends = () => [messages.rows[0]?.seq, messages.rows.at(-1)?.seq, messages.isTip];
    function Chat({ at }: { readonly at?: bigint }) {
      messages = useMessages(conv, at);
      return null;
    }
    await draw(<Chat />);
    await until(ends).toEqual([251n, 300n, true]);
    await act(async () => expect(await messages.jumpTo(100n)).toBe(true));
    await until(ends).toEqual([76n, 150n, false]);
    await act(async () => messages.loadNewer());
    await act(async () => messages.loadOlder());
    await until(ends).toEqual([26n, 200n, false]);
    // What comes meanwhile is not shown behind a hole.
    server.say(conv, "bob", "301");
    await until(() => ada.conversation(conv).get()?.tipSeq).toBe(301n);
    expect(ends()).toEqual([26n, 200n, false]);
    await act(async () => messages.toTip());
    await until(ends).toEqual([252n, 301n, true]);
    await act(async () => expect(await messages.jumpTo(5_000n)).toBe(false));
    await until(ends).toEqual([252n, 301n, true]);
    await draw(<Chat at={40n} />);
    await until(ends).toEqual([16n, 90n, false]);
    await draw(<Chat at={200n} />);
    await until(ends).toEqual([176n, 250n, false]);
  });

  it("a window that begins at a message, also at one that is not known yet", async () => {
    for (let n = 1; n <= 300; n++) server.say(conv, "bob", `${n}`);
    await until(() => ada.conversation(conv).get()?.tipSeq).toBe(300n);
    let messages!: Messages;
    const ends = () => [messages.rows[0]?.seq, messages.rows.at(-1)?.seq, messages.isTip];
    function Chat({ at }: { readonly at: bigint }) {
      messages = useMessages(conv, at);
      return null;
    }
    await draw(<Chat at={100n} />);
    await until(ends).toEqual([76n, 150n, false]);
    await draw(<Chat at={301n} />);
    expect(ends()).toEqual([76n, 150n, false]);
    server.say(conv, "bob", "301");
    await until(() => [messages.rows.some((row) => row.seq === 301n), messages.isTip]).toEqual([true, true]);
  });

  it("how far the other one of a direct conversation has read", async () => {
    const direct = server.direct("ada", "bob");
    server.say(direct, "ada", "hi");
    let read = -1n;
    function Chat() {
      read = usePeerRead(direct);
      return null;
    }
    await draw(<Chat />);
    await until(() => ada.conversation(direct).get()?.tipSeq).toBe(1n);
    expect(read).toBe(0n);
    bob.markRead(direct, 1n);
    await until(() => read).toBe(1n);
  });

  it("another conversation never shows rows of the one before", async () => {
    const other = server.group("other", ["ada"]);
    server.say(conv, "bob", "of the team");
    server.say(other, "ada", "of the other");
    const shown = new Map<bigint, Set<string>>();
    function Chat({ id }: { readonly id: bigint }) {
      const { rows } = useMessages(id);
      const held = shown.get(id) ?? new Set<string>();
      for (const text of textsOf(rows)) held.add(text);
      shown.set(id, held);
      return null;
    }
    await draw(<Chat id={conv} />);
    await until(() => [...(shown.get(conv) ?? [])]).toEqual(["of the team"]);
    await draw(<Chat id={other} />);
    await until(() => [...(shown.get(other) ?? [])]).toEqual(["of the other"]);
    expect([...(shown.get(conv) ?? [])]).toEqual(["of the team"]);
  });

  it("draws on a server, and says where the provider is missing", () => {
    const List = () => <b>{useConversations().lines.length}</b>;
    expect(renderToString(<TenonProvider client={ada}><List /></TenonProvider>)).toMatch(/<b>\d<\/b>/);
    expect(() => renderToString(<List />)).toThrow("no TenonProvider");
  });
});
