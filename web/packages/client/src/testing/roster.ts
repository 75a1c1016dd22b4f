//! Members come, go and have roles; how a group is read follows their number.

import { ConvKind, ConversationAdded, ConversationRemoved, errorCode, eventType, Member, MembersChanged, Mode, ModeChanged, ReadState, role, Summary } from "@tenon/wire";
import { LIMITS } from "./limits.js";
import { type Conversation, inside, isHead, type Membership, type Outcome, outcome, partOf, rejected, type Town, tipRev, type User } from "./town.js";
import { bareItem } from "./views.js";

/** Why members changed, as told in the event. */
const REASON = { CREATED: 1, ADDED: 2, LEFT: 4, REMOVED: 5, ROLE: 6 } as const;

/** The first members of a conversation. */
export function born(town: Town, c: Conversation, users: readonly User[], by: User | undefined): void {
  for (const user of users) c.members.set(user.id, membershipOf(user, user.id === c.owner ? role.OWNER : role.MEMBER, 1n));
  c.rosterVer = 0n;
  tellRoster(town, c, users.map((user) => user.id), by?.id ?? 0n, REASON.CREATED);
  tellAdded(town, c, users, by?.id ?? 0n, REASON.CREATED);
}

const membershipOf = (user: User, as: number, joinRev: bigint): Membership => ({
  member: Member.of({ user: user.id, org: 1n, role: as, joinRev, ver: joinRev }),
  isIn: true,
  floorSeq: 0n,
  floorCnt: 0n,
  read: ReadState.of({}),
  summary: Summary.of({}),
});

/** Why the members of `c` may not be changed by `user`; 0 = they may. */
function rosterRefusal(c: Conversation, user: User, named: number): number {
  if (c.kind === ConvKind.DIRECT) return errorCode.policy;
  if (named > LIMITS.MEMBERS_PER_COMMAND) return errorCode.too_many;
  const own = partOf(c, user.id);
  if (own === undefined) return errorCode.not_member;
  return isHead(own) ? 0 : errorCode.role_required;
}

/** Adds users; those who are in already are passed over. */
export function add(town: Town, c: Conversation, by: User, users: readonly User[]): Outcome {
  const refused = rosterRefusal(c, by, users.length);
  if (refused !== 0) return rejected(refused);
  const fresh = [...new Set(users)].filter((user) => partOf(c, user.id) === undefined);
  if (fresh.length === 0) return outcome({ rev: tipRev(c) });
  const rev = tipRev(c) + 1n;
  for (const user of fresh) c.members.set(user.id, comeIn(c, user, rev));
  tellRoster(town, c, fresh.map((user) => user.id), by.id, REASON.ADDED);
  tellAdded(town, c, fresh, by.id, REASON.ADDED);
  flipMode(town, c);
  return outcome({ rev });
}

/** Who was in before comes back with the reading of then, and with what came meanwhile not counted. */
function comeIn(c: Conversation, user: User, rev: bigint): Membership {
  const before = c.members.get(user.id);
  const fresh = membershipOf(user, role.MEMBER, rev);
  const floorSeq = c.isHistoryVisible ? (before?.floorSeq ?? 0n) : c.seq;
  return { ...fresh, ...(before && { read: before.read, summary: before.summary }), floorSeq, floorCnt: c.cnt };
}

/** Removes users; those who are not in are passed over. */
export function remove(town: Town, c: Conversation, by: User, ids: readonly bigint[]): Outcome {
  const refused = rosterRefusal(c, by, ids.length);
  if (refused !== 0) return rejected(refused);
  const acting = partOf(c, by.id)?.member.role ?? role.GUEST;
  const gone = inside(c).filter((id) => ids.includes(id));
  const isAbove = gone.some((id) => id !== by.id && (partOf(c, id)?.member.role ?? role.GUEST) <= acting);
  if (isAbove) return rejected(errorCode.role_required);
  return gone.length === 0 ? outcome({ rev: tipRev(c) }) : depart(town, c, gone, by, REASON.REMOVED);
}

/** Takes the user out by the user's own wish. */
export function leave(town: Town, c: Conversation, user: User): Outcome {
  if (c.kind === ConvKind.DIRECT) return rejected(errorCode.policy);
  if (partOf(c, user.id) === undefined) return rejected(errorCode.not_member);
  return depart(town, c, [user.id], user, REASON.LEFT);
}

