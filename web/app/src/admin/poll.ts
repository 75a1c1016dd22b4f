//! Asks again and again: at a beat while all is well, more and more seldom while it is not, never while nobody looks.

import { type Fault, faultOf } from "../first-run/ask.js";

/** How often. */
export interface Beat {
  /** Between two answers. */
  readonly everyMs: number;
  /** Longest wait after faults. */
  readonly mostMs: number;
  /** An answer that takes longer counts as none. */
  readonly patienceMs: number;
}

/** What the asker knows. */
export interface Polled<T> {
  /** The last answer; stays while newer ones fail. */
  readonly value: T | undefined;
  /** Why the last question failed; gone with the next answer. */
  readonly fault: Fault | undefined;
  /** Unix ms of the next try after a fault. */
  readonly nextTryMs: number | undefined;
}

/** One question that is asked again and again. */
export class Poller<T> {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | undefined;
  private isOn = false;
  private failures = 0;
  private state: Polled<T> = { value: undefined, fault: undefined, nextTryMs: undefined };

  constructor(
    private readonly read: (signal: AbortSignal) => Promise<T>,
    private readonly told: (state: Polled<T>) => void,
    private readonly beat: Beat,
  ) {}

  /** Begins, or goes on at once. */
  start(): void {
    if (this.isOn) return;
    this.isOn = true;
    this.askNow();
  }

  /** Stops; a question under way is given up. */
  stop(): void {
    this.isOn = false;
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = undefined;
  }

  /** Does not wait for the next beat. */
  askNow(): void {
    if (!this.isOn || this.running !== undefined) return;
    clearTimeout(this.timer);
    void this.once();
  }

  private async once(): Promise<void> {
    const controller = new AbortController();
    this.running = controller;
    const patience = setTimeout(() => controller.abort(), this.beat.patienceMs);
    try {
      const value = await this.read(controller.signal);
      if (this.running !== controller) return;
      this.failures = 0;
      this.after(this.beat.everyMs, { value, fault: undefined, nextTryMs: undefined });
    } catch (error) {
      if (this.running !== controller) return;
      const fault = faultOf(error);
      this.failures += 1;
      const wait = Math.min(this.beat.mostMs, Math.max(fault.afterMs, this.beat.everyMs * 2 ** Math.min(this.failures, 16)));
      this.after(wait, { ...this.state, fault, nextTryMs: Date.now() + wait });
    } finally {
      clearTimeout(patience);
    }
  }

  private after(waitMs: number, state: Polled<T>): void {
    this.running = undefined;
    this.state = state;
    this.told(state);
    // Whoever is told may have stopped us.
    if (this.isOn) this.timer = setTimeout(() => this.askNow(), waitMs);
  }
}
