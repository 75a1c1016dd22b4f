//! Rows of the local store. Numbers and their meaning are those of the protocol page; 0 means "none" where a number starts at 1.

import type { ConvMeta, Op, Overlay, Send, Summary, SyncEvent } from "@tenon/wire";

/** The one row of this device. */
export interface DeviceRow {
  device: bigint;
  deviceEpoch: number;
  /** Last connection counter used; stored before the socket opens. */
  connCtr: bigint;
  nextOpSeq: bigint;
  user: bigint;
  org: bigint;
  /** The next local id of an outbox row. */
  nextLocal: bigint;
  /** The next number of an event for the app. */
  nextEvent: bigint;
  /** A new device epoch is owed before anything is sent. */
  needsEpoch: boolean;
}

/** A Rebase after its first page. */
export interface RebaseRow {
  /** The queue tip taken before page 1. */
  p0: bigint;
  token: Uint8Array;
  /** Token of the next page; empty = from the start. */
  next: Uint8Array;
}

/** Position in the stream of one unit, and the Rebase that is being paged. */
export interface StreamRow {
  unit: number;
  queueEpoch: number;
  /** Everything up to here is applied or stored as debt. */
  pts: bigint;
  rebaseReason: number;
  /** Number of the last Rebase; conversations carry the one that saw them. */
  generation: bigint;
  rebase: RebaseRow | undefined;
}

/** What a conversation is to this user. */
export const ConvState = { STUB: 0, JOINED: 1, LEFT: 2 } as const;

/** One conversation. A row with `known > rev`, `epochKnown > convEpoch` or `inboxKnown > over` owes a pull. */
export interface ConversationRow {
  conv: bigint;
  convEpoch: number;
  epochKnown: number;
  /** Every event up to here is folded. */
  rev: bigint;
  /** The highest rev heard of. */
  known: bigint;
  /** Intervals verified below this rev are stale. */
  breakRev: bigint;
  tipSeq: bigint;
  tipCnt: bigint;
  /** Lowest visible seq, minus one. */
  floorSeq: bigint;
  floorCnt: bigint;
  /** Version of this user's private rows held. */
  over: bigint;
  inboxKnown: bigint;
  tipPcnt: bigint;
  readSeq: bigint;
  readCnt: bigint;
  readPcnt: bigint;
  ownAuto: number;
  mentionSeq: bigint;
  peerReadSeq: bigint;
  /** Order of the list, milliseconds. */
  sortTs: bigint;
  /** The next cid of the conversation chain. */
  nextCid: bigint;
  /** cids below it are of commands that found no chain, and failed. VOID fills them if the chain comes to be. */
  absentBelow?: bigint;
  summary: Summary | undefined;
  meta: ConvMeta | undefined;
  state: number;
  /** The Rebase that saw it last. */
  generation: bigint;
  /** A critical event of an unknown type was met. */
  isUpdateNeeded: boolean;
  role: number;
  joinRev: bigint;
  overlay: Overlay | undefined;
}

/** A conversation of which nothing is known. */
export function newConversation(conv: bigint): ConversationRow {
  return {
    conv,
    convEpoch: 0,
    epochKnown: 0,
    rev: 0n,
    known: 0n,
    breakRev: 0n,
    tipSeq: 0n,
    tipCnt: 0n,
    floorSeq: 0n,
    floorCnt: 0n,
    over: 0n,
    inboxKnown: 0n,
    tipPcnt: 0n,
    readSeq: 0n,
    readCnt: 0n,
    readPcnt: 0n,
    ownAuto: 0,
    mentionSeq: 0n,
    peerReadSeq: 0n,
    sortTs: 0n,
    nextCid: 1n,
    summary: undefined,
    meta: undefined,
    state: ConvState.STUB,
    generation: 0n,
    isUpdateNeeded: false,
    role: 0,
    joinRev: 0n,
    overlay: undefined,
  };
}

/** One interval of verified history: every existing seq in `lo..=hi` is held as of `vrev`. */
export interface IntervalRow {
  readonly lo: bigint;
  readonly hi: bigint;
  readonly vrev: bigint;
}

