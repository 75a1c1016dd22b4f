//! A store without a file: for tests, and where the browser gives no storage.

import type { MessageRow, PrivateMessage } from "@tenon/wire";
import { compare } from "../numbers.js";
import { type ConversationRow, type DeviceRow, type EventRow, type IntervalRow, listKey, type Loaded, type OpaqueRow, type OutboxRow, type ReadPendingRow, type StreamRow } from "../rows.js";
import { changed, type Glance, type GlanceWant, privateVer, type RowRange, type Single, type Slice, type Store, type StoreOp } from "../store.js";
import { intervalsAbove, OPENED, planEviction } from "./evict.js";

function inOrder(rows: readonly ConversationRow[]): ConversationRow[] {
  const keyed = rows.map((row) => ({ row, key: listKey(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row);
}

/** Keeps copies of rows in maps; what was committed survives the engine, not the page. */
export class MemoryStore implements Store {
  private device: DeviceRow | undefined;
  private readonly streams = new Map<number, StreamRow>();
  private readonly conversations = new Map<bigint, ConversationRow>();
  private readonly intervals = new Map<bigint, IntervalRow[]>();
  private readonly rows = new Map<bigint, Map<bigint, MessageRow>>();
  private readonly private = new Map<string, { conv: bigint; row: PrivateMessage }>();
  private readonly outbox = new Map<bigint, OutboxRow>();
  private readonly reads = new Map<bigint, ReadPendingRow>();
  private readonly events = new Map<bigint, EventRow>();
  private readonly kept = new Map<string, unknown>();
  /** Events of unknown types that were met, by pts. */
  readonly opaque = new Map<bigint, OpaqueRow>();

  async load(): Promise<Loaded> {
    const sorted = <K, V>(map: Map<K, V>) => [...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => structuredClone(row));
    return {
      device: structuredClone(this.device),
      streams: sorted(this.streams),
      conversations: sorted(this.conversations),
      intervals: [...this.intervals].sort(([a], [b]) => compare(a, b)).map(([conv, intervals]) => ({ conv, intervals: structuredClone(intervals) })),
      outbox: sorted(this.outbox),
      reads: sorted(this.reads),
      events: sorted(this.events),
    };
  }

  async glance(want: GlanceWant): Promise<Glance> {
    const { conversations: all, ...loaded } = await this.load();
    const conversations = inOrder(all).slice(0, want.lines);
    const tails = await this.tails(conversations.map((row) => row.conv));
    const last = new Map(tails.flatMap((row, index) => (row === undefined ? [] : [[conversations[index]?.conv ?? 0n, row] as const])));
    const keys = new Set(want.keys(conversations, [...last.values()]));
    const values = [...(await this.values())].filter(([key]) => keys.has(key) || want.prefixes.some((prefix) => key.startsWith(prefix)));
    return { loaded: { ...loaded, conversations, intervals: [] }, last, values: new Map(values) };
  }

  async rest(glance: Glance, take: (slice: Slice) => void): Promise<void> {
    const { conversations: all, intervals } = await this.load();
    const conversations = inOrder(all).slice(glance.loaded.conversations.length);
    const values = [...(await this.values())];
    if (conversations.length + intervals.length + values.length > 0) take({ conversations, intervals, values });
  }

  async single(conv: bigint, keys: (row: ConversationRow) => readonly string[]): Promise<Single | undefined> {
    const row = structuredClone(this.conversations.get(conv));
    return row && { row, values: structuredClone(keys(row).flatMap((key) => (this.kept.has(key) ? [[key, this.kept.get(key)] as const] : []))) };
  }

  async commit(ops: readonly StoreOp[]): Promise<void> {
    for (const op of structuredClone(ops)) this.apply(op);
  }

  async messages(range: RowRange): Promise<MessageRow[]> {
    const all = [...(this.rows.get(range.conv)?.values() ?? [])];
    const rows = all.filter((row) => row.seq >= range.lo && row.seq <= range.hi).sort((a, b) => compare(a.seq, b.seq));
    return structuredClone(range.isUpward ? rows.slice(0, range.limit) : rows.slice(-range.limit));
  }

  async tails(convs: readonly bigint[]): Promise<(MessageRow | undefined)[]> {
    return convs.map((conv) => {
      let last: MessageRow | undefined;
      for (const row of this.rows.get(conv)?.values() ?? []) if (last === undefined || row.seq > last.seq) last = row;
      return structuredClone(last);
    });
  }

  async privates(conv: bigint, lo: bigint, hi: bigint): Promise<PrivateMessage[]> {
    const rows = [...this.private.values()].filter((held) => held.conv === conv && held.row.anchorSeq >= lo && held.row.anchorSeq <= hi);
    const list = rows.map((held) => held.row);
    return structuredClone(list.sort((a, b) => compare(a.anchorSeq, b.anchorSeq) || compare(a.pid, b.pid)));
  }

  async values(): Promise<Map<string, unknown>> {
    return structuredClone(this.kept);
  }

  async putValues(values: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    for (const [key, value] of values) {
      if (value === undefined) this.kept.delete(key);
      else this.kept.set(key, structuredClone(value));
    }
  }

  async evict(share: number): Promise<number> {
    const opened = (conv: bigint) => Number(this.kept.get(`${OPENED}${conv}`) ?? 0);
    const held = [...this.rows].map(([conv, rows]) => ({ conv, seqs: [...rows.keys()].sort(compare), openedMs: opened(conv) }));
    let gone = 0;
    for (const { conv, hi } of planEviction(held, share)) {
      const rows = this.rows.get(conv) ?? new Map<bigint, MessageRow>();
      for (const seq of [...rows.keys()].filter((one) => one <= hi)) gone += Number(rows.delete(seq));
      for (const [key, { conv: of, row }] of this.private) if (of === conv && row.anchorSeq <= hi) this.private.delete(key);
      this.apply({ type: "intervals", conv, intervals: intervalsAbove(this.intervals.get(conv) ?? [], hi) });
    }
    if (share >= 1) this.opaque.clear();
    return gone;
  }

  close(): void {
    // Nothing is open.
  }

  async destroy(): Promise<void> {
    this.device = undefined;
    for (const map of [this.streams, this.conversations, this.intervals, this.rows, this.private, this.outbox, this.reads, this.events, this.kept]) map.clear();
    this.opaque.clear();
  }

  private apply(op: StoreOp): void {
    switch (op.type) {
      case "device":
        this.device = op.row;
        return;
      case "stream":
        this.streams.set(op.row.unit, op.row);
        return;
      case "conversation":
        this.conversations.set(op.row.conv, op.row);
        return;
      case "intervals":
        if (op.intervals.length === 0) this.intervals.delete(op.conv);
        else this.intervals.set(op.conv, op.intervals);
        return;
      case "outbox":
        this.outbox.set(op.row.local, op.row);
        return;
      case "outboxDone":
        this.outbox.delete(op.local);
        return;
      case "readPending":
        this.reads.set(op.row.conv, op.row);
        return;
      case "readDone":
        this.reads.delete(op.conv);
        return;
      case "event":
        this.events.set(op.row.n, op.row);
        return;
      case "eventsDone":
        for (const n of this.events.keys()) if (n <= op.n) this.events.delete(n);
        return;
      case "opaque":
        this.opaque.set(op.row.pts, op.row);
        return;
      case "value":
        if (op.value === undefined) this.kept.delete(op.key);
        else this.kept.set(op.key, op.value);
        return;
      default:
        this.applyToMessages(op);
    }
  }

  private applyToMessages(op: StoreOp & { conv: bigint }): void {
    const rows = this.rows.get(op.conv) ?? new Map<bigint, MessageRow>();
    this.rows.set(op.conv, rows);
    if (op.type === "message") {
      const held = rows.get(op.row.seq);
      if (held === undefined || op.row.ver > held.ver) rows.set(op.row.seq, op.row);
    } else if (op.type === "change") {
      const held = rows.get(op.seq);
      const next = held && changed(held, op.ver, op.change);
      if (next) rows.set(op.seq, next);
    } else if (op.type === "gone") {
      for (const seq of rows.keys()) if (seq >= op.lo && seq <= op.hi) rows.delete(seq);
    } else if (op.type === "private") {
      const key = `${op.conv}/${op.row.anchorSeq}/${op.row.pid}`;
      const held = this.private.get(key);
      if (held === undefined || privateVer(op.row) > privateVer(held.row)) this.private.set(key, { conv: op.conv, row: op.row });
    }
  }
}
