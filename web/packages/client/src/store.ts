//! Where the engine's transactions go, and the rows that a timeline shows.
//!
//! A list of operations is one transaction: it happens wholly or not at all. Operations on messages are conditional on the
//! version held, so the engine decides without reading rows; a message row is never replaced by an older version of it.

import { EMPTY, flag, type MessageRow, type PrivateMessage, type ReactionCount } from "@tenon/wire";
import type { ConversationRow, DeviceRow, EventRow, IntervalRow, Loaded, OpaqueRow, OutboxRow, ReadPendingRow, StreamRow } from "./rows.js";

/** What an event does to a message. */
export type Change =
  | { readonly type: "content"; readonly kind: number; readonly body: Uint8Array; readonly mentions: bigint[]; readonly editedMs: bigint }
  | { readonly type: "tombstone"; readonly why: number }
  | { readonly type: "reactions"; readonly reactions: ReactionCount[] };

/** One step of a transaction. Rows replace the row of their key. */
export type StoreOp =
  | { readonly type: "device"; readonly row: DeviceRow }
  | { readonly type: "stream"; readonly row: StreamRow }
  | { readonly type: "conversation"; readonly row: ConversationRow }
  | { readonly type: "intervals"; readonly conv: bigint; readonly intervals: IntervalRow[] }
  | { readonly type: "message"; readonly conv: bigint; readonly row: MessageRow }
  | { readonly type: "change"; readonly conv: bigint; readonly seq: bigint; readonly ver: bigint; readonly change: Change }
  | { readonly type: "gone"; readonly conv: bigint; readonly lo: bigint; readonly hi: bigint }
  | { readonly type: "private"; readonly conv: bigint; readonly row: PrivateMessage }
  | { readonly type: "outbox"; readonly row: OutboxRow }
  | { readonly type: "outboxDone"; readonly local: bigint }
  | { readonly type: "readPending"; readonly row: ReadPendingRow }
  | { readonly type: "readDone"; readonly conv: bigint }
  | { readonly type: "event"; readonly row: EventRow }
  | { readonly type: "eventsDone"; readonly n: bigint }
  | { readonly type: "opaque"; readonly row: OpaqueRow }
  /** A value of the app, in the same transaction as the rows it speaks of. `undefined` forgets it. */
  | { readonly type: "value"; readonly key: string; readonly value: unknown };

/** The rows of a store are not what this version writes: it is set aside and a new one begins. */
export class StoreDamaged extends Error {
  constructor(what: string) {
    super(`the local store is damaged: ${what}`);
    this.name = "StoreDamaged";
  }
}

/** Which rows of a timeline. */
export interface RowRange {
  readonly conv: bigint;
  readonly lo: bigint;
  readonly hi: bigint;
  readonly limit: number;
  /** The lowest of the range instead of the highest. */
  readonly isUpward: boolean;
}

/** What a glance is to hold. */
export interface GlanceWant {
  /** Conversations from the top of the list. */
  readonly lines: number;
  /** Values whose keys begin like this; all of them. */
  readonly prefixes: readonly string[];
  /** Keys of further values, by what the lines and their newest messages say. */
  readonly keys: (conversations: readonly ConversationRow[], last: readonly MessageRow[]) => readonly string[];
}

/** What the first screen needs, read before everything else. */
export interface Glance {
  /** All rows but those of conversations, of which only the first of the list are there, and intervals, of which there are none. */
  readonly loaded: Loaded;
  /** The newest message of each of these conversations that has one. */
  readonly last: ReadonlyMap<bigint, MessageRow>;
  readonly values: ReadonlyMap<string, unknown>;
}

/** A part of what a glance left out. */
export interface Slice {
  readonly conversations: readonly ConversationRow[];
  readonly intervals: Loaded["intervals"];
  readonly values: readonly (readonly [key: string, value: unknown])[];
}

/** One conversation and what belongs to it. */
export interface Single {
  readonly row: ConversationRow;
  readonly values: readonly (readonly [key: string, value: unknown])[];
}

/** A local store. */
export interface Store {
  /** Reads everything but messages. @throws StoreDamaged */
  load(): Promise<Loaded>;
  /** Reads what the first screen needs, in a time that does not grow with the list. @throws StoreDamaged */
  glance(want: GlanceWant): Promise<Glance>;
  /**
   * Reads what `load` and `values` would give beyond a glance: conversations in the order of the list, intervals, values;
   * values of the glance may come again. Each slice is short work for who takes it. Resolves after the last one; nothing
   * may be written meanwhile. @throws StoreDamaged
   */
  rest(glance: Glance, take: (slice: Slice) => void): Promise<void>;
  /** One conversation, with the values that `keys` names for it; `undefined` if it is not known. @throws StoreDamaged */
  single(conv: bigint, keys: (row: ConversationRow) => readonly string[]): Promise<Single | undefined>;
  /** Performs one transaction; durable when it resolves. Rejected: nothing of `ops` happened. */
  commit(ops: readonly StoreOp[]): Promise<void>;
  /** Message rows by rising seq. */
  messages(range: RowRange): Promise<MessageRow[]>;
  /** The newest message row of each conversation, in the same order. */
  tails(convs: readonly bigint[]): Promise<(MessageRow | undefined)[]>;
  /** Private messages anchored in `lo..=hi`, by (anchor, pid). */
  privates(conv: bigint, lo: bigint, hi: bigint): Promise<PrivateMessage[]>;
  /** Values that the app keeps beside the rows, by key. */
  values(): Promise<Map<string, unknown>>;
  /** Keeps values, or forgets those that are `undefined`, in one transaction; durable when it resolves. */
  putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
  /** Gives up at least this share (0 to 1) of the message rows, oldest first (`store/evict.ts`), and what intervals say of
   * them, in one transaction; never conversations, outbox or events. Gives how many rows went. */
  evict(share: number): Promise<number>;
  /** Closes the store; nothing is called after it. */
  close(): void;
  /** Forgets everything for good: sign-out. */
  destroy(): Promise<void>;
}

/** The row after the change, or `undefined` if it is not older than `ver`. */
export function changed(row: MessageRow, ver: bigint, change: Change): MessageRow | undefined {
  if (row.ver >= ver) return undefined;
  switch (change.type) {
    case "content": {
      const edit = change.editedMs > 0n ? { editedMs: change.editedMs, flags: row.flags | flag.EDITED } : {};
      return { ...row, ver, kind: change.kind || row.kind, body: change.body, mentions: change.mentions, ...edit };
    }
    case "tombstone":
      return { ...row, ver, flags: row.flags | change.why, body: EMPTY, mentions: [], reactions: [] };
    case "reactions":
      return { ...row, ver, reactions: change.reactions };
  }
}

/** Version of a private message. */
export const privateVer = (row: PrivateMessage): bigint => row.message?.ver ?? 0n;
