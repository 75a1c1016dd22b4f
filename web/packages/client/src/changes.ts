//! What a committed transaction means to tabs.

import type { Engine } from "./engine.js";
import type { ListLine } from "./engine/speech.js";
import type { Notice } from "./host.js";
import type { ListTotals } from "./lines.js";
import { max, min } from "./numbers.js";
import { ConvState, type OutboxRow } from "./rows.js";
import type { StoreOp } from "./store.js";

/** Steps of one transaction, sorted by what they change on a screen. */
export class Changes {
  private readonly rows = new Map<bigint, { lo: bigint; hi: bigint }>();
  private readonly lines = new Map<bigint, ListLine>();
  private readonly gone: bigint[] = [];
  private readonly outbox: OutboxRow[] = [];
  private readonly done: bigint[] = [];

  constructor(
    private readonly engine: Engine,
    ops: readonly StoreOp[],
  ) {
    for (const op of ops) this.take(op);
  }

  /** Rows before the outbox: a message that arrived is shown before its waiting copy goes. */
  notices(totals: ListTotals): Notice[] {
    const all: Notice[] = [];
    if (this.lines.size + this.gone.length > 0) all.push({ type: "lines", lines: [...this.lines.values()], gone: this.gone, totals });
    for (const [conv, range] of this.rows) all.push({ type: "rows", conv, ...range });
    if (this.outbox.length + this.done.length > 0) all.push({ type: "outbox", rows: this.outbox, done: this.done });
    return all;
  }

  private take(op: StoreOp): void {
    if (op.type === "message") this.note(op.conv, op.row.seq, op.row.seq);
    else if (op.type === "change") this.note(op.conv, op.seq, op.seq);
    else if (op.type === "gone") this.note(op.conv, op.lo, op.hi);
    else if (op.type === "outbox") this.outbox.push(op.row);
    else if (op.type === "outboxDone") this.done.push(op.local);
    else if (op.type === "conversation") {
      const c = this.engine.conversations.get(op.row.conv);
      if (c?.row.state === ConvState.JOINED) this.lines.set(op.row.conv, c.line());
      else this.gone.push(op.row.conv);
    }
  }

  private note(conv: bigint, lo: bigint, hi: bigint): void {
    const held = this.rows.get(conv);
    this.rows.set(conv, held ? { lo: min(lo, held.lo), hi: max(hi, held.hi) } : { lo, hi });
  }
}
