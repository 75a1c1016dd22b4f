//! Pauses between tries: decorrelated jitter. Times in milliseconds, drawn in microseconds.

import type { Random } from "../random.js";

/** A random time in `from..=to`. */
export function between(random: Random, from: number, to: number): number {
  const span = BigInt(Math.max(0, Math.round((to - from) * 1_000)));
  return from + Number(random.nextU64() % (span + 1n)) / 1_000;
}

/** `retryAfterMs` times U(1, 1.5), at least 50 ms so that a server that says 0 is not hammered. */
export function after(random: Random, retryAfterMs: number): number {
  const base = Math.max(retryAfterMs, 50);
  return between(random, base, base * 1.5);
}

/** The last pause; the next is drawn from the shortest to three times it. */
export class Backoff {
  private last: number;

  constructor(private readonly min: number) {
    this.last = min;
  }

  /** The next pause, at most `max`. */
  next(random: Random, max: number): number {
    this.last = Math.min(between(random, this.min, this.last * 3), max);
    return this.last;
  }

  /** A link lived: the next pause is short again. */
  reset(): void {
    this.last = this.min;
  }
}
