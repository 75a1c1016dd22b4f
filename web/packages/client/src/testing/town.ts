//! What the server knows: people, devices, conversations, queues. Everything is decided here, one command after the other.
//!
//! Takes decoded commands, gives outcomes, and puts events into the queues of users. Invariants are those of the real server
//! as far as a device can see them: seq and rev are dense, a number of a chain is used once, every event is in the queue of
//! every member. Not here: frames and links (`link.ts`), questions (`questions.ts`).

import {
  AddMembers, type ConvItem, ConvItem as ConvItemType, ConvKind, ConvMeta, ConversationAdded, ConversationChanged, CreateConversation, Edit, errorCode, eventType, flag, Member, MembersChanged, MessageRow, Mode, type Op, OpenDirect,
  opType, React, ReactionCount, ReactionsChanged, ReadMarked, ReadState, Recall, Recalled, Receipt, RemoveDevice, RemoveMembers, role, type Send, SetConversation, SetSummary, Status, Summary, SummaryChanged, SyncEvent, EMPTY,
} from "@tenon/wire";
import { tryDecode } from "../numbers.js";

/** The one unit of this server. */
export const UNIT = 1;

export interface User {
  readonly id: bigint;
  readonly name: string;
  /** Everything this user's devices hear, by pts - 1. */
  readonly queue: SyncEvent[];
  queueEpoch: number;
  /** A cursor below this must read the list anew. */
  trim: bigint;
}

export interface Device {
  readonly id: bigint;
  readonly user: User;
  readonly label: string;
  epoch: number;
  connCtr: bigint;
  isRemoved: boolean;
}

/** How a command ended, for SendAck and OpAck. */
export interface Outcome {
  readonly status: number;
  readonly code: number;
  readonly seq: bigint;
  readonly rev: bigint;
  readonly id: bigint;
  readonly ts: bigint;
  /** Of GAP: the number that is waited for. */
  readonly expect: bigint;
}

const outcome = (fields: Partial<Outcome>): Outcome => ({ status: Status.OK, code: 0, seq: 0n, rev: 0n, id: 0n, ts: 0n, expect: 0n, ...fields });
const rejected = (code: number): Outcome => outcome({ status: Status.REJECTED, code });

interface Chain {
  last: bigint;
  readonly kept: Map<bigint, { readonly digest: string; readonly outcome: Outcome }>;
}

interface Membership {
  member: Member;
  joinRev: bigint;
  floorSeq: bigint;
  read: ReadState;
  peerReadSeq: bigint;
  mentionSeq: bigint;
  summary: Summary;
}

export interface Conversation {
  readonly id: bigint;
  readonly kind: number;
  title: string;
  owner: bigint;
  readonly members: Map<bigint, Membership>;
  readonly events: SyncEvent[];
  readonly rows: Map<bigint, MessageRow>;
  readonly reactions: Map<bigint, Map<string, Set<bigint>>>;
  seq: bigint;
  rosterVer: bigint;
  sortTs: bigint;
}

/** Who sends, with which key. */
export interface Sender {
  readonly device: Device;
  readonly epoch: number;
  readonly n: bigint;
}

/** All there is. */
export class Town {
  readonly users = new Map<bigint, User>();
  readonly devices = new Map<bigint, Device>();
  readonly conversations = new Map<bigint, Conversation>();
  private readonly chains = new Map<string, Chain>();
  private nextId = 1_000n;

  /** `told`: the queue of a user grew. `removed`: a device may not come back. */
  constructor(
    private readonly clock: () => number,
    private readonly told: (user: User) => void,
    private readonly removed: (device: Device) => void,
    /** Messages may be edited, recalled and reacted to. */
    private readonly changes: boolean,
  ) {}

  takeId(): bigint {
    this.nextId += 1n;
    return this.nextId;
  }

  user(name: string): User {
    const held = [...this.users.values()].find((user) => user.name === name);
    if (held) return held;
    const user: User = { id: this.takeId(), name, queue: [], queueEpoch: 1, trim: 0n };
    this.users.set(user.id, user);
    return user;
  }

  addDevice(user: User, label: string): Device {
    const device: Device = { id: this.takeId(), user, label, epoch: 0, connCtr: 0n, isRemoved: false };
    this.devices.set(device.id, device);
    return device;
  }

  /** Takes the device from its user; its link ends. */
  removeDevice(device: Device): void {
    device.isRemoved = true;
    this.removed(device);
  }

  /** A group with its first member as owner. */
  makeGroup(title: string, members: readonly User[]): Conversation {
    return this.make(ConvKind.GROUP, title, members);
  }

