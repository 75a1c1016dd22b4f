//! Limits that the schemas state in comments, checked where a received message is decoded.

import { Content } from "./gen/messages.js";
import type { MessageType } from "./message.js";
import { utf8 } from "./bytes.js";
import { WireError } from "./fault.js";

/** Depth of forwards inside forwards. */
const FORWARD_DEPTH_MAX = 3;

const BOUNDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Hello: { cursors: 8, dictIds: 4, auth: 1024 },
  Watch: { open: 4, presence: 200 },
  Send: { mentions: 100, to: 100 },
  ReadMarks: { marks: 64 },
  EventBatch: { events: 256 },
  ConvTips: { tips: 64 },
  GetConvDiffs: { wants: 50 },
  GetConvItems: { convs: 100 },
  GetMessages: { seqs: 100, pids: 100 },
  GetDigest: { ranges: 64 },
  GetEntities: { wanted: 200 },
  GetReceipts: { seqs: 50 },
  GetPresence: { users: 200 },
  ResolveNames: { users: 50, groups: 50 },
  Edit: { mentions: 100 },
  React: { code: 64 },
  AddMembers: { users: 200 },
  RemoveMembers: { users: 200 },
  PutSetting: { value: 4096 },
  CreateConversation: { members: 500 },
};

function check(field: string, length: number, max: number): void {
  if (length > max) throw new WireError("bad_message", `field ${field} is above ${max}`);
}

/** Judges a decoded message. @throws WireError `bad_message` for the first field above its bound */
export function checkBounds(type: MessageType<unknown>, value: unknown): void {
  if (type.name === "Content") return checkContent(value as Content, FORWARD_DEPTH_MAX);
  for (const [field, max] of Object.entries(BOUNDS[type.name] ?? {})) {
    const held = (value as Record<string, unknown>)[field];
    if (typeof held === "string") check(field, utf8(held).length, max);
    else if (Array.isArray(held) || held instanceof Uint8Array) check(field, held.length, max);
    else if (held !== undefined) check(field, (held as { value: Uint8Array }).value.length, max);
  }
}

/** Decodes and judges. @throws WireError `bad_message` */
export function decodeBounded<T>(type: MessageType<T>, bytes: Uint8Array): T {
  const value = type.decode(bytes);
  checkBounds(type as MessageType<unknown>, value);
  return value;
}

function checkContent(content: Content, depth: number): void {
  check("spans", content.spans.length, 100);
  const what = content.what;
  if (what?.case === "rich") check("blocks", what.value.blocks.length, 200);
  if (what?.case === "voice") check("waveform", what.value.waveform.length, 128);
  if (what?.case === "card") check("data", utf8(what.value.data).length, 16 * 1024);
  if (what?.case !== "mergeForward") return;
  check("lines", what.value.lines.length, 100);
  if (depth === 0) throw new WireError("bad_message", `field merge_forward is above ${FORWARD_DEPTH_MAX}`);
  for (const line of what.value.lines) {
    let inner: Content;
    try {
      inner = Content.decode(line.body);
    } catch {
      // A line that does not decode is shown as unknown; it is not this message's fault.
      continue;
    }
    checkContent(inner, depth - 1);
  }
}
