//! What the server knows: people, devices, conversations, queues, chains of commands.
//!
//! Takes decoded commands, gives outcomes, and puts events into the queues of users. Invariants are those of the real server
//! as far as a device can see them: seq and rev are dense, a number of a chain is used once, every event is in the queue of
//! every member, or told by its tip where the group is read by pull. Not here: what a command does (`commands.ts`,
//! `roster.ts`, `own.ts`), how things look (`views.ts`), frames and links (`link.ts`), questions (`questions.ts`).

import { ConvKind, errorCode, eventType, flag, type Member, type MessageRow, Mode, type Op, ReadMarked, ReadState, Receipt, role, type Send, Status, Summary, SyncEvent } from "@tenon/wire";
import { act, refusalOf, place, say } from "./commands.js";
import { LIMITS, Meters, type Rates } from "./limits.js";
import { ownAct } from "./own.js";
import { born } from "./roster.js";
import { eventFor } from "./views.js";

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
  /** Version of the newest change of the user's own settings. */
  summaryVer: bigint;
}

export interface Device {
  readonly id: bigint;
  readonly user: User;
  readonly label: string;
  epoch: number;
  /** Epochs that it left, oldest first: their chains are kept until VOID has closed what was open in them. */
  left: number[];
  connCtr: bigint;
  seenMs: bigint;
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
  readonly cnt: bigint;
  /** Of GAP: the number that is waited for. */
  readonly expect: bigint;
  /** Of RETRY, milliseconds. */
  readonly retryAfterMs: number;
}

/** An outcome with these fields. */
export const outcome = (fields: Partial<Outcome>): Outcome => ({ status: Status.OK, code: 0, seq: 0n, rev: 0n, id: 0n, ts: 0n, cnt: 0n, expect: 0n, retryAfterMs: 0, ...fields });
/** Refused for good with this wire code. */
export const rejected = (code: number): Outcome => outcome({ status: Status.REJECTED, code });

interface Chain {
  last: bigint;
  readonly kept: Map<bigint, { readonly digest: string; readonly outcome: Outcome }>;
}

/** A user's part in a conversation; it stays when the user goes. */
export interface Membership {
  member: Member;
  /** False for somebody who went. */
  isIn: boolean;
  floorSeq: bigint;
  floorCnt: bigint;
  read: ReadState;
  summary: Summary;
}

export interface Conversation {
  readonly id: bigint;
  readonly kind: number;
  readonly isHistoryVisible: boolean;
  mode: number;
  title: string;
  owner: bigint;
  /** Present and former members. */
  readonly members: Map<bigint, Membership>;
  readonly events: SyncEvent[];
  readonly rows: Map<bigint, MessageRow>;
  readonly reactions: Map<bigint, Map<string, Set<bigint>>>;
  seq: bigint;
  cnt: bigint;
  /** Rev of the last change of members, of the name. */
  rosterVer: bigint;
  metaVer: bigint;
  mentionAllSeq: bigint;
  /** Display time of the last message. */
  lastTs: bigint;
}

/** The rev of the last event. */
export const tipRev = (c: Conversation): bigint => BigInt(c.events.length);
/** Those who are in, in the order of their ids. */
export const inside = (c: Conversation): bigint[] => [...c.members].flatMap(([id, held]) => (held.isIn ? [id] : [])).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
/** The part of somebody who is in. */
export function partOf(c: Conversation, user: bigint): Membership | undefined {
  const held = c.members.get(user);
  return held?.isIn ? held : undefined;
}

/** Who sends, with which key. */
export interface Sender {
  readonly device: Device;
  readonly epoch: number;
  readonly n: bigint;
}

/** What a town is told to be. */
export interface TownOptions {
  /** Messages may be edited, recalled and reacted to. */
  readonly changes: boolean;
  readonly queueModeMembersMax: number;
  readonly pullModeMembersMin: number;
  readonly rates: Rates;
}

/** Whom a town tells. */
export interface Heralds {
  readonly clock: () => number;
  /** The queue of a user grew. */
  told(user: User): void;
  /** A group that is read by pull moved on. */
  moved(c: Conversation): void;
  /** A device may not come back. */
  removed(device: Device): void;
}

/** All there is. */
export class Town {
  readonly users = new Map<bigint, User>();
  readonly devices = new Map<bigint, Device>();
  readonly conversations = new Map<bigint, Conversation>();
  private readonly chains = new Map<string, Chain>();
  private readonly meters: Meters;
  private nextId = 1_000n;