  direct(one: User, other: User): Conversation {
    const held = [...this.conversations.values()].find((c) => c.kind === ConvKind.DIRECT && c.members.has(one.id) && c.members.has(other.id));
    return held ?? this.make(ConvKind.DIRECT, "", one === other ? [one] : [one, other]);
  }

  /** The chain rule: a number that was used gives its outcome again, the next one is decided, a later one waits. */
  private inChain(conv: bigint, sender: Sender, digest: string, isVoid: boolean, decide: () => Outcome): Outcome {
    const key = `${conv}/${sender.device.id}/${sender.epoch}`;
    const chain = this.chains.get(key) ?? { last: 0n, kept: new Map() };
    this.chains.set(key, chain);
    if (sender.n <= chain.last) {
      const kept = chain.kept.get(sender.n);
      if (kept === undefined || kept.digest !== digest) return rejected(errorCode.cid_reused);
      return { ...kept.outcome, status: Status.DUPLICATE };
    }
    if (sender.n > chain.last + 1n) return outcome({ status: Status.GAP, expect: chain.last + 1n });
    if (sender.epoch !== sender.device.epoch && !isVoid) return rejected(errorCode.cancelled);
    const decided = isVoid ? rejected(errorCode.cancelled) : decide();
    chain.last = sender.n;
    chain.kept.set(sender.n, { digest, outcome: decided });
    return decided;
  }

  /** The last number of the user's own chain. */
  lastOp(device: Device): bigint {
    return this.chains.get(`0/${device.id}/${device.epoch}`)?.last ?? 0n;
  }

  /** The outcome that was kept of a command; `undefined` if it was not decided. */
  lookUp(device: Device, conv: bigint, epoch: number, n: bigint): Outcome | undefined {
    return this.chains.get(`${conv}/${device.id}/${epoch}`)?.kept.get(n)?.outcome;
  }

  /** A message. `undefined`: the user never was a member, nothing was decided. */
  send(sender: Sender, send: Send): Outcome | undefined {
    const c = this.conversations.get(send.conv);
    const user = sender.device.user;
    if (c === undefined || !this.wasMember(c, user)) return undefined;
    const digest = JSON.stringify([send.kind, [...send.body], `${send.replySeq}`, send.mentions.map(String), send.flags & ~flag.VOID]);
    return this.inChain(c.id, sender, digest, (send.flags & flag.VOID) !== 0, () => {
      if (!c.members.has(user.id)) return rejected(errorCode.not_member);
      if (send.replySeq > c.seq) return rejected(errorCode.target_unknown);
      return this.place(c, user, send, sender);
    });
  }

  /** A message of somebody who is not connected, for tests. */
  say(c: Conversation, user: User, send: Send): Outcome {
    return this.place(c, user, send, undefined);
  }

  /** A command. `undefined`: the user never was a member, nothing was decided. */
  op(sender: Sender, op: Op): Outcome | undefined {
    const user = sender.device.user;
    const c = this.conversations.get(op.conv);
    if (op.conv !== 0n && (c === undefined || !this.wasMember(c, user))) return undefined;
    const digest = JSON.stringify([op.type, [...op.body]]);
    const isVoid = (op.flags & flag.VOID) !== 0;
    return this.inChain(op.conv, sender, digest, isVoid, () => {
      if (c === undefined) return this.ownOp(user, op.type, op.body);
      if (!c.members.has(user.id)) return rejected(errorCode.not_member);
      return this.sharedOp(c, user, op.type, op.body, sender);
    });
  }

  /** The user has read up to `seq`. */
  read(user: User, conv: bigint, seq: bigint, atMs: bigint): boolean {
    const c = this.conversations.get(conv);
    const own = c?.members.get(user.id);
    if (c === undefined || own === undefined) return false;
    const upTo = seq > c.seq ? c.seq : seq;
    if (upTo <= own.read.readSeq) return true;
    own.read = ReadState.of({ readSeq: upTo, readCnt: upTo, atMs });
    this.queue(user, SyncEvent.of({ type: eventType.READ_MARKED, conv, body: ReadMarked.encode({ read: own.read }) }));
    if (c.kind !== ConvKind.DIRECT) return true;
    for (const [id, peer] of c.members) {
      const other = this.users.get(id);
      if (other === undefined || other === user) continue;
      peer.peerReadSeq = upTo;
      this.queue(other, SyncEvent.of({ type: eventType.RECEIPT, conv, body: Receipt.encode(Receipt.of({ user: user.id, readSeq: upTo, atMs })) }));
    }
    return true;
  }

