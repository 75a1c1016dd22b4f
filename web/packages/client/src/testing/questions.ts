//! What a device may ask. Every answer is of one moment of the town.

import {
  Collection, CollectionItem, CollectionPage, ConvDiff, ConvDiffAnswer, ConvDiffAnswers, ConvItems, ConvListPage, DeviceInfo, Entities, Entity, EntityKind, errorCode, GetCollection, GetConvDiff, GetConvDiffs, GetConvItems,
  GetEntities, GetHistory, GetMessages, GetRoster, HistoryPage, LookupSend, method, type MessageRow, NamedId, ResolvedNames, ResolveNames, RosterPage, SendOutcome, Status,
} from "@tenon/wire";
import { compare } from "../numbers.js";
import type { Conversation, Device, Town, User } from "./town.js";

/** The answer's body, or the wire code of the refusal. */
export type Reply = Uint8Array | number;

type Question = (town: Town, device: Device, body: Uint8Array, isOnline: (device: Device) => boolean) => Reply;

/** Events of one difference. */
const DIFF_MAX = 200;

/** A conversation that the user is a member of. */
function own(town: Town, user: User, conv: bigint): Conversation | undefined {
  const c = town.conversations.get(conv);
  return c?.members.has(user.id) ? c : undefined;
}

/** Every conversation of a user, newest first. */
export function listOf(town: Town, user: User): ConvListPage {
  const all = [...town.conversations.values()].filter((c) => c.members.has(user.id)).sort((a, b) => compare(b.sortTs, a.sortTs) || compare(a.id, b.id));
  return ConvListPage.of({ items: all.flatMap((c) => town.item(c, user) ?? []), done: true });
}

function diffOf(town: Town, user: User, want: GetConvDiff): ConvDiffAnswer | undefined {
  const c = own(town, user, want.conv);
  if (c === undefined) return undefined;
  const limit = Math.min(want.limit || DIFF_MAX, DIFF_MAX);
  const events = c.events.slice(Number(want.sinceRev), Number(want.sinceRev) + limit).map((event) => town.eventFor(event, user));
  const tipRev = BigInt(c.events.length);
  const toRev = want.sinceRev + BigInt(events.length);
  const value = ConvDiff.of({ conv: c.id, fromRev: want.sinceRev, toRev, final: toRev >= tipRev, events, tipRev, tipSeq: c.seq, tipCnt: c.seq });
  return ConvDiffAnswer.of({ what: { case: "diff", value } });
}

function historyOf(town: Town, user: User, ask: GetHistory): Reply {
  const c = own(town, user, ask.conv);
  const membership = c?.members.get(user.id);
  if (c === undefined || membership === undefined) return errorCode.not_member;
  const top = ask.belowSeq === 0n || ask.belowSeq > c.seq ? c.seq : ask.belowSeq - 1n;
  const bottom = (ask.aboveSeq > membership.floorSeq ? ask.aboveSeq : membership.floorSeq) + 1n;
  const limit = BigInt(ask.limit || 50);
  const reach = (from: bigint, to: bigint) => (from > to ? { lo: 0n, hi: 0n } : { lo: from, hi: to });
  const wide = top - bottom + 1n <= limit;
  const { lo, hi } = wide ? reach(bottom, top) : ask.upward ? reach(bottom, bottom + limit - 1n) : reach(top - limit + 1n, top);
  const normal: MessageRow[] = [];
  for (let seq = lo; seq > 0n && seq <= hi; seq += 1n) normal.push(...[town.rowFor(c, user, seq)].flatMap((row) => row ?? []));
  return HistoryPage.encode(HistoryPage.of({ conv: c.id, loSeq: lo, hiSeq: hi, asOfRev: BigInt(c.events.length), normal, floor: lo <= membership.floorSeq + 1n, stable: true }));
}