function depart(town: Town, c: Conversation, gone: readonly bigint[], by: User, reason: number): Outcome {
  const lastRev = tipRev(c);
  const rev = lastRev + 1n;
  const changed = [...gone];
  for (const id of gone) {
    const held = c.members.get(id);
    if (held) Object.assign(held, { isIn: false, member: { ...held.member, ver: rev, gone: true } });
  }
  if (gone.includes(c.owner)) changed.push(...inherit(c, rev));
  tellRoster(town, c, changed, by.id, reason);
  for (const id of gone) {
    const user = town.users.get(id);
    const body = ConversationRemoved.encode({ reason, lastRev, by: by.id });
    if (user) town.tell(user, { type: eventType.CONVERSATION_REMOVED, conv: c.id, sender: by.id, body });
  }
  flipMode(town, c);
  return outcome({ rev });
}

/** An owner who goes leaves the group to the admin, else the member, who has been in longest. */
function inherit(c: Conversation, rev: bigint): bigint[] {
  const heirs = inside(c).flatMap((id) => partOf(c, id)?.member ?? []);
  heirs.sort((a, b) => a.role - b.role || Number(a.joinRev - b.joinRev) || (a.user < b.user ? -1 : 1));
  const heir = heirs[0];
  c.owner = heir?.user ?? 0n;
  const held = c.members.get(c.owner);
  if (held === undefined) return [];
  held.member = { ...held.member, role: role.OWNER, ver: rev };
  return [c.owner];
}

/** Gives a role. Only the owner may; who makes somebody owner becomes admin. */
export function setRole(town: Town, c: Conversation, by: User, user: bigint, as: number): Outcome {
  if (c.kind === ConvKind.DIRECT) return rejected(errorCode.role_required);
  const acting = partOf(c, by.id);
  if (acting === undefined) return rejected(errorCode.not_member);
  if (acting.member.role !== role.OWNER) return rejected(errorCode.role_required);
  const target = partOf(c, user);
  if (target === undefined) return rejected(errorCode.target_unknown);
  if (user === by.id && as !== role.OWNER) return rejected(errorCode.policy);
  if (target.member.role === as) return outcome({ rev: tipRev(c) });
  const ver = tipRev(c) + 1n;
  target.member = { ...target.member, role: as, ver };
  const changed = [user];
  if (as === role.OWNER) {
    c.owner = user;
    acting.member = { ...acting.member, role: role.ADMIN, ver };
    changed.push(by.id);
  }
  return outcome({ rev: tellRoster(town, c, changed, by.id, REASON.ROLE) });
}

/** The event about these members; gives its rev. */
function tellRoster(town: Town, c: Conversation, ids: readonly bigint[], by: bigint, reason: number): bigint {
  const all = ids.flatMap((id) => c.members.get(id)?.member ?? []);
  const fromRosterVer = c.rosterVer;
  c.rosterVer = tipRev(c) + 1n;
  const members = all.slice(0, LIMITS.MEMBERS_PER_EVENT);
  const body = MembersChanged.encode(MembersChanged.of({ members, fromRosterVer, toRosterVer: c.rosterVer, memberCount: inside(c).length, by, reason, truncated: all.length > members.length }));
  return town.append(c, { type: eventType.MEMBERS_CHANGED, sender: by, body });
}

/** Tells newcomers that the conversation is in their list now. */
function tellAdded(town: Town, c: Conversation, users: readonly User[], by: bigint, reason: number): void {
  for (const user of users) {
    const body = ConversationAdded.encode(ConversationAdded.of({ item: bareItem(c, user), reason, by }));
    town.tell(user, { type: eventType.CONVERSATION_ADDED, conv: c.id, sender: by, body });
  }
}

/** Flips between queue and pull when the number of members passes a threshold; the flip is told to all by their queue. */
function flipMode(town: Town, c: Conversation): void {
  const memberCount = inside(c).length;
  const { queueModeMembersMax, pullModeMembersMin } = town.options;
  const mode = c.mode === Mode.QUEUE && memberCount > queueModeMembersMax ? Mode.PULL : c.mode === Mode.PULL && memberCount <= pullModeMembersMin ? Mode.QUEUE : c.mode;
  if (mode === c.mode) return;
  c.mode = mode;
  town.append(c, { type: eventType.MODE_CHANGED, body: ModeChanged.encode({ mode, memberCount }) }, { isQueued: true });
}