  /** The line of a conversation for one of its members. */
  item(c: Conversation, user: User): ConvItem | undefined {
    const own = c.members.get(user.id);
    if (own === undefined) return undefined;
    return ConvItemType.of({
      conv: c.id,
      tipRev: BigInt(c.events.length),
      tipSeq: c.seq,
      tipCnt: c.seq,
      floorSeq: own.floorSeq,
      floorCnt: own.floorSeq,
      read: own.read,
      mentionSeq: own.mentionSeq,
      last: this.rowFor(c, user, c.seq),
      sortTs: c.sortTs,
      summary: own.summary,
      meta: this.meta(c, user),
      peerReadSeq: own.peerReadSeq,
      joinRev: own.joinRev,
      role: own.member.role,
    });
  }

  meta(c: Conversation, user: User): ConvMeta {
    const peer = c.kind === ConvKind.DIRECT ? ([...c.members.keys()].find((id) => id !== user.id) ?? user.id) : 0n;
    return ConvMeta.of({ conv: c.id, ver: BigInt(c.events.length), kind: c.kind as ConvKind, mode: Mode.QUEUE, title: c.title, owner: c.owner, memberCount: c.members.size, rosterVer: c.rosterVer, peer, unit: UNIT });
  }

  /** A row as this user may see it: the sender's key only for the sender. */
  rowFor(c: Conversation, user: User, seq: bigint): MessageRow | undefined {
    const row = c.rows.get(seq);
    const own = c.members.get(user.id);
    if (row === undefined || own === undefined || seq <= own.floorSeq) return undefined;
    const isMine = row.sender === user.id;
    const flags = row.flags | this.flagsFor(user, row.sender, row.mentions, row.flags);
    return isMine ? { ...row, flags } : { ...row, flags, cid: 0n, device: 0n, deviceEpoch: 0 };
  }

  /** An event of a conversation as this user may see it. */
  eventFor(event: SyncEvent, user: User): SyncEvent {
    const flags = event.type === eventType.MESSAGE ? event.flags | this.flagsFor(user, event.sender, event.mentions, event.flags) : event.flags;
    return event.sender === user.id ? { ...event, flags } : { ...event, flags, cid: 0n, device: 0n, deviceEpoch: 0 };
  }

  private flagsFor(user: User, sender: bigint, mentions: readonly bigint[], flags: number): number {
    const isMine = sender === user.id;
    const isMentioned = !isMine && (mentions.includes(user.id) || (flags & flag.MENTION_ALL) !== 0);
    return (isMine ? flag.OWN : 0) | (isMentioned ? flag.MENTION_ME : 0);
  }

  private make(kind: number, title: string, users: readonly User[]): Conversation {
    const owner = kind === ConvKind.GROUP ? (users[0]?.id ?? 0n) : 0n;
    const c: Conversation = { id: this.takeId(), kind, title, owner, members: new Map(), events: [], rows: new Map(), reactions: new Map(), seq: 0n, rosterVer: 0n, sortTs: BigInt(this.clock()) };
    this.conversations.set(c.id, c);
    this.join(c, users, users[0]);
    return c;
  }

  private readonly past = new Map<bigint, Set<bigint>>();

  private wasMember(c: Conversation, user: User): boolean {
    return c.members.has(user.id) || (this.past.get(c.id)?.has(user.id) ?? false);
  }

  private join(c: Conversation, users: readonly User[], by: User | undefined): void {
    const fresh = users.filter((user) => !c.members.has(user.id));
    if (fresh.length === 0) return;
    const from = c.rosterVer;
    c.rosterVer += 1n;
    const joinRev = BigInt(c.events.length) + 1n;
    for (const user of fresh) {
      const isOwner = user.id === c.owner;
      const member = Member.of({ user: user.id, role: isOwner ? role.OWNER : role.MEMBER, joinRev, ver: c.rosterVer });
      const past = this.past.get(c.id) ?? new Set();
      this.past.set(c.id, past.add(user.id));
      c.members.set(user.id, { member, joinRev, floorSeq: 0n, read: ReadState.of({ readSeq: c.seq, readCnt: c.seq }), peerReadSeq: 0n, mentionSeq: 0n, summary: Summary.of({ conv: c.id, ver: 1n }) });
    }
    const members = fresh.flatMap((user) => c.members.get(user.id)?.member ?? []);
    const body = MembersChanged.encode(MembersChanged.of({ members, fromRosterVer: from, toRosterVer: c.rosterVer, memberCount: c.members.size, by: by?.id ?? 0n, reason: 1 }));
    const old = [...c.members.keys()].filter((id) => !fresh.some((user) => user.id === id));
    this.append(c, { type: eventType.MEMBERS_CHANGED, sender: by?.id ?? 0n, body }, old);
    for (const user of fresh) {
      const added = ConversationAdded.encode(ConversationAdded.of({ item: this.item(c, user), reason: 1, by: by?.id ?? 0n }));
      this.queue(user, SyncEvent.of({ type: eventType.CONVERSATION_ADDED, conv: c.id, body: added }));
    }
  }

