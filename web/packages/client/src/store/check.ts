//! Whether stored rows have the shape that this version writes: the engine trusts them afterwards.

import type { MessageRow } from "@tenon/wire";
import { type ConversationRow, newConversation, type Loaded } from "../rows.js";
import { StoreDamaged } from "../store.js";

type Kind = "bigint" | "number" | "boolean" | "flag" | "string" | "object" | "bytes" | "list" | "maybe";
type Shape<T> = { readonly [K in keyof Required<T>]: Kind };

const device: Shape<NonNullable<Loaded["device"]>> = {
  device: "bigint", deviceEpoch: "number", connCtr: "bigint", nextOpSeq: "bigint", user: "bigint", org: "bigint", nextLocal: "bigint", nextEvent: "bigint", needsEpoch: "boolean",
};
const stream: Shape<Loaded["streams"][number]> = { unit: "number", queueEpoch: "number", pts: "bigint", rebaseReason: "number", generation: "bigint", rebase: "maybe" };
const outbox: Shape<Loaded["outbox"][number]> = {
  local: "bigint", conv: "bigint", deviceEpoch: "number", n: "bigint", send: "maybe", op: "maybe", after: "bigint", firstAtMs: "number", isVoid: "boolean", voidCode: "number", isDoubtful: "flag",
};
const read: Shape<Loaded["reads"][number]> = { conv: "bigint", upToSeq: "bigint", upToPcnt: "bigint" };
const event: Shape<Loaded["events"][number]> = { n: "bigint", what: "object" };
const span: Shape<Loaded["intervals"][number]> = { conv: "bigint", intervals: "list" };
const message: Partial<Shape<MessageRow>> = { seq: "bigint", ver: "bigint", cnt: "bigint", sender: "bigint", ts: "bigint", kind: "number", flags: "number", body: "bytes", mentions: "list", reactions: "list", replySeq: "bigint" };

/** A new row says what kind every field of a conversation has; what it leaves undefined may be anything or nothing. */
const conversation = Object.fromEntries(Object.entries(newConversation(0n)).map(([name, value]) => [name, value === undefined ? "maybe" : typeof value])) as Record<string, Kind>;

function isKind(value: unknown, kind: Kind): boolean {
  if (kind === "maybe") return value === undefined || (typeof value === "object" && value !== null);
  if (kind === "flag") return value === undefined || typeof value === "boolean";
  if (kind === "bytes") return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
  if (kind === "list") return Array.isArray(value);
  return value !== null && typeof value === kind;
}

/** Fields of each shape; they are asked for once a row. */
const fields = new WeakMap<object, readonly (readonly [string, Kind])[]>();

function fieldsOf(shape: Readonly<Record<string, Kind>>): readonly (readonly [string, Kind])[] {
  const held = fields.get(shape) ?? Object.entries(shape);
  fields.set(shape, held);
  return held;
}

function check(table: string, row: unknown, shape: Readonly<Record<string, Kind>>): void {
  if (typeof row !== "object" || row === null) throw new StoreDamaged(`${table} holds no row`);
  for (const [name, kind] of fieldsOf(shape)) {
    if (!isKind((row as Record<string, unknown>)[name], kind)) throw new StoreDamaged(`${table}.${name} is no ${kind}`);
  }
}

/** The same rows. @throws StoreDamaged with the first field that is not what it must be */
export function checkLoaded(loaded: Loaded): Loaded {
  if (loaded.device !== undefined) check("device", loaded.device, device);
  for (const row of loaded.streams) check("stream", row, stream);
  for (const row of loaded.outbox) check("outbox", row, outbox);
  for (const row of loaded.reads) check("read", row, read);
  for (const row of loaded.events) check("event", row, event);
  checkConversations(loaded.conversations);
  checkIntervals(loaded.intervals);
  const isBegun = loaded.streams.length + loaded.conversations.length + loaded.outbox.length > 0;
  if (isBegun && loaded.device === undefined) throw new StoreDamaged("rows without a device");
  return loaded;
}

/** The same rows. @throws StoreDamaged */
export function checkConversations(rows: ConversationRow[]): ConversationRow[] {
  for (const row of rows) check("conversation", row, conversation);
  return rows;
}

/** The same rows. @throws StoreDamaged */
export function checkIntervals(rows: Loaded["intervals"]): Loaded["intervals"] {
  for (const row of rows) check("interval", row, span);
  return rows;
}

/** The same rows. @throws StoreDamaged */
export function checkMessages(rows: MessageRow[]): MessageRow[] {
  for (const row of rows) check("message", row, message as Record<string, Kind>);
  return rows;
}
