//! Steps: what the server says no to, and with which code.

import { Collection, Content, Edit, flag, GetCollection, GetHistory, messageKind, method, opType, React, Recall, RemoveDevice, Send, Sticker } from "@tenon/wire";
import { textMessage } from "../../src/index.js";
import type { Step } from "./script.js";
import { codeText, fate, type Seat, type World } from "./world.js";

/** Sends and waits for the outcome. */
async function sent(w: World, seat: Seat, send: Send): Promise<string> {
  let local = 0n;
  const queued = await fate(seat.client.send(send).then((given) => (local = given)));
  if (queued !== "ok") return `${queued} at once`;
  await w.until(() => seat.settled.has(local), "it is settled");
  return codeText(seat.settled.get(local)?.code ?? -1);
}

/** A text whose body has exactly this many bytes. */
function ofSize(conv: bigint, bytes: number): Send {
  const about = textMessage(conv, "x".repeat(bytes));
  return textMessage(conv, "x".repeat(2 * bytes - about.body.length));
}

/** Refusals. */
export const refusals: readonly Step[] = [
  {
    name: "direct conversations that are refused",
    act: async (w) => {
      const { client } = w.seat("ada");
      w.note(`with oneself: ${await fate(client.openDirect(w.id("ada")))}`);
      w.note(`with nobody: ${await fate(client.openDirect(0xdead_beefn))}`);
    },
  },
  {
    name: "groups that are refused",
    act: async (w) => {
      const { client } = w.seat("ada");
      w.note(`with nobody: ${await fate(client.createGroup("g", [0xdead_beefn]))}`);
      w.note(`long name: ${await fate(client.createGroup("x".repeat(300), []))}`);
      w.note(`a name with a line end: ${await fate(client.createGroup("a\nb", []))}`);
      w.note(`too many: ${await fate(client.createGroup("g", Array.from({ length: 501 }, (_, n) => BigInt(n + 1))))}`);
    },
  },
  {
    name: "a stranger sends into a group, and asks for it",
    act: async (w) => {
      const dan = await w.join("dan");
      const [team, closed] = [w.conv("team"), w.conv("closed")];
      w.note(`sends: ${await sent(w, dan, textMessage(team, "who are you"))}`);
      w.note(`sends twice: ${await sent(w, dan, textMessage(closed, "let me in"))}, ${await sent(w, dan, textMessage(closed, "please"))}`);
      w.note(`adds himself: ${await fate(dan.client.addMembers(team, [w.id("dan")]))}`);
      w.note(`leaves: ${await fate(dan.client.leave(team))}`);
      w.note(`asks for one message: ${await fate(dan.client.message(team, 1n))}`);
      const body = GetHistory.encode(GetHistory.of({ conv: team, limit: 10 }));
      w.note(`asks for history: ${await fate(dan.client["request"](method.GET_HISTORY, body, GetHistory))}`);
      w.note(`pins: ${await fate(dan.client.setPinned(team, true))}`);
    },
  },
  {
    name: "a conversation that does not exist",
    act: async (w) => {
      const ada = w.seat("ada");
      w.note(`sent to: ${await sent(w, ada, textMessage(424_242n, "anybody"))}`);
      w.note(`left: ${await fate(ada.client.leave(424_242n))}`);
      w.note(`read: ${await fate(ada.client.message(424_242n, 1n))}`);
      w.note(`pinned: ${await fate(ada.client.setPinned(424_242n, true))}`);
      w.note(`none at all: ${await sent(w, ada, textMessage(0n, "nowhere"))}`);
    },
  },
  {
    name: "messages at and above the bounds",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      w.note(`the largest: ${await sent(w, ada, ofSize(team, 32 * 1024))}`);
      w.note(`one byte more: ${await sent(w, ada, ofSize(team, 32 * 1024 + 1))}`);
      const names = (n: number) => ({ ...textMessage(team, `${n} names`), mentions: Array.from({ length: n }, (_, user) => BigInt(user + 1)) });
      w.note(`101 mentions: ${await sent(w, ada, names(101))}`);
    },
  },
  {
    name: "bodies that are none",
    act: async (w) => {
      const [ada, conv] = [w.seat("ada"), w.conv("team")];
      const text = textMessage(conv, "a text").body;
      const sticker = Content.encode(Content.of({ what: { case: "sticker", value: Sticker.of({ code: "x" }) } }));
      w.note(`no kind: ${await sent(w, ada, Send.of({ conv, kind: 0, body: text }))}`);
      w.note(`another kind: ${await sent(w, ada, Send.of({ conv, kind: messageKind.IMAGE, body: text }))}`);
      w.note(`a kind from the future: ${await sent(w, ada, Send.of({ conv, kind: 777, body: text }))}`);
      w.note(`no message: ${await sent(w, ada, Send.of({ conv, kind: 1, body: Uint8Array.from([255, 255, 255]) }))}`);
      w.note(`an empty content: ${await sent(w, ada, Send.of({ conv, kind: 1, body: Content.encode(Content.of({})) }))}`);
      w.note(`no body: ${await sent(w, ada, Send.of({ conv, kind: 1 }))}`);
      w.note(`a sticker: ${await sent(w, ada, Send.of({ conv, kind: messageKind.STICKER, body: sticker }))}`);
      w.note(`sealed: ${await sent(w, ada, Send.of({ conv, kind: messageKind.SEALED, body: Uint8Array.from([1, 2, 255]) }))}`);
      w.note(`an answer to what is not there: ${await sent(w, ada, textMessage(conv, "reply", [], 9_999n))}`);
      w.note(`for some only: ${await sent(w, ada, { ...textMessage(conv, "psst"), to: [w.id("bob")] })}`);
      w.note(`flags of the server: ${await sent(w, ada, { ...textMessage(conv, "flags"), flags: 0xffff & ~flag.VOID })}`);
    },
  },
  {
    name: "changes of messages, which are not built",
    act: async (w) => {
      const [{ client }, team] = [w.seat("ada"), w.conv("team")];
      w.note(`edit: ${await fate(client.edit(team, 1n, textMessage(team, "uno")))}`);
      w.note(`recall: ${await fate(client.recall(team, 1n))}`);
      w.note(`react: ${await fate(client.react(team, 1n, "+1", true))}`);
      w.note(`in the user's chain: ${await fate(client["op"](0n, opType.EDIT, Edit, Edit.of({ seq: 1n })))}, ${await fate(client["op"](0n, opType.RECALL, Recall, Recall.of({ seq: 1n })))}`);
      w.note(`of the user in a conversation: ${await fate(client["op"](team, opType.REMOVE_DEVICE, RemoveDevice, { device: 1n }))}`);
      w.note(`a type of the future: ${await fate(client["op"](team, 4_000, React, { seq: 1n, code: "x", on: true }))}`);
    },
  },
  {
    name: "questions that are not answered",
    act: async (w) => {
      const { client } = w.seat("ada");
      const body = (collection: Collection) => GetCollection.encode(GetCollection.of({ collection, limit: 10 }));
      w.note(`another collection: ${await fate(client["request"](method.GET_COLLECTION, body(Collection.BLOCKS), GetCollection))}`);
      w.note(`a method of the future: ${await fate(client["request"](4_000, body(Collection.DEVICES), GetCollection))}`);
      w.note(`a body that is none: ${await fate(client["request"](method.GET_HISTORY, Uint8Array.from([255, 255]), GetCollection))}`);
      w.note(`51 names: ${await fate(client.findUsers(Array.from({ length: 51 }, (_, n) => `u${n}`)))}`);
    },
  },
];
