//! Devices of several people at one server, and what their apps see of it as text.
//!
//! Takes a ground (a server that accounts can be signed in to); gives the same text for the same script, whatever the server
//! calls things: people, conversations and devices have the names of the script, and times, ids and keys are left out.

import { ConvKind, errorCode, flag, type MessageRow, messageKind, role } from "@tenon/wire";
import { Client, type ClientOptions, type Connect, type ListLine, MemoryStore, Refused, type Session, type Settled, shownOf, type StoreOp, type Timeline } from "../../src/index.js";
import { Line } from "./line.js";

/** A signed-in device and the way to its server. */
export interface Door {
  readonly session: Session;
  readonly connect: Connect;
  readonly getToken?: ClientOptions["getToken"];
}

/** A server with accounts. */
export interface Ground {
  signIn(name: string): Promise<Door>;
}

/** How long a step may take, milliseconds; it ends as soon as what it waits for is there. */
const STEP_MAX = 60_000;
/** How long a picture that is not the expected one must rest to be what is seen, milliseconds: a busy machine stalls for seconds. */
const PATIENCE = 15_000;
/** The same once a step was seen otherwise, or where nothing is expected. */
const PATIENCE_LEFT = 1_000;
const LOOK_EVERY = 10;

const alone: NonNullable<ClientOptions["ground"]> = { locks: undefined, channel: () => ({ postMessage: () => undefined, close: () => undefined, onmessage: null }) };

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const codes = new Map(Object.entries(errorCode).map(([name, number]) => [number as number, name]));
const kinds = new Map(Object.entries(messageKind).map(([name, number]) => [number as number, name.toLowerCase()]));
const roles = new Map(Object.entries(role).map(([name, number]) => [number as number, name.toLowerCase()]));

/** The text of a wire code. */
export const codeText = (code: number): string => (code === 0 ? "ok" : (codes.get(code) ?? `${code}`));

/** What became of a wish: "ok", or why not. */
export async function fate(doing: Promise<unknown>): Promise<string> {
  try {
    await doing;
    return "ok";
  } catch (error) {
    if (error instanceof Refused) return codeText(error.code);
    throw error;
  }
}

/** A store of which an older copy can be put back. */
class Kept extends MemoryStore {
  readonly commits: (readonly StoreOp[])[] = [];

  override async commit(ops: readonly StoreOp[]): Promise<void> {
    await super.commit(ops);
    this.commits.push(structuredClone(ops));
  }
}

/** One device with its app. */
export class Seat {
  client!: Client;
  readonly line = new Line();
  private store = new Kept();
  readonly timelines = new Map<bigint, Timeline>();
  /** Told since the step began. */
  heard: (() => string)[] = [];
  /** What was on the screen when the step before ended. */
  shown: ReadonlyMap<string, string> = new Map();
  /** Of own commands, by local id. */
  readonly settled = new Map<bigint, Settled>();
  private unnoted = -1;
  private readonly newest = new Map<bigint, bigint>();

  constructor(
    readonly name: string,
    readonly door: Door,
    private readonly world: World,
  ) {
    this.begin();
  }

  /** The app starts, over what is stored. */
  begin(): void {
    const { session, connect, getToken } = this.door;
    this.client = new Client({ session, stores: this.store, connect: this.line.through(connect), ground: alone, ...(getToken && { getToken }) });
    this.newest.clear();
    this.listen();
  }

  /** The app ends; what it stored stays. */
  async end(): Promise<void> {
    await this.client.close(false);
    this.unnoted = -1;
    this.timelines.clear();
  }

  /** True if nothing that was told would be told again after a restart. */
  get noted(): boolean {
    void this.store.load().then(({ events }) => (this.unnoted = events.length));
    return this.unnoted === 0;
  }

  /** Where the store is now. */
  get mark(): number {
    return this.store.commits.length;
  }

  /** While the app does not run: the store is as it was at `mark`; 0 = nothing is left of it. */
  async putBack(mark: number): Promise<void> {
    const { commits } = this.store;
    this.store = new Kept();
    for (const ops of commits.slice(0, mark)) await this.store.commit(ops);
  }

  /** The network comes back, and the app tries at once. */
  up(): void {
    this.line.up();
    this.client.connectNow();
  }

  /** The line of the list. */
  of(conv: bigint): ListLine | undefined {
    return this.client.conversation(conv).get();
  }

  /** True if this was told in the present step. */
  hears(text: string): boolean {
    return this.heard.some((one) => one() === text);
  }

  /** Opens a conversation and waits until its newest page is verified. */
  async open(conv: bigint): Promise<Timeline> {
    const held = this.timelines.get(conv);
    if (held) return held;
    const timeline = this.client.openTimeline(conv);
    this.timelines.set(conv, timeline);
    await this.world.until(() => timeline.view.get().isVerified, `${this.name} sees ${this.world.label(conv)}`);
    return timeline;
  }

