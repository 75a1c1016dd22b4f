//! The JSON form `tenon.v1.json`: one envelope or an array of at most 64.
//!
//! Standard proto3 JSON, with one extension: where a `body` has a known type by `kind`, `type` or `method`, the object
//! carries `"content": {...}` instead. Unknown and sealed bodies stay base64. Input may use either, not both.

import { decodeBounded } from "./bounds.js";
import { WireError } from "./fault.js";
import { encodeFrame, type Frame } from "./frame.js";
import { ephemeralBodies, eventBodies, opBodies, requestBodies, responseBodies } from "./gen/bodies.js";
import * as schema from "./gen/messages.js";
import { Envelope } from "./gen/messages.js";
import { kind, messageKind } from "./gen/number.js";
import type { Field, MessageType } from "./message.js";

/** Most envelopes in one text. */
export const ENVELOPES_MAX = 64;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };
type Loose = Record<string, unknown>;
/** Tells the method of the request with an id, for the bodies of responses. */
export type MethodOf = (id: number) => number | undefined;

const bad = (text: string) => new WireError("bad_message", text);
const isObject = (value: Json | undefined): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

const types = new Map<string, MessageType<unknown>>();
for (const value of Object.values(schema)) {
  if (typeof value === "object" && "fields" in value) types.set(value.name, value as MessageType<unknown>);
}

function typeNamed(name: string): MessageType<unknown> {
  const type = types.get(name);
  if (type === undefined) throw bad(`no message ${name}`);
  return type;
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(value: Json): Uint8Array {
  if (typeof value !== "string") throw bad("bytes are a base64 text");
  try {
    const text = atob(value.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (c) => c.charCodeAt(0));
  } catch {
    throw bad("bytes are a base64 text");
  }
}

function scalarToJson(type: MessageType<unknown>, field: Field, value: unknown): Json {
  switch (field.code) {
    case "U":
    case "F":
      return (value as bigint).toString();
    case "B":
      return toBase64(value as Uint8Array);
    case "e":
      return type.namesOf(field)[value as number] ?? (value as number);
    case "d":
      return Number.isFinite(value) ? (value as number) : Number.isNaN(value) ? "NaN" : (value as number) > 0 ? "Infinity" : "-Infinity";
    case "M":
      return valueToJson(type.typeOf(field), value as Loose);
    case "m":
      return { ...(value as Record<string, string>) };
    default:
      return value as Json;
  }
}

function isDefault(value: unknown): boolean {
  if (value === undefined || value === 0 || value === 0n || value === false || value === "") return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return false;
}

function valueToJson(type: MessageType<unknown>, value: Loose): JsonObject {
  const out: JsonObject = {};
  for (const field of type.fields) {
    if (field.oneof) {
      const arm = value[field.oneof] as { case: string; value: unknown } | undefined;
      if (arm?.case === field.name) out[field.name] = scalarToJson(type, field, arm.value);
      continue;
    }
    const held = value[field.name];
    if (isDefault(held) || (field.code === "m" && Object.keys(held as object).length === 0)) continue;
    out[field.name] = field.repeated ? (held as unknown[]).map((item) => scalarToJson(type, field, item)) : scalarToJson(type, field, held);
  }
  return out;
}

function integer(value: Json, max: bigint): bigint {
  const text = typeof value === "number" && Number.isInteger(value) ? BigInt(value).toString() : value;
  if (typeof text !== "string" || !/^\d+$/.test(text) || BigInt(text) > max) throw bad("not an integer of this size");
  return BigInt(text);
}

function double(value: Json): number {
  const out = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof out !== "number" || (Number.isNaN(out) && value !== "NaN")) throw bad("not a number");
  return out;
}

function textMap(value: Json): Record<string, string> {
  if (!isObject(value)) throw bad("a map is an object");
  const entries = Object.entries(value);
  if (entries.some(([, text]) => typeof text !== "string")) throw bad("a map holds texts");
  return Object.fromEntries(entries) as Record<string, string>;
}

