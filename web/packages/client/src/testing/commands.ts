//! Messages, and what is done to a conversation: who may, what follows, and with which code it is refused.

import {
  AddMembers, Content, ConvKind, ConversationChanged, ConvMeta, decodeBounded, errorCode, eventType, flag, Leave, MentionPointer, messageKind, MessageRow, type MessageType, Mode, type Op, opType, ReadState, RemoveMembers, role,
  type Send, SetConversation, SetRole, TransferOwner, utf8, WireError,
} from "@tenon/wire";
import { changeMessage } from "./changes.js";
import { LIMITS } from "./limits.js";
import { add, leave, remove, setRole } from "./roster.js";
import { type Conversation, inside, isHead, type Outcome, outcome, partOf, rejected, type Sender, type Town, tipRev, type User } from "./town.js";

/** The body, if it is one of its type within all bounds. */
export function bodyOf<T>(type: MessageType<T>, bytes: Uint8Array): T | undefined {
  try {
    return decodeBounded(type, bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

const KINDS: Readonly<Record<string, number>> = {
  text: messageKind.TEXT, rich: messageKind.RICH, markdown: messageKind.MARKDOWN, image: messageKind.IMAGE, file: messageKind.FILE, voice: messageKind.VOICE, video: messageKind.VIDEO, location: messageKind.LOCATION,
  card: messageKind.CARD, mergeForward: messageKind.MERGE_FORWARD, notice: messageKind.NOTICE, custom: messageKind.CUSTOM, sticker: messageKind.STICKER, contactCard: messageKind.CONTACT_CARD, call: messageKind.CALL_RECORD,
};

/** True if the body is a content of this kind, or sealed. */
function isBodyOf(kind: number, body: Uint8Array): boolean {
  if (kind === messageKind.SEALED) return true;
  const what = bodyOf(Content, body)?.what;
  return what !== undefined && KINDS[what.case] === kind;
}

/** Why a message is refused; 0 = it is not. */
export function refusalOf(c: Conversation, user: User, send: Send): number {
  if (!isBodyOf(send.kind, send.body)) return errorCode.bad_body;
  if (send.body.length > LIMITS.BODY_BYTES) return errorCode.too_large;
  if (send.mentions.length > LIMITS.MENTIONS) return errorCode.too_many;
  if (send.to.length > 0) return errorCode.policy;
  if (partOf(c, user.id) === undefined) return errorCode.not_member;
  return send.replySeq > c.seq ? errorCode.target_unknown : 0;
}

/** Puts a message behind the last one. */
export function place(town: Town, c: Conversation, user: User, send: Send, sender: Sender | undefined): Outcome {
  c.seq += 1n;
  c.cnt += 1n;
  const { seq, cnt } = c;
  const id = town.takeId();
  const now = town.now();
  // Display time strictly rises with seq.
  const ts = seq > 1n && now <= c.lastTs ? c.lastTs + 1n : now;
  c.lastTs = ts;
  const key = sender === undefined ? {} : { cid: sender.n, device: sender.device.id, deviceEpoch: sender.epoch };
  const flags = send.flags & flag.OF_DEVICE & ~flag.VOID;
  const expiresMs = send.expiresInS === 0 ? 0n : now + BigInt(send.expiresInS) * 1_000n;
  const shared = { seq, cnt, messageId: id, sender: user.id, ts, kind: send.kind, flags, body: send.body.slice(), replySeq: send.replySeq, mentions: [...send.mentions], expiresMs, ...key };
  const ver = tipRev(c) + 1n;
  c.rows.set(seq, MessageRow.of({ ...shared, ver }));
  const own = partOf(c, user.id);
  if (own) own.read = ReadState.of({ readSeq: seq, readCnt: cnt, atMs: ts });
  if (flags & flag.MENTION_ALL) c.mentionAllSeq = seq;
  const rev = town.append(c, { type: eventType.MESSAGE, ver, ...shared });
  if (c.mode === Mode.PULL) pointMentions(town, c, send, rev, seq);
  return outcome({ seq, rev, id, ts, cnt });
}

/** In a group that is read by pull a mention is the one thing that goes to a queue. */
function pointMentions(town: Town, c: Conversation, send: Send, rev: bigint, seq: bigint): void {
  for (const id of inside(c).filter((member) => send.mentions.includes(member))) {
    const user = town.users.get(id);
    if (user) town.tell(user, { type: eventType.MENTION, conv: c.id, body: MentionPointer.encode({ rev, seq, all: false }) });
  }
}

/** A message of somebody who is not connected, for tests: nothing is checked. */
export const say = (town: Town, c: Conversation, user: User, send: Send): Outcome => place(town, c, user, send, undefined);

/** The rules of names. */
export function titleRefusal(title: string): number {
  if (utf8(title).length > LIMITS.TITLE_BYTES) return errorCode.too_large;
  return /\p{Cc}/u.test(title) ? errorCode.bad_body : 0;
}

/** Users by id, if all of them have an account. */
export function accounts(town: Town, ids: readonly bigint[]): User[] | undefined {
  const found = ids.flatMap((id) => town.users.get(id) ?? []);
  return found.length === ids.length ? found : undefined;
}

/** A command about what all members share. */
export function act(town: Town, c: Conversation, op: Op, sender: Sender): Outcome {
  const { user } = sender.device;
  const { body } = op;
  const bad = rejected(errorCode.bad_body);
  switch (op.type) {
    case opType.SET_CONVERSATION:
      return rename(town, c, user, bodyOf(SetConversation, body));
    case opType.ADD_MEMBERS: {
      const wish = bodyOf(AddMembers, body);
      if (wish === undefined) return bad;
      const users = accounts(town, wish.users);
      return users ? add(town, c, user, users) : rejected(errorCode.target_unknown);
    }
    case opType.REMOVE_MEMBERS: {
      const wish = bodyOf(RemoveMembers, body);
      return wish === undefined || wish.block ? bad : remove(town, c, user, wish.users);
    }
    case opType.LEAVE:
      return bodyOf(Leave, body) ? leave(town, c, user) : bad;
    case opType.SET_ROLE: {
      const wish = bodyOf(SetRole, body);
      return wish && wish.role >= role.OWNER && wish.role <= role.GUEST ? setRole(town, c, user, wish.user, wish.role) : bad;
    }
    case opType.TRANSFER_OWNER: {
      const wish = bodyOf(TransferOwner, body);
      return wish ? setRole(town, c, user, wish.user, role.OWNER) : bad;
    }
    case opType.EDIT:
    case opType.RECALL:
    case opType.REACT:
      if (!town.options.changes) return bad;
      return partOf(c, user.id) ? changeMessage(town, c, op, sender) : rejected(errorCode.not_member);
    default:
      return bad;
  }
}

/** Bit of `SetConversation.mask`. */
const MASK_TITLE = 1;

function rename(town: Town, c: Conversation, user: User, wish: SetConversation | undefined): Outcome {
  if (wish === undefined || wish.mask !== MASK_TITLE) return rejected(errorCode.bad_body);
  const title = wish.meta?.title ?? "";
  const refused = titleRefusal(title);
  if (refused !== 0) return rejected(refused);
  const own = partOf(c, user.id);
  if (c.kind === ConvKind.DIRECT) return rejected(errorCode.policy);
  if (own === undefined) return rejected(errorCode.not_member);
  if (!isHead(own)) return rejected(errorCode.role_required);
  if (title === "") return rejected(errorCode.bad_body);
  c.title = title;
  c.metaVer = tipRev(c) + 1n;
  const body = ConversationChanged.encode({ meta: ConvMeta.of({ ver: c.metaVer, title }), mask: MASK_TITLE, by: user.id });
  return outcome({ rev: town.append(c, { type: eventType.CONVERSATION_CHANGED, sender: user.id, body }) });
}
