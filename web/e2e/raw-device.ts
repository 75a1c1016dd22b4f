//! A device without an app, run inside a page: sends what an app would never send.

import { CallRecord, Card, Content, Custom, Image, Send, Sticker } from "@tenon/wire";
import { freshTicket, Host, MemoryStore, type Notice, type Settled, signIn, socketUrl, textMessage, webSocketTo } from "@tenon/client";

/** Sends strange messages into the first group of `name`; gives how each ended. */
export async function sendStrange(name: string, password: string): Promise<{ what: string; code: number }[]> {
  const session = await signIn("", { name, password, label: "raw" });
  const settled = new Map<bigint, Settled>();
  let conv = 0n;
  let changed: () => void = () => undefined;
  const heard = (notice: Notice): void => {
    if (notice.type === "lines") conv = notice.lines.at(0)?.conv ?? conv;
    if (notice.type === "event" && notice.event.type === "settled") settled.set(notice.event.settled.local, notice.event.settled);
    changed();
  };
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await new Promise<void>((resolve) => (changed = resolve));
  };
  const host = await Host.open({ stores: new MemoryStore(), connect: webSocketTo(socketUrl("", location.href)), getTicket: () => freshTicket(session) }, heard);
  await until(() => conv !== 0n);
  const body = (text: string) => textMessage(conv, text).body;
  const strange: readonly (readonly [string, Send])[] = [
    ["a kind from the future", Send.of({ conv, kind: 777, body: body("from the future") })],
    ["the highest kind", Send.of({ conv, kind: 0xffff, body: body("highest") })],
    ["a body that is no message", Send.of({ conv, kind: 1, body: Uint8Array.from([0xff, 0xff, 0xff, 0xff]) })],
    ["a sticker of nowhere", Send.of({ conv, kind: 13, body: Content.encode(Content.of({ what: { case: "sticker", value: Sticker.of({ code: "x" }) }, fallback: "[sticker]" })) })],
    ["a card", Send.of({ conv, kind: 9, body: Content.encode(Content.of({ what: { case: "card", value: Card.of({ data: "{not json", summary: "s" }) }, fallback: "[card]" })) })],
    ["a custom message", Send.of({ conv, kind: 12, body: Content.encode(Content.of({ what: { case: "custom", value: Custom.of({ type: "org.example.none", data: Uint8Array.from([0, 255]) }) } })) })],
    ["an image of nothing", Send.of({ conv, kind: 4, body: Content.encode(Content.of({ what: { case: "image", value: Image.of({ width: 0xffff_ffff }) } })) })],
    ["a call", Send.of({ conv, kind: 15, body: Content.encode(Content.of({ what: { case: "call", value: CallRecord.of({}) } })) })],
    ["a sealed message", Send.of({ conv, kind: 64, body: Uint8Array.from([1, 2, 3, 255]) })],
    ["an empty content", Send.of({ conv, kind: 1, body: Content.encode(Content.of({})) })],
    ["no body", Send.of({ conv, kind: 1, body: new Uint8Array(0) })],
    ["a reply to nothing", Send.of({ ...textMessage(conv, "a reply to nothing"), replySeq: 999_999n })],
    ["a mention of nobody", textMessage(conv, "@x", [{ user: 0xffff_ffff_ffffn, start: 0, len: 2 }])],
    ["a mention out of the text", textMessage(conv, "@", [{ user: 1n, start: 50, len: 5_000 }])],
    ["a text that can be read", textMessage(conv, "a text that can be read")],
  ];
  const ended: { what: string; code: number }[] = [];
  for (const [what, send] of strange) {
    const answer = await host.ask({ type: "send", send, after: 0n });
    if (answer.type === "queued") {
      await until(() => settled.has(answer.local));
      ended.push({ what, code: settled.get(answer.local)?.code ?? -1 });
    } else if (answer.type === "refused") ended.push({ what, code: answer.info.code });
  }
  host.close();
  return ended;
}