  private part(c: Conversation, ids: readonly bigint[], by: User): void {
    const gone = ids.filter((id) => c.members.delete(id));
    if (gone.length === 0) return;
    const from = c.rosterVer;
    c.rosterVer += 1n;
    const members = gone.map((user) => Member.of({ user, ver: c.rosterVer, gone: true }));
    const body = MembersChanged.encode(MembersChanged.of({ members, fromRosterVer: from, toRosterVer: c.rosterVer, memberCount: c.members.size, by: by.id, reason: 2 }));
    this.append(c, { type: eventType.MEMBERS_CHANGED, sender: by.id, body });
    for (const id of gone) {
      const user = this.users.get(id);
      if (user) this.queue(user, SyncEvent.of({ type: eventType.CONVERSATION_REMOVED, conv: c.id }));
    }
  }

  private place(c: Conversation, user: User, send: Send, sender: Sender | undefined): Outcome {
    const seq = c.seq + 1n;
    const id = this.takeId();
    const ts = BigInt(this.clock());
    c.seq = seq;
    c.sortTs = ts;
    const key = sender === undefined ? {} : { cid: sender.n, device: sender.device.id, deviceEpoch: sender.epoch };
    const shared = { seq, cnt: seq, messageId: id, sender: user.id, ts, kind: send.kind, flags: send.flags & flag.OF_DEVICE & ~flag.VOID, body: send.body.slice(), replySeq: send.replySeq, mentions: [...send.mentions], ...key };
    const ver = BigInt(c.events.length) + 1n;
    c.rows.set(seq, MessageRow.of({ ...shared, ver }));
    const own = c.members.get(user.id);
    if (own) own.read = ReadState.of({ readSeq: seq, readCnt: seq, atMs: ts });
    for (const [member, held] of c.members) if (member !== user.id && (send.mentions.includes(member) || send.flags & flag.MENTION_ALL)) held.mentionSeq = seq;
    const rev = this.append(c, { type: eventType.MESSAGE, ver, ...shared });
    return outcome({ seq, rev, id, ts });
  }

  /** Puts an event behind the last one and into the queues of members; gives its rev. */
  private append(c: Conversation, fields: Partial<SyncEvent>, to: readonly bigint[] = [...c.members.keys()]): bigint {
    const rev = BigInt(c.events.length) + 1n;
    const event = SyncEvent.of({ conv: c.id, rev, ver: rev, ts: BigInt(this.clock()), ...fields });
    c.events.push(event);
    for (const id of to) {
      const user = this.users.get(id);
      if (user) this.queue(user, this.eventFor(event, user));
    }
    return rev;
  }

  private queue(user: User, event: SyncEvent): void {
    user.queue.push({ ...event, pts: BigInt(user.queue.length) + 1n });
    this.told(user);
  }

  /** Commands about the user's own things. */
  private ownOp(user: User, type: number, body: Uint8Array): Outcome {
    switch (type) {
      case opType.OPEN_DIRECT: {
        const peer = this.users.get(tryDecode(OpenDirect, body)?.user ?? 0n);
        return peer ? outcome({ id: this.direct(user, peer).id }) : rejected(errorCode.absent);
      }
      case opType.CREATE_CONVERSATION: {
        const wish = tryDecode(CreateConversation, body);
        const others = (wish?.members ?? []).flatMap((id) => this.users.get(id) ?? []);
        return wish?.meta ? outcome({ id: this.makeGroup(wish.meta.title, [user, ...others]).id }) : rejected(errorCode.bad_body);
      }
      case opType.SET_SUMMARY:
        return this.setSummary(user, tryDecode(SetSummary, body));
      case opType.REMOVE_DEVICE: {
        const device = this.devices.get(tryDecode(RemoveDevice, body)?.device ?? 0n);
        if (device?.user !== user) return rejected(errorCode.absent);
        this.removeDevice(device);
        return outcome({});
      }
      default:
        return rejected(errorCode.kind_refused);
    }
  }