function enumFromJson(names: readonly string[], value: Json): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  const index = typeof value === "string" ? names.indexOf(value) : -1;
  if (index < 0) throw bad("no such enum value");
  return index;
}

function scalarFromJson(type: MessageType<unknown>, field: Field, value: Json): unknown {
  switch (field.code) {
    case "U":
    case "F":
      return integer(value, 0xffff_ffff_ffff_ffffn);
    case "u":
    case "f":
      return Number(integer(value, 0xffff_ffffn));
    case "B":
      return fromBase64(value);
    case "e":
      return enumFromJson(type.namesOf(field), value);
    case "d":
      return double(value);
    case "M":
      return valueFromJson(type.typeOf(field), value);
    case "m":
      return textMap(value);
    default:
      if (typeof value !== (field.code === "b" ? "boolean" : "string")) throw bad(`${field.name} has another type`);
      return value;
  }
}

function valueFromJson(type: MessageType<unknown>, json: Json): Loose {
  if (!isObject(json)) throw bad(`${type.name} is an object`);
  const out = type.of() as Loose;
  for (const field of type.fields) {
    const snake = field.name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
    const value = json[field.name] ?? json[snake];
    if (value === undefined || value === null) continue;
    if (field.repeated && !Array.isArray(value)) throw bad(`${field.name} is an array`);
    const read = field.repeated ? (value as Json[]).map((item) => scalarFromJson(type, field, item)) : scalarFromJson(type, field, value);
    if (!field.oneof) out[field.name] = read;
    else if (out[field.oneof] === undefined) out[field.oneof] = { case: field.name, value: read };
    else throw bad(`${field.oneof} is set twice`);
  }
  return out;
}

const KIND_BODY = new Set(["Send", "MessageRow", "Edit", "ForwardLine"]);
const HAS_BODY = new Set([...KIND_BODY, "SyncEvent", "Op", "Ephemeral", "ReadRequest", "ReadResponse"]);

function numberOf(object: JsonObject, name: string): number {
  const value = object[name];
  return typeof value === "number" || typeof value === "string" ? Number(value) || 0 : 0;
}

/** The type of `object.body` if `message` has a body whose type is known. */
function bodyType(message: string, object: JsonObject, method: number | undefined): string | undefined {
  const messageKindHere = numberOf(object, "kind");
  if (KIND_BODY.has(message)) {
    return messageKindHere >= messageKind.TEXT && messageKindHere <= messageKind.CALL_RECORD ? "Content" : undefined;
  }
  switch (message) {
    case "SyncEvent":
      return messageKindHere === messageKind.SEALED ? undefined : eventBodies[numberOf(object, "type")];
    case "Op":
      return opBodies[numberOf(object, "type")];
    case "Ephemeral":
      return ephemeralBodies[numberOf(object, "type")];
    case "ReadRequest":
      return requestBodies[numberOf(object, "method")];
    case "ReadResponse":
      return method === undefined ? undefined : responseBodies[method];
    default:
      return undefined;
  }
}

function eachNested(type: MessageType<unknown>, object: JsonObject, act: (inner: MessageType<unknown>, value: JsonObject) => void): void {
  for (const field of type.fields) {
    if (field.code !== "M") continue;
    const held = object[field.name];
    for (const value of Array.isArray(held) ? held : [held]) if (isObject(value)) act(type.typeOf(field), value);
  }
}

/** Replaces `body` by `content` in `object` and all that it holds, where the type is known and the bytes are of it. */
function openBodies(type: MessageType<unknown>, object: JsonObject, method: number | undefined): void {
  eachNested(type, object, (inner, value) => openBodies(inner, value, method));
  const name = bodyType(type.name, object, method);
  if (name === undefined || object["body"] === undefined) return;
  const bodyTypeHere = typeNamed(name);
  let content: JsonObject;
  try {
    content = valueToJson(bodyTypeHere, bodyTypeHere.decode(fromBase64(object["body"])) as Loose);
  } catch {
    return;
  }
  openBodies(bodyTypeHere, content, undefined);
  delete object["body"];
  object["content"] = content;
}