  close(conv: bigint): void {
    this.timelines.delete(conv);
    this.client.closeTimeline(conv);
  }

  private listen(): void {
    const { client, world } = this;
    client.on("message", ({ conv, seq, sender, flags }) => {
      if (seq <= (this.newest.get(conv) ?? 0n)) throw new Error(`${this.name} hears of ${world.label(conv)} ${seq} too late`);
      this.newest.set(conv, seq);
      this.heard.push(() => `message ${world.label(conv)} ${seq} of ${world.person(sender)} flags ${flagText(flags)}`);
    });
    client.on("changed", ({ conv, seq }) => this.heard.push(() => `changed ${world.label(conv)} ${seq}`));
    client.on("members", ({ conv }) => this.heard.push(() => `members of ${world.label(conv)}`));
    client.on("ephemeral", ({ conv, type }) => this.heard.push(() => `ephemeral ${type} in ${world.label(conv)}`));
    client.on("rebased", ({ reason }) => this.heard.push(() => `rebased for reason ${reason}`));
    client.on("unknown", ({ type }) => this.heard.push(() => `unknown event ${type}`));
    client.on("settled", (settled) => {
      this.settled.set(settled.local, settled);
      const { conv, code, seq, rev } = settled;
      const again = settled.isOfferedAgain ? " offered again" : "";
      this.heard.push(() => `settled in ${world.label(conv)}: ${codeText(code)} seq ${seq} rev ${rev}${again}`);
    });
  }
}

const flagText = (flags: number): string => {
  const known = Object.entries(flag).filter(([name, bit]) => name === name.toUpperCase() && bit !== flag.OF_DEVICE && (flags & bit) === bit);
  return known.map(([name]) => name.toLowerCase()).join("+") || "none";
};

/** All devices at one server. */
export class World {
  private readonly seats = new Map<string, Seat>();
  private readonly people = new Map<bigint, string>();
  private readonly labels = new Map<bigint, string>([[0n, "own things"]]);
  private notes: string[] = [];
  private hasDiffered = false;
  /** What steps keep for later ones. */
  readonly held: Record<string, bigint> = {};

  constructor(private readonly ground: Ground) {}

  /** Signs a device in: `ada`, or `ada/2` for her second one. */
  async join(name: string): Promise<Seat> {
    const person = name.split("/")[0] ?? name;
    const seat = new Seat(name, await this.ground.signIn(person), this);
    this.people.set(seat.client.me, person);
    this.seats.set(name, seat);
    await this.until(() => seat.client.status.get().state === "live", `${name} is live`);
    return seat;
  }

  seat(name: string): Seat {
    const seat = this.seats.get(name);
    if (seat === undefined) throw new Error(`nobody is called ${name}`);
    return seat;
  }

  /** The id of a person who was met. */
  id(name: string): bigint {
    const found = [...this.people].find(([, held]) => held === name);
    if (found === undefined) throw new Error(`${name} was not met`);
    return found[0];
  }

  meet(id: bigint, name: string): void {
    this.people.set(id, name);
  }

  /** Calls a conversation by a name from now on. */
  call(conv: bigint, name: string): bigint {
    this.labels.set(conv, name);
    this.held[name] = conv;
    return conv;
  }

  /** The id of a conversation that was given a name. */
  conv(name: string): bigint {
    const held = this.held[name];
    if (held === undefined) throw new Error(`no conversation ${name}`);
    return held;
  }

  label(conv: bigint): string {
    return this.labels.get(conv) ?? "a conversation without name";
  }

  person(user: bigint): string {
    return user === 0n ? "nobody" : (this.people.get(user) ?? "somebody");
  }

  note(text: string): void {
    this.notes.push(text);
  }

  /** Waits for something that must come. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    for (const end = Date.now() + STEP_MAX; !isTrue(); await pause(LOOK_EVERY)) {
      if (Date.now() > end) throw new Error(`it does not come: ${what}\n${this.picture()}`);
    }
  }

  /** The picture once it is `expected`; otherwise what it is after a while. Without `expected`: once it rests. */
  async rest(expected: string | undefined): Promise<string> {
    let before = "";
    let since = Date.now();
    const patience = expected === undefined || this.hasDiffered ? PATIENCE_LEFT : PATIENCE;
    for (;;) {
      const now = this.picture();
      if (now === expected) break;
      if (now !== before) [before, since] = [now, Date.now()];
      if (Date.now() - since > patience) break;
      await pause(LOOK_EVERY);
    }
    const last = this.picture();
    if (last !== expected) this.hasDiffered = true;
    this.notes = [];
    for (const seat of this.seats.values()) {
      seat.shown = this.seen(seat);
      seat.heard = [];
    }
    return last;
  }

