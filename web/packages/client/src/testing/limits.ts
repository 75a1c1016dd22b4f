//! Bounds of the real server: the same numbers, refused with the same codes.

import { errorCode } from "@tenon/wire";

/** Bounds that hold everywhere; numbers are those of the real server's `limits`. */
export const LIMITS = {
  /** Bytes of a message body. */
  BODY_BYTES: 32 * 1024,
  /** Bytes of a group's name. */
  TITLE_BYTES: 256,
  MENTIONS: 100,
  /** Members named in one command, and in one event. */
  MEMBERS_PER_COMMAND: 200,
  MEMBERS_PER_EVENT: 100,
  /** Members of a group when it is made. */
  MEMBERS_AT_BIRTH: 500,
  /** Outcomes remembered of one chain. */
  OUTCOMES_KEPT: 64,
  /** Chains of left device epochs that are kept. */
  CHAINS_KEPT: 4,
  /** Entries kept of a user's queue; a cursor below them reads the list anew. */
  QUEUE_ENTRIES: 5_000,
  /** A device that is further behind reads the list anew. */
  BACKLOG: 1_000,
  /** Events of one difference, and how far behind one may be to get it. */
  DIFF_EVENTS: 500,
  DIFF_BEHIND: 2_000,
  HISTORY_ROWS: 100,
  LIST_LINES: 100,
  ROSTER_LINES: 500,
  /** Bytes of bodies in one page of history. */
  PAGE_BYTES: 160 * 1024,
  /** Names of one request. */
  NAMES: 50,
} as const;

/** Sustained commands per second, and how many at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** How often one may do what; what is left out is not limited. */
export interface Rates {
  readonly device?: Rate;
  readonly user?: Rate;
  readonly conversation?: Rate;
}

/** A command that comes too fast: nothing was decided, and it is to come again. */
export interface Throttled {
  readonly code: number;
  /** At least 1. */
  readonly retryAfterMs: number;
}

/** Who sends what into which conversation; 0 = into none. */
export interface Taker {
  readonly device: bigint;
  readonly user: bigint;
  readonly conv: bigint;
}

/** The generic cell rate algorithm, as the real server does it: one time for each caller. */
export class Meters {
  private readonly arrivals = new Map<string, number>();

  constructor(
    private readonly rates: Rates,
    private readonly clock: () => number,
  ) {}

  /** Takes one of each; says which is used up, the first one asked. */
  take({ device, user, conv }: Taker): Throttled | undefined {
    const { rates } = this;
    return (
      this.one(`device ${device}`, rates.device, errorCode.device_rate) ??
      this.one(`user ${user}`, rates.user, errorCode.user_rate) ??
      (conv === 0n ? undefined : this.one(`conversation ${conv}`, rates.conversation, errorCode.conversation_rate))
    );
  }

  private one(key: string, rate: Rate | undefined, code: number): Throttled | undefined {
    if (rate === undefined) return undefined;
    const now = this.clock();
    const step = 1_000 / Math.max(rate.perSecond, 1);
    const next = Math.max(this.arrivals.get(key) ?? 0, now) + step;
    const allowedAt = next - step * Math.max(rate.burst, 1);
    if (allowedAt > now) return { code, retryAfterMs: Math.max(1, Math.ceil(allowedAt - now)) };
    this.arrivals.set(key, next);
    return undefined;
  }
}