/** Replaces `content` by `body` in `object` and all that it holds. */
function closeBodies(type: MessageType<unknown>, object: JsonObject, method: number | undefined): void {
  eachNested(type, object, (inner, value) => closeBodies(inner, value, method));
  const content = object["content"];
  if (!HAS_BODY.has(type.name) || content === undefined) return;
  const name = bodyType(type.name, object, method);
  if (name === undefined) throw bad("content of unknown type: set kind, type or method, or use body");
  if (object["body"] !== undefined) throw bad("an object has both body and content");
  const bodyTypeHere = typeNamed(name);
  if (isObject(content)) closeBodies(bodyTypeHere, content, undefined);
  delete object["content"];
  object["body"] = toBase64(bodyTypeHere.encode(valueFromJson(bodyTypeHere, content)));
}

/** The proto3 JSON of one message; bodies stay base64. */
export const messageToJson = <T>(type: MessageType<T>, value: T): Record<string, unknown> => valueToJson(type as MessageType<unknown>, value as Loose);

/** A message from its proto3 JSON. @throws WireError `bad_message` */
export const messageFromJson = <T>(type: MessageType<T>, json: unknown): T => valueFromJson(type as MessageType<unknown>, json as Json) as T;

const anyEnvelope = Envelope as MessageType<unknown>;

/** Writes one envelope as an object, several as an array. @throws WireError above 64 */
export function toJson(envelopes: readonly Envelope[], methodOf: MethodOf): string {
  if (envelopes.length > ENVELOPES_MAX) throw bad("at most 64 envelopes");
  const values = envelopes.map((envelope) => {
    const value = valueToJson(anyEnvelope, envelope as unknown as Loose);
    openBodies(anyEnvelope, value, methodOf(envelope.id));
    return value;
  });
  return JSON.stringify(values.length === 1 ? values[0] : values);
}

/** Reads one envelope or an array of them. @throws WireError `bad_message`; nothing of the text is used then */
export function fromJson(text: string, methodOf: MethodOf): Envelope[] {
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch {
    throw bad("not JSON");
  }
  const values = Array.isArray(parsed) ? parsed : [parsed];
  if (values.length > ENVELOPES_MAX || !values.every(isObject)) throw bad("expected one envelope or an array of at most 64");
  return values.map((value) => {
    closeBodies(anyEnvelope, value, methodOf(numberOf(value, "id")));
    return valueFromJson(anyEnvelope, value) as unknown as Envelope;
  });
}

const armByKind = new Map<number, Field>(anyEnvelope.fields.filter((f) => f.oneof).map((f) => [f.number, f]));

/** The envelope of a plain frame; lists are judged as in the binary form. @throws WireError */
export function envelopeOf(frame: Frame): Envelope {
  if (frame.comp !== 0) throw new WireError("bad_compression", "bad compression");
  const arm = armByKind.get(frame.kind);
  if (arm === undefined) throw new WireError("unknown_kind", `unknown frame kind ${frame.kind}`);
  const value = decodeBounded(anyEnvelope.typeOf(arm), frame.payload);
  return Envelope.of({ id: frame.id, last: frame.last, frame: { case: arm.name, value } as NonNullable<Envelope["frame"]> });
}

/** The frame of an envelope. Only a response may be a piece; of others `last` is not asked. @throws WireError */
export function frameOfEnvelope(envelope: Envelope): Uint8Array {
  const arm = [...armByKind.values()].find((field) => field.name === envelope.frame?.case);
  if (arm === undefined || envelope.frame === undefined) throw bad("envelope without a known frame");
  const last = arm.number !== kind.RESPONSE || envelope.last;
  return encodeFrame(arm.number, envelope.id, anyEnvelope.typeOf(arm).encode(envelope.frame.value), last);
}
