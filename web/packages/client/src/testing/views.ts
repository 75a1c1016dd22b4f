//! How things of the town look to one user.

import { type ConvItem, ConvItem as ConvItemType, ConvKind, ConvMeta, ConvTip, eventType, flag, type MessageRow, type SyncEvent } from "@tenon/wire";
import { type Conversation, inside, partOf, tipRev, UNIT, type User } from "./town.js";

const flagsFor = (user: User, sender: bigint, mentions: readonly bigint[]): number =>
  (sender === user.id ? flag.OWN : 0) | (mentions.includes(user.id) ? flag.MENTION_ME : 0);

/** A row as this user may see it: the sender's key only for the sender. */
export function rowFor(c: Conversation, user: User, seq: bigint): MessageRow | undefined {
  const row = c.rows.get(seq);
  const own = partOf(c, user.id);
  if (row === undefined || own === undefined || seq <= own.floorSeq) return undefined;
  const flags = row.flags | flagsFor(user, row.sender, row.mentions);
  return row.sender === user.id ? { ...row, flags } : { ...row, flags, cid: 0n, device: 0n, deviceEpoch: 0 };
}

/** An event of a conversation as this user may see it. */
export function eventFor(event: SyncEvent, user: User): SyncEvent {
  const flags = event.type === eventType.MESSAGE ? event.flags | flagsFor(user, event.sender, event.mentions) : event.flags;
  return event.sender === user.id ? { ...event, flags } : { ...event, flags, cid: 0n, device: 0n, deviceEpoch: 0 };
}

/** The shared part of a conversation. */
export function metaOf(c: Conversation, user: User): ConvMeta {
  const peer = c.kind === ConvKind.DIRECT ? ([...c.members.keys()].find((id) => id !== user.id) ?? user.id) : 0n;
  return ConvMeta.of({ ver: c.metaVer, kind: c.kind as ConvKind, mode: c.mode, org: 1n, title: c.title, owner: c.owner, memberCount: inside(c).length, rosterVer: c.rosterVer, peer, unit: UNIT });
}

/** The line of a conversation without the newest message and the user's own settings, as a newcomer is told it. */
export function bareItem(c: Conversation, user: User): ConvItem | undefined {
  const own = partOf(c, user.id);
  if (own === undefined) return undefined;
  const readCnt = own.read.readCnt > own.floorCnt ? own.read.readCnt : own.floorCnt;
  const peer = c.kind === ConvKind.DIRECT ? [...c.members].find(([id]) => id !== user.id)?.[1] : undefined;
  return ConvItemType.of({
    conv: c.id,
    tipRev: tipRev(c),
    tipSeq: c.seq,
    tipCnt: c.cnt,
    floorSeq: own.floorSeq,
    floorCnt: own.floorCnt,
    read: own.read,
    unread: Number(c.cnt > readCnt ? c.cnt - readCnt : 0n),
    mentionSeq: c.mentionAllSeq,
    sortTs: c.lastTs,
    meta: metaOf(c, user),
    peerReadSeq: peer?.read.readSeq ?? 0n,
    joinRev: own.member.joinRev,
    role: own.member.role,
  });
}

/** The line of a conversation for one of its members. */
export function itemOf(c: Conversation, user: User): ConvItem | undefined {
  const item = bareItem(c, user);
  return item && { ...item, last: rowFor(c, user, c.seq), summary: partOf(c, user.id)?.summary };
}

/** How far a group is that is read by pull. */
export const tipOf = (c: Conversation): ConvTip => ConvTip.of({ conv: c.id, rev: tipRev(c), seq: c.seq, cnt: c.cnt, mentionAllSeq: c.mentionAllSeq, unit: UNIT });