  constructor(
    private readonly heralds: Heralds,
    readonly options: TownOptions,
  ) {
    this.meters = new Meters(options.rates, heralds.clock);
  }

  /** Unix milliseconds. */
  now(): bigint {
    return BigInt(Math.trunc(this.heralds.clock()));
  }

  takeId(): bigint {
    this.nextId += 1n;
    return this.nextId;
  }

  named(name: string): User | undefined {
    return [...this.users.values()].find((user) => user.name === name);
  }

  /** The account of this name, made if there is none. */
  user(name: string): User {
    const held = this.named(name);
    if (held) return held;
    const user: User = { id: this.takeId(), name, queue: [], queueEpoch: 1, trim: 0n, summaryVer: 0n };
    this.users.set(user.id, user);
    return user;
  }

  addDevice(user: User, label: string): Device {
    const device: Device = { id: this.takeId(), user, label, epoch: 0, left: [], connCtr: 0n, seenMs: this.now(), isRemoved: false };
    this.devices.set(device.id, device);
    return device;
  }

  /** A new life of the device: numbers of chains restart in it. */
  renew(device: Device, presented: number): void {
    device.left = [...device.left, device.epoch].slice(-LIMITS.CHAINS_KEPT);
    device.epoch = Math.max(device.epoch, presented) + 1;
  }

  /** Takes the device from its user; its link ends. */
  removeDevice(device: Device): void {
    device.isRemoved = true;
    this.heralds.removed(device);
  }

  /** A group with its first member as owner. */
  makeGroup(title: string, members: readonly User[], isHistoryVisible = true): Conversation {
    const owner = members[0]?.id ?? 0n;
    const mode = new Set(members).size > this.options.queueModeMembersMax ? Mode.PULL : Mode.QUEUE;
    return this.make({ kind: ConvKind.GROUP, title, owner, isHistoryVisible, mode }, members);
  }

  direct(one: User, other: User): Conversation {
    const held = [...this.conversations.values()].find((c) => c.kind === ConvKind.DIRECT && c.members.has(one.id) && c.members.has(other.id));
    return held ?? this.make({ kind: ConvKind.DIRECT, title: "", owner: 0n, isHistoryVisible: true, mode: Mode.QUEUE }, [one, other]);
  }

  /** The chain rule: a number that was used gives its outcome again, the next one is decided, a later one waits. */
  private inChain(conv: bigint, sender: Sender, digest: string, decide: () => Outcome): Outcome {
    const key = `${conv}/${sender.device.id}/${sender.epoch}`;
    const chain = this.chains.get(key) ?? { last: 0n, kept: new Map() };
    this.chains.set(key, chain);
    if (sender.n <= chain.last) {
      const kept = chain.kept.get(sender.n);
      if (kept === undefined || kept.digest !== digest) return rejected(errorCode.cid_reused);
      return { ...kept.outcome, status: Status.DUPLICATE };
    }
    if (sender.n > chain.last + 1n) return outcome({ status: Status.GAP, expect: chain.last + 1n });
    const decided = decide();
    chain.last = sender.n;
    chain.kept.set(sender.n, { digest, outcome: decided });
    chain.kept.delete(sender.n - BigInt(LIMITS.OUTCOMES_KEPT));
    return decided;
  }

  /** The last number of the user's own chain. */
  lastOp(device: Device): bigint {
    return this.chains.get(`0/${device.id}/${device.epoch}`)?.last ?? 0n;
  }

  /** The outcome that was kept of a command, if it was decided, and the next number that would be taken. */
  lookUp(device: Device, conv: bigint, epoch: number, n: bigint): { readonly found: Outcome | undefined; readonly expect: bigint } {
    const chain = this.chains.get(`${conv}/${device.id}/${epoch}`);
    return { found: chain?.kept.get(n)?.outcome, expect: (chain?.last ?? 0n) + 1n };
  }

  /** A message. A number = wire code: nothing was decided. */
  send(sender: Sender, send: Send): Outcome | number {
    const { user } = sender.device;
    const slow = this.meters.take({ device: sender.device.id, user: user.id, conv: send.conv });
    if (slow) return outcome({ status: Status.RETRY, ...slow });
    const c = this.conversations.get(send.conv);
    if (!c?.members.has(user.id)) return errorCode.absent;
    const flags = send.flags & flag.OF_DEVICE & ~flag.VOID;
    const digest = JSON.stringify([send.kind, [...send.body], `${send.replySeq}`, send.mentions.map(String), send.to.map(String), flags, send.expiresInS, send.validForS]);
    return this.inChain(c.id, sender, digest, () => {
      if (send.flags & flag.VOID) return rejected(errorCode.cancelled);
      const refused = refusalOf(c, user, send);
      return refused === 0 ? place(this, c, user, send, sender) : rejected(refused);
    });
  }

