//! The newest message of each conversation, read for those that somebody looks at.
//!
//! Takes the word that rows of a conversation changed, gives a value for each. Invariants: a value that is watched follows
//! the store; all that are wanted in one moment are read in one go; what nobody watches is read again when it is next
//! wanted. Not here: the rows (host).

import type { MessageRow } from "@tenon/wire";
import type { Port } from "./host.js";
import { type Readable, Value } from "./value.js";

/** Values that nobody watches, kept for a list that is scrolled back. */
const IDLE_MAX = 500;

/** Newest messages by conversation. */
export class Previews {
  private readonly held = new Map<bigint, Value<MessageRow | undefined>>();
  private readonly wanted = new Set<bigint>();
  /** Those that changed while nobody watched. */
  private readonly stale = new Set<bigint>();
  private isReading = false;

  constructor(private readonly port: () => Port) {}

  /** The newest message held; `undefined` until it is read, or if there is none. */
  of(conv: bigint): Readable<MessageRow | undefined> {
    let value = this.held.get(conv);
    if (value === undefined) {
      value = new Value<MessageRow | undefined>(undefined);
      this.drop();
      this.held.set(conv, value);
      this.want(conv);
      return value;
    }
    // The one that was wanted last goes last.
    this.held.delete(conv);
    this.held.set(conv, value);
    if (this.stale.has(conv)) this.want(conv);
    return value;
  }

  /** Rows of a conversation changed. */
  changed(conv: bigint): void {
    const value = this.held.get(conv);
    if (value?.isWatched) this.want(conv);
    else if (value) this.stale.add(conv);
  }

  /** Another engine answers from now on, and has these at hand. */
  restart(tails: readonly (readonly [conv: bigint, row: MessageRow])[]): void {
    const known = new Set(tails.map(([conv]) => conv));
    for (const [conv, row] of tails) {
      const value = this.held.get(conv);
      if (value === undefined) this.held.set(conv, new Value<MessageRow | undefined>(row));
      else value.set(row);
      this.stale.delete(conv);
    }
    for (const conv of this.held.keys()) if (!known.has(conv)) this.want(conv);
  }

  private want(conv: bigint): void {
    this.wanted.add(conv);
    this.stale.delete(conv);
    if (this.isReading) return;
    this.isReading = true;
    queueMicrotask(() => void this.read());
  }

  private async read(): Promise<void> {
    while (this.wanted.size > 0) {
      const convs = [...this.wanted];
      this.wanted.clear();
      const rows = await this.port().tails(convs).catch(() => undefined);
      if (rows) convs.forEach((conv, index) => this.held.get(conv)?.set(rows[index]));
    }
    this.isReading = false;
  }

  /** Makes room: those go first that were wanted first. */
  private drop(): void {
    if (this.held.size < IDLE_MAX) return;
    for (const [conv, value] of this.held) {
      if (this.held.size < IDLE_MAX) return;
      if (value.isWatched || this.wanted.has(conv)) continue;
      this.held.delete(conv);
      this.stale.delete(conv);
    }
  }
}
