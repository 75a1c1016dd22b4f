//! A device without an app, run inside a page: sends what an app would never send, and more than a person would.

import { CallRecord, Card, Content, ConvKind, ConvMeta, CreateConversation, Custom, Image, method, Op, opType, ResolvedNames, ResolveNames, Send, Sticker } from "@tenon/wire";
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

/** Groups that are made at once. */
const AT_ONCE = 100;

/**
 * Makes `count` groups, "Group 0" and so on, with the user `member`, then writes a line into each of `spoken`, one after the
 * other.
 */
export async function makeGroups(name: string, password: string, member: string, count: number, spoken: readonly number[]): Promise<void> {
  const session = await signIn("", { name, password, label: "raw" });
  const settled = new Map<bigint, (settled: Settled) => void>();
  const early = new Map<bigint, Settled>();
  const heard = (notice: Notice): void => {
    if (notice.type !== "event" || notice.event.type !== "settled") return;
    const one = notice.event.settled;
    early.set(one.local, one);
    settled.get(one.local)?.(one);
  };
  const host = await Host.open({ stores: new MemoryStore(), connect: webSocketTo(socketUrl("", location.href)), getTicket: () => freshTicket(session) }, heard);
  const done = async (answer: Awaited<ReturnType<Host["ask"]>>): Promise<Settled> => {
    if (answer.type !== "queued") throw new Error(answer.type);
    const one = early.get(answer.local) ?? (await new Promise<Settled>((resolve) => settled.set(answer.local, resolve)));
    if (one.code !== 0) throw new Error(`refused with ${one.code}`);
    return one;
  };
  const found = await host.ask({ type: "request", method: method.RESOLVE_NAMES, body: ResolveNames.encode({ users: [member], groups: [] }) });
  const other = found.type === "response" ? (ResolvedNames.decode(found.body).users[0]?.id ?? 0n) : 0n;
  const make = async (n: number): Promise<bigint> => {
    const meta = ConvMeta.of({ kind: ConvKind.GROUP, title: `Group ${n}` });
    const body = CreateConversation.encode({ meta, members: [other], joinPolicy: 0 });
    return (await done(await host.ask({ type: "op", op: Op.of({ type: opType.CREATE_CONVERSATION, body }), after: 0n }))).id;
  };
  const convs: bigint[] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => make(from + n));
    convs.push(...(await Promise.all(some)));
  }
  for (const n of spoken) await done(await host.ask({ type: "send", send: textMessage(convs[n] ?? 0n, `line of ${n}`), after: 0n }));
  host.close();
}

/** A line of the list as a new device of `name` has it from the server. */
export interface Listed {
  readonly conv: string;
  readonly title: string;
  readonly sortMs: number;
  readonly unread: number;
}

/** The whole list of `name`, in no order. */
export async function listOf(name: string, password: string): Promise<Listed[]> {
  const session = await signIn("", { name, password, label: "raw" });
  const lines = new Map<bigint, Listed>();
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const heard = (notice: Notice): void => {
    if (notice.type === "listComplete") end();
    if (notice.type !== "lines") return;
    for (const { conv, meta, sortTs, unread } of notice.lines) lines.set(conv, { conv: `${conv}`, title: meta?.title ?? "", sortMs: Number(sortTs), unread: Number(unread) });
  };
  const host = await Host.open({ stores: new MemoryStore(), connect: webSocketTo(socketUrl("", location.href)), getTicket: () => freshTicket(session) }, heard);
  await ended;
  host.close();
  return [...lines.values()];
}