  private setSummary(user: User, wish: SetSummary | undefined): Outcome {
    const own = this.conversations.get(wish?.summary?.conv ?? 0n)?.members.get(user.id);
    if (own === undefined || wish?.summary === undefined) return rejected(errorCode.absent);
    const { mask, summary } = wish;
    own.summary = {
      ...own.summary,
      ver: own.summary.ver + 1n,
      ...(mask & 1 ? { pinned: summary.pinned } : {}),
      ...(mask & 2 ? { notify: summary.notify } : {}),
      ...(mask & 4 ? { hidden: summary.hidden } : {}),
      ...(mask & 16 ? { markedUnread: summary.markedUnread } : {}),
    };
    this.queue(user, SyncEvent.of({ type: eventType.SUMMARY_CHANGED, conv: summary.conv, body: SummaryChanged.encode({ summary: own.summary }) }));
    return outcome({});
  }

  /** Commands about what all members share. */
  private sharedOp(c: Conversation, user: User, type: number, body: Uint8Array, sender: Sender): Outcome {
    const key = { sender: user.id, cid: sender.n, device: sender.device.id, deviceEpoch: sender.epoch };
    const held = c.members.get(user.id)?.member.role ?? 0;
    const isHead = held === role.OWNER || held === role.ADMIN;
    const done = (rev: bigint) => outcome({ rev });
    const tip = () => BigInt(c.events.length);
    switch (type) {
      case opType.EDIT:
      case opType.RECALL:
      case opType.REACT:
        if (!this.changes) return rejected(errorCode.bad_body);
        return this.changeMessage(c, user, type, body, key);
      case opType.SET_CONVERSATION: {
        const wish = tryDecode(SetConversation, body);
        if (!isHead) return rejected(errorCode.role_required);
        if (wish?.meta && wish.mask & 1) c.title = wish.meta.title;
        return done(this.append(c, { type: eventType.CONVERSATION_CHANGED, ...key, body: ConversationChanged.encode({ meta: wish?.meta, mask: wish?.mask ?? 0, by: user.id }) }));
      }
      case opType.ADD_MEMBERS:
        this.join(c, (tryDecode(AddMembers, body)?.users ?? []).flatMap((id) => this.users.get(id) ?? []), user);
        return done(tip());
      case opType.REMOVE_MEMBERS:
        if (!isHead) return rejected(errorCode.role_required);
        this.part(c, tryDecode(RemoveMembers, body)?.users ?? [], user);
        return done(tip());
      case opType.LEAVE:
        this.part(c, [user.id], user);
        return done(tip());
      default:
        return rejected(errorCode.kind_refused);
    }
  }

  private changeMessage(c: Conversation, user: User, type: number, body: Uint8Array, key: Partial<SyncEvent>): Outcome {
    const wish = tryDecode<Pick<Edit, "seq">>(type === opType.EDIT ? Edit : type === opType.RECALL ? Recall : React, body);
    const row = c.rows.get(wish?.seq ?? 0n);
    if (wish === undefined || row === undefined || row.flags & flag.RECALLED) return rejected(errorCode.target_unknown);
    if (type !== opType.REACT && row.sender !== user.id) return rejected(errorCode.role_required);
    const ver = BigInt(c.events.length) + 1n;
    const event = { seq: row.seq, ver, ...key };
    if (type === opType.EDIT) {
      const edit = Edit.decode(body);
      const content = { body: edit.body.slice(), mentions: edit.mentions, kind: edit.kind || row.kind };
      c.rows.set(row.seq, { ...row, ...content, ver, flags: row.flags | flag.EDITED, editedMs: BigInt(this.clock()) });
      return outcome({ rev: this.append(c, { type: eventType.MESSAGE_EDITED, ...event, ...content }) });
    }
    if (type === opType.RECALL) {
      c.rows.set(row.seq, { ...row, ver, body: EMPTY, mentions: [], reactions: [], flags: row.flags | flag.RECALLED });
      return outcome({ rev: this.append(c, { type: eventType.MESSAGE_RECALLED, ...event, body: Recalled.encode({ by: user.id, reason: "" }) }) });
    }
    const reactions = this.react(c, user, React.decode(body));
    c.rows.set(row.seq, { ...row, ver, reactions });
    return outcome({ rev: this.append(c, { type: eventType.REACTIONS_CHANGED, ...event, body: ReactionsChanged.encode(ReactionsChanged.of({ reactions })) }) });
  }

  private react(c: Conversation, user: User, wish: React): ReactionCount[] {
    const all = c.reactions.get(wish.seq) ?? new Map<string, Set<bigint>>();
    c.reactions.set(wish.seq, all);
    const users = all.get(wish.code) ?? new Set();
    if (wish.on) all.set(wish.code, users.add(user.id));
    else users.delete(user.id);
    return [...all].filter(([, who]) => who.size > 0).map(([code, who]) => ReactionCount.of({ code, count: who.size, firstUsers: [...who].slice(0, 3) }));
  }
}