/** A command on its way. */
export interface OutboxRow {
  /** Local id; rises in the order of the commands. */
  local: bigint;
  /** The conversation; 0 = the user's own chain. */
  conv: bigint;
  deviceEpoch: number;
  /** Number in the chain; 0 = not dispatched. */
  n: bigint;
  /** The message without its key, if it is one. */
  send: Send | undefined;
  /** The command without its key, if it is one. */
  op: Op | undefined;
  /** Waits until the row with this local id is settled. */
  after: bigint;
  /** When the app gave it, Unix milliseconds. */
  firstAtMs: number;
  /** Goes out with VOID: by the user's wish, or because it cannot be sent. */
  isVoid: boolean;
  /** The code told to the app once VOID has closed the row; 0 = cancelled by the user. */
  voidCode: number;
  /** The store fell back while it was under way: a life that is lost may have closed it and sent it under another number. */
  isDoubtful?: boolean;
}

/** A read mark on its way. */
export interface ReadPendingRow {
  conv: bigint;
  upToSeq: bigint;
  upToPcnt: bigint;
}

/** How a command ended. Told once; the outbox row is gone with it. */
export interface Settled {
  local: bigint;
  conv: bigint;
  /** Wire code of the refusal; 0 = done. `cancelled` also for VOID. */
  code: number;
  seq: bigint;
  rev: bigint;
  pid: bigint;
  /** Id of the message; of a command: the id it made. */
  id: bigint;
  ts: bigint;
  /** The device lost local commits: the row was not sent and is offered to the user again. */
  isOfferedAgain: boolean;
  args: Record<string, string>;
  /** The message as it was, if it was not done. */
  send: Send | undefined;
}

/** Nothing happened yet. */
export const settledOf = (fields: Partial<Settled>): Settled => ({
  local: 0n,
  conv: 0n,
  code: 0,
  seq: 0n,
  rev: 0n,
  pid: 0n,
  id: 0n,
  ts: 0n,
  isOfferedAgain: false,
  args: {},
  send: undefined,
  ...fields,
});

/** True if the command took effect. */
export const isDone = (settled: Settled): boolean => settled.code === 0 && !settled.isOfferedAgain;

/** Revs that were skipped: their effect is in the list and in history pages. */
export interface Jumped {
  conv: bigint;
  fromRev: bigint;
  toRev: bigint;
}

/** The queue of a unit was skipped: everything may have changed; read the list. */
export interface Rebased {
  unit: number;
  reason: number;
}

/** The kinds of events that survive a restart. */
export type EventWhat =
  | { readonly type: "sync"; readonly event: SyncEvent }
  | { readonly type: "settled"; readonly settled: Settled }
  | { readonly type: "jumped"; readonly jumped: Jumped }
  | { readonly type: "rebased"; readonly rebased: Rebased };

/** An event for the app, kept until the app has handled it. */
export interface EventRow {
  /** Dense from 1 in this store. */
  n: bigint;
  what: EventWhat;
}

/** An event that this version cannot read, kept for the next one. */
export interface OpaqueRow {
  pts: bigint;
  event: SyncEvent;
}

/** Everything but messages, as loaded at start. */
export interface Loaded {
  /** `undefined` in a new store. */
  device: DeviceRow | undefined;
  streams: StreamRow[];
  conversations: ConversationRow[];
  intervals: { conv: bigint; intervals: IntervalRow[] }[];
  outbox: OutboxRow[];
  reads: ReadPendingRow[];
  events: EventRow[];
}

const hex = (n: bigint): string => n.toString(16).padStart(16, "0");
const LAST = 0xffff_ffff_ffff_ffffn;

/** Where a conversation stands in the list, as text: pinned first, the newest first; then hidden ones, then those the user is not in. */
export function listKey({ conv, sortTs, state, summary }: Pick<ConversationRow, "conv" | "sortTs" | "state" | "summary">): string {
  const shelf = state !== ConvState.JOINED ? 3 : summary?.hidden ? 2 : summary?.pinned ? 0 : 1;
  return `${shelf}${hex(LAST - sortTs)}${hex(conv)}`;
}