const QUESTIONS: Readonly<Record<number, Question>> = {
  [method.GET_CONV_LIST]: (town, { user }) => ConvListPage.encode(listOf(town, user)),
  [method.GET_CONV_DIFF]: (town, { user }, body) => {
    const answer = diffOf(town, user, GetConvDiff.decode(body));
    return answer ? ConvDiffAnswer.encode(answer) : errorCode.not_member;
  },
  [method.GET_CONV_DIFFS]: (town, { user }, body) => {
    const answers = GetConvDiffs.decode(body).wants.map((want) => diffOf(town, user, want));
    return answers.every((answer) => answer !== undefined) ? ConvDiffAnswers.encode({ answers }) : errorCode.not_member;
  },
  [method.GET_CONV_ITEMS]: (town, { user }, body) => {
    const { convs } = GetConvItems.decode(body);
    const items = convs.flatMap((conv) => {
      const c = own(town, user, conv);
      return (c && town.item(c, user)) ?? [];
    });
    const absent = convs.filter((conv) => own(town, user, conv) === undefined);
    return ConvItems.encode(ConvItems.of({ items, absent }));
  },
  [method.GET_HISTORY]: (town, { user }, body) => historyOf(town, user, GetHistory.decode(body)),
  [method.GET_MESSAGES]: (town, { user }, body) => {
    const { conv, seqs } = GetMessages.decode(body);
    const c = own(town, user, conv);
    if (c === undefined) return errorCode.not_member;
    const normal = seqs.flatMap((seq) => town.rowFor(c, user, seq) ?? []);
    return HistoryPage.encode(HistoryPage.of({ conv, asOfRev: BigInt(c.events.length), normal, stable: true }));
  },
  [method.LOOKUP_SEND]: (town, device, body) => {
    const { conv, deviceEpoch, n } = LookupSend.decode(body);
    const found = town.lookUp(device, conv, deviceEpoch, n);
    const fields = found ? { status: found.status as Status, seq: found.seq, rev: found.rev, messageId: found.id, code: found.code } : { status: Status.RETRY };
    return SendOutcome.encode(SendOutcome.of(fields));
  },
  [method.GET_ROSTER]: (town, { user }, body) => {
    const c = own(town, user, GetRoster.decode(body).conv);
    if (c === undefined) return errorCode.not_member;
    const members = [...c.members.values()].map((one) => one.member);
    return RosterPage.encode(RosterPage.of({ toVer: c.rosterVer, full: true, members, total: members.length }));
  },
  [method.RESOLVE_NAMES]: (town, _, body) => {
    const find = (name: string) => [...town.users.values()].find((user) => user.name === name)?.id ?? 0n;
    return ResolvedNames.encode({ users: ResolveNames.decode(body).users.map((name) => NamedId.of({ name, id: find(name) })), groups: [] });
  },
  [method.GET_ENTITIES]: (town, _, body) => {
    const known = GetEntities.decode(body).wanted.flatMap(({ id }) => town.users.get(id) ?? []);
    return Entities.encode({ entities: known.map(({ id, name }) => Entity.of({ kind: EntityKind.USER, id, ver: 1n, name, title: name })) });
  },
  [method.GET_COLLECTION]: (town, { user }, body, isOnline) => {
    const { collection } = GetCollection.decode(body);
    if (collection !== Collection.DEVICES) return CollectionPage.encode(CollectionPage.of({ collection, full: true }));
    const mine = [...town.devices.values()].filter((device) => device.user === user && !device.isRemoved);
    const items = mine.map((device) => CollectionItem.of({ id: device.id, ver: 1n, body: DeviceInfo.encode(DeviceInfo.of({ device: device.id, kind: 4, name: device.label, online: isOnline(device) })) }));
    return CollectionPage.encode(CollectionPage.of({ collection, full: true, items }));
  },
};

/** Answers a question of a device; a method that this server does not have is refused. */
export function answer(town: Town, device: Device, asked: number, body: Uint8Array, isOnline: (device: Device) => boolean): Reply {
  const question = QUESTIONS[asked];
  return question === undefined ? errorCode.kind_refused : question(town, device, body, isOnline);
}