  async end(): Promise<void> {
    for (const seat of this.seats.values()) await seat.end();
  }

  /** What became different on all screens since the step before, and what was heard in this one. */
  picture(): string {
    return [...this.notes.map((note) => `* ${note}`), ...[...this.seats.values()].flatMap((seat) => this.news(seat))].join("\n");
  }

  private news(seat: Seat): string[] {
    const [now, before] = [this.seen(seat), seat.shown];
    const gone = [...before.keys()].filter((key) => !now.has(key)).map((key) => `  - ${key}`);
    const fresh = [...now].filter(([key, text]) => before.get(key) !== text).map(([key, text]) => `  + ${key}${text}`);
    const heard = seat.heard.map((one) => `  heard ${one()}`).sort();
    const { state, reason, code } = seat.client.status.get();
    const why = state === "stopped" ? ` because of ${reason}, ${codeText(code)}` : "";
    const all = [...gone, ...fresh, ...heard];
    return all.length > 0 || state !== "live" ? [`${seat.name} is ${state === "connecting" ? "backoff" : state}${why}`, ...all] : [];
  }

  /** The lines of a screen by what they are about. */
  private seen(seat: Seat): Map<string, string> {
    const { client } = seat;
    const hidden = [...this.labels.keys()].flatMap((conv) => seat.of(conv) ?? []).filter((line) => line.summary?.hidden);
    const lines = [...client.conversations.get(), ...hidden].map((line) => [this.label(line.conv), this.lineText(line)] as const).sort();
    const views = [...seat.timelines].flatMap(([conv, timeline]) => [...this.timelineText(conv, timeline), ...this.rosterText(seat, conv)]);
    return new Map([...lines, ...views]);
  }

  private lineText(line: ListLine): string {
    const { meta, summary } = line;
    const kept = [summary?.pinned && "pinned", summary?.hidden && "hidden", summary?.markedUnread && "marked unread", summary?.notify && `notify ${summary.notify}`];
    const parts = [
      ` "${meta?.title ?? ""}" kind ${meta?.kind} mode ${meta?.mode}`,
      `owner ${this.person(meta?.owner ?? 0n)} peer ${this.person(meta?.peer ?? 0n)} ${meta?.memberCount} members`,
      `rev ${line.rev}/${line.known} tip ${line.tipSeq} floor ${line.floorSeq} unread ${line.unread} read ${line.readSeq} by peer ${line.peerReadSeq}`,
      `mention ${line.mentionSeq} as ${roles.get(line.role)}`,
      ...kept.filter((text) => typeof text === "string"),
    ];
    return parts.join(", ");
  }

  private timelineText(conv: bigint, timeline: Timeline): [key: string, text: string][] {
    const view = timeline.view.get();
    const name = this.label(conv);
    const edges = `${view.isFloor ? "from the first" : "more above"}, ${view.isTip ? "to the newest" : "more below"}`;
    const rows = view.rows.map((row, at): [string, string] => [`${name} row ${at + 1}: `, this.rowText(row)]);
    const ends = rows.length <= 12 ? rows : [...rows.slice(0, 2), ...rows.slice(-3)];
    const outgoing = view.outgoing.map((one): [string, string] => [`${name} on its way ${one.local}: `, `"${textOf(one.send)}"${one.failedCode === undefined ? "" : ` failed with ${codeText(one.failedCode)}`}`]);
    return [[`window of ${name}`, `: ${rows.length} rows, ${edges}`], ...ends, ...outgoing];
  }

  private rosterText({ client }: Seat, conv: bigint): [key: string, text: string][] {
    if (client.conversation(conv).get()?.meta?.kind !== ConvKind.GROUP) return [];
    const members = client.members(conv).get().map((member) => `${this.person(member.user)} ${roles.get(member.role)}`);
    return [[`members of ${this.label(conv)}`, `: ${members.sort().join(", ")}`]];
  }

  private rowText(row: MessageRow): string {
    const about = row.mentions.length > 0 ? ` names ${row.mentions.map((user) => this.person(user)).join(" ")}` : "";
    const reply = row.replySeq > 0n ? ` answers ${row.replySeq}` : "";
    return `${row.seq} ver ${row.ver} cnt ${row.cnt} ${this.person(row.sender)} ${kinds.get(row.kind)} "${textOf(row)}" flags ${flagText(row.flags)}${reply}${about}`;
  }
}

const textOf = (row: { readonly kind: number; readonly body: Uint8Array; readonly flags: number }): string => {
  const shown = shownOf(row);
  const text = shown.type === "text" ? shown.text : shown.type;
  return text.length > 40 ? `${text.slice(0, 10)}... (${text.length})` : text;
};