  /** A message of somebody who is not connected, for tests. */
  say(c: Conversation, user: User, send: Send): Outcome {
    return say(this, c, user, send);
  }

  /** A command. A number = wire code: nothing was decided. */
  op(sender: Sender, op: Op): Outcome | number {
    const { device, epoch } = sender;
    const slow = this.meters.take({ device: device.id, user: device.user.id, conv: op.conv });
    if (slow) return outcome({ status: Status.RETRY, ...slow });
    const c = this.conversations.get(op.conv);
    if (op.conv !== 0n && !c?.members.has(device.user.id)) return errorCode.absent;
    const isVoid = (op.flags & flag.VOID) !== 0;
    if (op.conv === 0n && epoch !== device.epoch && !(isVoid && device.left.includes(epoch))) return errorCode.device_epoch_stale;
    return this.inChain(op.conv, sender, JSON.stringify([op.type, [...op.body]]), () => {
      if (isVoid) return rejected(errorCode.cancelled);
      return c === undefined ? ownAct(this, device, op) : act(this, c, op, sender);
    });
  }

  /** The user has read up to `seq`: never back, never beyond the tip. */
  read(user: User, conv: bigint, seq: bigint): void {
    const c = this.conversations.get(conv);
    const own = c && partOf(c, user.id);
    if (c === undefined || own === undefined) return;
    const upTo = seq > c.seq ? c.seq : seq;
    if (upTo <= own.read.readSeq || upTo <= own.floorSeq) return;
    const atMs = this.now();
    own.read = ReadState.of({ readSeq: upTo, readCnt: c.rows.get(upTo)?.cnt ?? upTo, atMs });
    own.summary = { ...own.summary, markedUnread: false };
    this.tell(user, { type: eventType.READ_MARKED, conv, body: ReadMarked.encode({ read: own.read }) });
    const peer = c.kind === ConvKind.DIRECT ? [...c.members.keys()].find((id) => id !== user.id) : undefined;
    const other = this.users.get(peer ?? 0n);
    if (other) this.tell(other, { type: eventType.RECEIPT, conv, sender: user.id, body: Receipt.encode(Receipt.of({ user: user.id, readSeq: upTo, atMs })) });
  }

  private make(fields: Pick<Conversation, "kind" | "title" | "owner" | "isHistoryVisible" | "mode">, users: readonly User[]): Conversation {
    const c: Conversation = {
      ...fields, id: this.takeId(), members: new Map(), events: [], rows: new Map(), reactions: new Map(), seq: 0n, cnt: 0n, rosterVer: 1n, metaVer: 1n, mentionAllSeq: 0n, lastTs: this.now(),
    };
    this.conversations.set(c.id, c);
    born(this, c, [...new Set(users)], users[0]);
    return c;
  }

  /** Puts an event behind the last one, and tells it as the conversation is read; gives its rev. */
  append(c: Conversation, fields: Partial<SyncEvent>, { isQueued = c.mode === Mode.QUEUE } = {}): bigint {
    const rev = tipRev(c) + 1n;
    const event = SyncEvent.of({ conv: c.id, rev, ver: rev, ts: this.now(), ...fields });
    c.events.push(event);
    if (isQueued) for (const id of inside(c)) this.tellEvent(id, event);
    if (c.mode === Mode.PULL) this.heralds.moved(c);
    return rev;
  }

  private tellEvent(id: bigint, event: SyncEvent): void {
    const user = this.users.get(id);
    if (user) this.tell(user, eventFor(event, user));
  }

  /** Tells all devices of a user, once. */
  tell(user: User, event: Partial<SyncEvent>): void {
    user.queue.push(SyncEvent.of({ ts: this.now(), ...event, pts: BigInt(user.queue.length) + 1n }));
    const kept = BigInt(user.queue.length - LIMITS.QUEUE_ENTRIES);
    if (kept > user.trim) user.trim = kept;
    this.heralds.told(user);
  }
}

/** True for an owner or admin. */
export const isHead = (held: Membership | undefined): boolean => held?.member.role === role.OWNER || held?.member.role === role.ADMIN;
