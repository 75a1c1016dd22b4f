//! What the app says to the engine and hears from it.

import { type ConvMeta, type Ephemeral, type ErrorInfo, type MessageRow, network, type Op, type Overlay, type PrivateMessage, type Send, type Summary, type Watch } from "@tenon/wire";
import type { EventWhat } from "../rows.js";
import type { StoreOp } from "../store.js";

/** Both clocks at one moment, milliseconds. Wall time is told to the server and never compared. */
export interface Now {
  readonly wall: number;
  readonly mono: number;
}

/** What proves who the device is. A ticket is short-lived: the engine asks for a new one when it has ended. */
export type Auth = { readonly type: "ticket" | "credential"; readonly bytes: Uint8Array };

/** Numbers and choices of one engine. Times in milliseconds. */
export interface EngineConfig {
  auth: Auth;
  /** Id of this device; 0 = the one the credential belongs to. */
  device: bigint;
  sdk: string;
  /** A number of `network`. */
  net: number;
  /** Bytes of batches that may be under way; 0 = the server chooses. */
  windowBytes: number;
  firstPage: number;
  /** False: message rows and intervals are not kept, history comes from the server each time. */
  keepsRows: boolean;
  /** False: events for the app are not stored, so a crash may lose those the app has not yet taken. */
  keepsEvents: boolean;
  ackDelay: number;
  sendTimeout: number;
  parkedTimeout: number;
  readPause: number;
  backoffMin: number;
  backoffMax: number;
  helloTimeout: number;
  /** A pull waits a random time up to this, so that a multicast tip does not make a herd. */
  pullJitter: number;
}

/** The starting values of the protocol page. */
export const engineConfig = (auth: Auth, changes: Partial<EngineConfig> = {}): EngineConfig => ({
  auth,
  device: 0n,
  sdk: "tenon-web/0.1.0",
  net: network.WIRED,
  windowBytes: 0,
  firstPage: 20,
  keepsRows: true,
  keepsEvents: true,
  ackDelay: 200,
  sendTimeout: 5_000,
  parkedTimeout: 30_000,
  readPause: 3_000,
  backoffMin: 300,
  backoffMax: 30_000,
  helloTimeout: 10_000,
  pullJitter: 200,
  ...changes,
});

/** Which rows of a timeline: above < seq < below (0 = open), the highest `limit` of them, or the lowest. */
export interface HistoryWant {
  readonly conv: bigint;
  readonly aboveSeq: bigint;
  readonly belowSeq: bigint;
  /** 1 to 100 rows. */
  readonly limit: number;
  readonly isUpward: boolean;
}

/** A wish of the app. `ticket` comes back in the answer. */
export type Command =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  | { readonly type: "authorize"; readonly auth: Auth }
  /** Answered by `queued` once durable, then by a `settled` event. An empty `replySeq` becomes the seq of `after`. */
  | { readonly type: "send"; readonly ticket: number; readonly send: Send; readonly after: bigint }
  | { readonly type: "op"; readonly ticket: number; readonly op: Op; readonly after: bigint }
  /** Takes back a command that is not settled; one that was done meanwhile is recalled, if it is a message. */
  | { readonly type: "cancel"; readonly local: bigint }
  | { readonly type: "markRead"; readonly conv: bigint; readonly upToSeq: bigint; readonly upToPcnt: bigint }
  | { readonly type: "history"; readonly ticket: number; readonly want: HistoryWant }
  | { readonly type: "request"; readonly ticket: number; readonly method: number; readonly body: Uint8Array }
  | { readonly type: "watch"; readonly watch: Watch }
  | { readonly type: "ephemeral"; readonly ephemeral: Ephemeral }
  | { readonly type: "eventsDone"; readonly n: bigint };

/** A piece of a timeline; `lo > hi` = nothing is there. */
export interface HistoryAnswer {
  readonly conv: bigint;
  readonly lo: bigint;
  readonly hi: bigint;
  /** Nothing visible lies below `lo`. */
  readonly isFloor: boolean;
  /** False: a part was out of reach; ask again later. */
  readonly isStable: boolean;
  /** Rows, if the store does not hold them. */
  readonly rows: MessageRow[];
  readonly privates: PrivateMessage[];
  /** What the user deleted or cleared: rows inside are not shown. */
  readonly overlay: Overlay | undefined;
}

/** The answer to a command. */
export type Answer =
  | { readonly type: "queued"; readonly local: bigint }
  | { readonly type: "history"; readonly history: HistoryAnswer }
  | { readonly type: "response"; readonly body: Uint8Array }
  | { readonly type: "refused"; readonly info: ErrorInfo };

/** How the engine stands to the server. `code` is a wire code and `reason` that of a Close, 0 = none; `text` is for developers. */
export type ConnectionState =
  | { readonly type: "offline" }
  | { readonly type: "connecting" }
  | { readonly type: "live" }
  | { readonly type: "backoff"; readonly waitMs: number; readonly code: number; readonly text: string }
  /** Does not come back by itself: displaced, session ended, upgrade required, or the store failed. */
  | { readonly type: "stopped"; readonly code: number; readonly reason: number; readonly text: string };

/** What the app hears. Numbered events come in order, each once; those not handled come again after a restart. */
export type AppEvent =
  | ({ readonly n: bigint } & EventWhat)
  /** Every page of the Rebase is read, or none was needed. */
  | { readonly type: "listComplete" }
  | { readonly type: "state"; readonly state: ConnectionState }
  | { readonly type: "ephemeral"; readonly ephemeral: Ephemeral }
  /** The server asks for a new ticket: answer with `authorize`. */
  | { readonly type: "authWanted" };

/** What the engine wants done. */
export type Output =
  /** Perform this transaction, then call `handleCommitted(tx)`. No other is asked for before. */
  | { readonly type: "commit"; readonly tx: number; readonly ops: StoreOp[] }
  /** Open a link, then call `handleLinkUp` or `handleLinkDown`. */
  | { readonly type: "connect" }
  /** Write what `pollTransmit` gives, then close the link. `handleLinkDown` is not needed. */
  | { readonly type: "closeLink" }
  | { readonly type: "answer"; readonly ticket: number; readonly answer: Answer }
  | { readonly type: "event"; readonly event: AppEvent };

/** A line of the conversation list. */
export interface ListLine {
  readonly conv: bigint;
  readonly meta: ConvMeta | undefined;
  readonly summary: Summary | undefined;
  readonly unread: bigint;
  readonly tipSeq: bigint;
  readonly rev: bigint;
  readonly known: bigint;
  readonly readSeq: bigint;
  /** What is counted up to here is read, or lies before everything visible. Of an archive nothing is counted. */
  readonly readCnt: bigint;
  readonly peerReadSeq: bigint;
  readonly mentionSeq: bigint;
  readonly sortTs: bigint;
  readonly floorSeq: bigint;
  readonly role: number;
  readonly overlay: Overlay | undefined;
}
