//! What a device may ask. Every answer is of one moment of the town; every body is judged as the real server judges it.

import {
  Collection, CollectionItem, CollectionPage, ConvDiff, ConvDiffAnswer, ConvDiffAnswers, ConvItems, ConvListPage, ConvReset, ConvTooLong, DeviceInfo, EMPTY, Entities, Entity, EntityKind, errorCode, eventType, GetCollection,
  GetConvDiff, GetConvDiffs, GetConvItems, GetConvList, GetEntities, GetHistory, GetMessages, GetRoster, HistoryPage, LookupSend, type MessageRow, type MessageType, method, NamedId, ResolvedNames, ResolveNames, RosterPage, SendOutcome, Status, utf8,
} from "@tenon/wire";
import { compare } from "../numbers.js";
import { bodyOf } from "./commands.js";
import { LIMITS } from "./limits.js";
import { type Conversation, type Device, inside, partOf, type Town, tipRev, type User } from "./town.js";
import { eventFor, itemOf, rowFor, tipOf } from "./views.js";

/** The answer's body, or the wire code of the refusal. */
export type Reply = Uint8Array | number;

/** What a question needs beside its body. */
interface Asker {
  readonly town: Town;
  readonly device: Device;
  readonly user: User;
  readonly isOnline: (device: Device) => boolean;
}

type Question = (asker: Asker, body: Uint8Array) => Reply;

/** A question with a body of this type. */
const of = <T>(type: MessageType<T>, reply: (asker: Asker, ask: T) => Reply): Question => (asker, body) => {
  const ask = bodyOf(type, body);
  return ask === undefined ? errorCode.bad_message : reply(asker, ask);
};

/** Rows of a page of history, and lines of a page of the list, unless the device says otherwise. */
const [HISTORY_ROWS, LIST_LINES] = [30, 20];
/** Messages that come with `tooLong`. */
const NEWEST = 20n;

const bounded = (wanted: number, usual: number, max: number): number => Math.min(wanted || usual, max);

/** A conversation that the user is a member of now. */
function own(town: Town, user: User, conv: bigint): Conversation | undefined {
  const c = town.conversations.get(conv);
  return c && partOf(c, user.id) ? c : undefined;
}

/** One page of the conversations of a user, newest first; `token` is where the page before ended. */
export function listPage(town: Town, user: User, token: Uint8Array, limit: number): ConvListPage {
  const all = [...town.conversations.values()].filter((c) => partOf(c, user.id)).sort((a, b) => compare(b.lastTs, a.lastTs) || compare(a.id, b.id));
  const after = new TextDecoder().decode(token).split(" ").map(BigInt);
  const [ts, id] = [after[0] ?? 0n, after[1] ?? 0n];
  const rest = token.length === 0 ? all : all.filter((c) => c.lastTs < ts || (c.lastTs === ts && c.id > id));
  const page = rest.slice(0, bounded(limit, LIST_LINES, LIMITS.LIST_LINES));
  const last = page.at(-1);
  const next = last && page.length < rest.length ? utf8(`${last.lastTs} ${last.id}`) : EMPTY;
  return ConvListPage.of({ items: page.flatMap((c) => itemOf(c, user) ?? []), next, done: next.length === 0 });
}

function listOf({ town, user }: Asker, ask: GetConvList): Reply {
  if (ask.filter > 1 || ask.folder !== 0n) return errorCode.kind_refused;
  return ConvListPage.encode(listPage(town, user, ask.token, ask.limit));
}

/** The change of one conversation. `undefined`: it is absent. */
function diffOf(town: Town, user: User, want: GetConvDiff): ConvDiffAnswer | undefined {
  const c = own(town, user, want.conv);
  const part = c && partOf(c, user.id);
  if (c === undefined || part === undefined) return undefined;
  const tip = tipRev(c);
  if (want.sinceRev > tip) return ConvDiffAnswer.of({ what: { case: "reset", value: ConvReset.of({ conv: c.id, validToRev: tip, validToSeq: c.seq }) } });
  const { joinRev } = part.member;
  const isFar = tip - want.sinceRev > BigInt(LIMITS.DIFF_BEHIND);
  if (isFar || want.sinceRev + 1n < joinRev) return tooLong(c, user, joinRev);
  const limit = bounded(want.limit, LIMITS.DIFF_EVENTS, LIMITS.DIFF_EVENTS);
  const read = c.events.slice(Number(want.sinceRev), Number(want.sinceRev) + limit);
  const toRev = want.sinceRev + BigInt(read.length);
  const visible = read.filter((event) => (event.type === eventType.MESSAGE ? event.seq > part.floorSeq : event.rev >= joinRev));
  const value = ConvDiff.of({ conv: c.id, fromRev: want.sinceRev, toRev, final: toRev >= tip, events: visible.map((event) => eventFor(event, user)), tipRev: tip, tipSeq: c.seq, tipCnt: c.cnt });
  return ConvDiffAnswer.of({ what: { case: "diff", value } });
}

function tooLong(c: Conversation, user: User, joinRev: bigint): ConvDiffAnswer {
  const oldest = tipRev(c) - BigInt(LIMITS.DIFF_BEHIND);
  const last = rowsOf(c, user, c.seq > NEWEST ? c.seq - NEWEST + 1n : 1n, c.seq);
  const value = ConvTooLong.of({ item: itemOf(c, user), last, oldestRev: oldest > joinRev - 1n ? oldest : joinRev - 1n });
  return ConvDiffAnswer.of({ what: { case: "tooLong", value } });
}

function rowsOf(c: Conversation, user: User, lo: bigint, hi: bigint): MessageRow[] {
  const rows: MessageRow[] = [];
  for (let seq = lo; seq <= hi; seq += 1n) rows.push(...[rowFor(c, user, seq)].flatMap((row) => row ?? []));
  return rows;
}

/** The seqs of `from..to`, in that direction, up to the bounds of one page; gives the last one. */
function pageEnd(c: Conversation, from: bigint, to: bigint, limit: number): bigint {
  const step = from <= to ? 1n : -1n;
  let bytes = 0;
  let seq = from;
  for (let n = 1; seq !== to && n < limit; n++) {
    bytes += c.rows.get(seq)?.body.length ?? 0;
    if (bytes >= LIMITS.PAGE_BYTES) break;
    seq += step;
  }
  return seq;
}

function historyOf({ town, user }: Asker, ask: GetHistory): Reply {
  const c = own(town, user, ask.conv);
  const part = c && partOf(c, user.id);
  if (c === undefined || part === undefined) return errorCode.absent;
  if (ask.minRev > tipRev(c)) return errorCode.fence_ahead;
  const low = (ask.aboveSeq > part.floorSeq ? ask.aboveSeq : part.floorSeq) + 1n;
  const high = ask.belowSeq === 0n || ask.belowSeq > c.seq ? c.seq : ask.belowSeq - 1n;
  const shared = { conv: c.id, asOfRev: tipRev(c), stable: true };
  const isFloor = low <= part.floorSeq + 1n;
  if (low > high) return HistoryPage.encode(HistoryPage.of({ ...shared, loSeq: low, hiSeq: high, floor: isFloor }));
  const limit = bounded(ask.limit, HISTORY_ROWS, LIMITS.HISTORY_ROWS);
  const [lo, hi] = ask.upward ? [low, pageEnd(c, low, high, limit)] : [pageEnd(c, high, low, limit), high];
  return HistoryPage.encode(HistoryPage.of({ ...shared, loSeq: lo, hiSeq: hi, normal: rowsOf(c, user, lo, hi), floor: isFloor && lo === low }));
}

function messagesOf({ town, user }: Asker, ask: GetMessages): Reply {
  if (ask.pids.length > 0) return errorCode.kind_refused;
  const c = own(town, user, ask.conv);
  if (c === undefined) return errorCode.absent;
  if (ask.minRev > tipRev(c)) return errorCode.fence_ahead;
  const normal = [...new Set(ask.seqs)].sort(compare).flatMap((seq) => rowFor(c, user, seq) ?? []);
  return HistoryPage.encode(HistoryPage.of({ conv: c.id, loSeq: 1n, asOfRev: tipRev(c), normal, stable: true }));
}

function itemsOf({ town, user }: Asker, { convs, tipsOnly }: GetConvItems): Reply {
  const found = convs.flatMap((conv) => own(town, user, conv) ?? []);
  const absent = convs.filter((conv) => own(town, user, conv) === undefined);
  const items = tipsOnly ? [] : found.flatMap((c) => itemOf(c, user) ?? []);
  return ConvItems.encode(ConvItems.of({ items, tips: tipsOnly ? found.map(tipOf) : [], absent }));
}

function outcomeOf({ town, device, user }: Asker, { conv, deviceEpoch, n }: LookupSend): Reply {
  if (conv !== 0n && !town.conversations.get(conv)?.members.has(user.id)) return errorCode.absent;
  const { found, expect } = town.lookUp(device, conv, deviceEpoch, n);
  const fields = found ? { status: found.code === 0 ? Status.OK : Status.REJECTED, seq: found.seq, rev: found.rev, messageId: found.id, code: found.code } : {};
  return SendOutcome.encode(SendOutcome.of({ ...fields, expect }));
}

function rosterOf({ town, user }: Asker, ask: GetRoster): Reply {
  const c = own(town, user, ask.conv);
  if (c === undefined) return errorCode.absent;
  if (ask.next.length !== 0 && ask.next.length !== 8) return errorCode.bad_message;
  const after = ask.next.length === 0 ? 0n : new DataView(ask.next.slice().buffer).getBigUint64(0);
  const all = [...c.members.values()].filter(({ isIn, member }) => member.user > after && (ask.sinceVer === 0n ? isIn : member.ver > ask.sinceVer));
  const lines = all.map(({ member }) => member).sort((a, b) => compare(a.user, b.user));
  const members = lines.slice(0, bounded(ask.limit, LIMITS.ROSTER_LINES, LIMITS.ROSTER_LINES));
  const next = new Uint8Array(members.length < lines.length ? 8 : 0);
  if (next.length > 0) new DataView(next.buffer).setBigUint64(0, members.at(-1)?.user ?? 0n);
  return RosterPage.encode(RosterPage.of({ fromVer: ask.sinceVer, toVer: c.rosterVer, full: ask.sinceVer === 0n, members, next, total: inside(c).length }));
}

const QUESTIONS: Readonly<Record<number, Question>> = {
  [method.GET_CONV_LIST]: of(GetConvList, listOf),
  [method.GET_CONV_DIFF]: of(GetConvDiff, ({ town, user }, want) => {
    if (want.only !== 0) return errorCode.kind_refused;
    const answer = diffOf(town, user, want);
    return answer ? ConvDiffAnswer.encode(answer) : errorCode.absent;
  }),
  [method.GET_CONV_DIFFS]: of(GetConvDiffs, ({ town, user }, { wants }) => {
    if (wants.some((want) => want.only !== 0)) return errorCode.kind_refused;
    // An answer without `what` keeps the order: that conversation is absent.
    return ConvDiffAnswers.encode({ answers: wants.map((want) => diffOf(town, user, want) ?? ConvDiffAnswer.of({})) });
  }),
  [method.GET_CONV_ITEMS]: of(GetConvItems, itemsOf),
  [method.GET_HISTORY]: of(GetHistory, historyOf),
  [method.GET_MESSAGES]: of(GetMessages, messagesOf),
  [method.LOOKUP_SEND]: of(LookupSend, outcomeOf),
  [method.GET_ROSTER]: of(GetRoster, rosterOf),
  [method.RESOLVE_NAMES]: of(ResolveNames, ({ town }, { users, groups }) => {
    const named = (name: string) => NamedId.of({ name, id: town.named(name)?.id ?? 0n });
    return ResolvedNames.encode({ users: users.map(named), groups: groups.map((name) => NamedId.of({ name })) });
  }),
  [method.GET_ENTITIES]: of(GetEntities, ({ town }, { wanted }) => {
    const known = wanted.filter(({ kind, ver }) => kind === EntityKind.USER && ver !== 1n).flatMap(({ id }) => town.users.get(id) ?? []);
    return Entities.encode({ entities: known.map(({ id, name }) => Entity.of({ kind: EntityKind.USER, id, ver: 1n, org: 1n, name, title: name })) });
  }),
  [method.GET_COLLECTION]: of(GetCollection, ({ town, user, isOnline }, { collection }) => {
    if (collection !== Collection.DEVICES) return errorCode.kind_refused;
    const mine = [...town.devices.values()].filter((device) => device.user === user && !device.isRemoved);
    const info = (device: Device) => DeviceInfo.of({ device: device.id, kind: 4, name: device.label, lastSeenMs: device.seenMs, online: isOnline(device) });
    return CollectionPage.encode(CollectionPage.of({ collection, full: true, items: mine.map((device) => CollectionItem.of({ id: device.id, body: DeviceInfo.encode(info(device)) })) }));
  }),
};

/** Answers a question of a device; a method that this server does not have is refused. */
export function answer(town: Town, device: Device, asked: number, body: Uint8Array, isOnline: (device: Device) => boolean): Reply {
  const question = QUESTIONS[asked];
  return question === undefined ? errorCode.kind_refused : question({ town, device, user: device.user, isOnline }, body);
}
