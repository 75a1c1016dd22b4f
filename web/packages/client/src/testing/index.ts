//! A server in memory for tests of apps: the frames of the real one, with a network that obeys.
//!
//! Takes and gives: `client(name)` is a signed-in client whose link, store and tickets are this server's; `network` delays,
//! cuts and loses. Nothing leaves the process and no real time is needed: with fake timers every test is exact.
//! Invariants: what apps see is what they see of the real server; one script plays against both (`test/parity`).
//! Not here: media, sign-in over HTTP, accounts with rules of their own, damage. A method or command that is not known is refused.

import { closeReason, concat, ConvKind, encodeFrame, type Ephemeral, errorCode, type Frame, frameLimits, FrameReader, utf8, WireError } from "@tenon/wire";
import { Client, type ClientOptions } from "../client.js";
import { textMessage } from "../content.js";
import type { Connect, SocketEvents } from "../driver.js";
import type { Session } from "../session.js";
import { MemoryStore } from "../store/memory.js";
import type { TabGround } from "../tabs.js";
import type { Rate, Rates } from "./limits.js";
import { type Ground, ServerLink } from "./link.js";
import { type Conversation, type Device, inside, partOf, Town, type User } from "./town.js";

/** Which way a frame goes. */
export type Direction = "up" | "down";

/** The network between all devices and the server. */
export class Network {
  /** Milliseconds each way; frames of a link never overtake each other. */
  latencyMs = 0;
  /** While false every link is down and none can be opened. */
  isUp = true;
  /** Frames for which this says true are lost; the link stays. */
  loses: (frame: Frame, way: Direction) => boolean = () => false;

  constructor(private readonly cutAll: () => void) {}

  /** Ends every link as a dead network does: nobody is told by a frame. */
  cut(): void {
    this.cutAll();
  }

  down(): void {
    this.isUp = false;
    this.cutAll();
  }

  up(): void {
    this.isUp = true;
  }
}

interface Wire {
  readonly link: ServerLink;
  readonly cut: () => void;
}

/** Tabs of their own: no other client hears, and this one leads at once. */
const alone: TabGround = {
  locks: undefined,
  channel: () => ({ postMessage: () => undefined, close: () => undefined, onmessage: null }),
};

/** What a test may choose of its server. */
export interface TestServerOptions {
  /** Edits, recalls, reactions and signs of writing work as the protocol says. The real server has none of them so far. */
  readonly changes?: boolean;
  /** A group with more members is read by pull; 500 unless told. */
  readonly queueModeMembersMax?: number;
  /** With at most this many it goes back to queues; 400 unless told. */
  readonly pullModeMembersMin?: number;
  /** How often one may send; without limit unless told. A command that comes too fast waits and comes again by itself. */
  readonly rates?: Rates;
}

/** The way of a device into this server. */
export interface Door {
  readonly session: Session;
  readonly connect: Connect;
  readonly getToken: () => Promise<Uint8Array>;
}

/** The server. */
export class TestServer {
  readonly network = new Network(() => [...this.wires].forEach((wire) => wire.cut()));
  /** Protocol versions that this server speaks; change it to be too old or too new for a client. */
  protos = { min: 1, max: 1 };
  /** Unix milliseconds as the server counts them. */
  clock: () => number = () => Date.now();
  private readonly wires = new Set<Wire>();
  private readonly town: Town;

  constructor({ changes = false, queueModeMembersMax = 500, pullModeMembersMin = 400, rates = {} }: TestServerOptions = {}) {
    const heralds = {
      clock: () => this.clock(),
      told: (user: User) => this.linksOf(user).forEach((link) => link.pump()),
      moved: (c: Conversation) => this.wires.forEach(({ link }) => link.tip(c)),
      removed: (device: Device) => [...this.wires].filter(({ link }) => link.device === device).forEach(({ link }) => link.close(closeReason.SESSION_ENDED, errorCode.session_ended)),
    };
    this.town = new Town(heralds, { changes, queueModeMembersMax, pullModeMembersMin, rates });
  }

  /** A person with an account, who begins to exist if not known; gives the id. */
  user(name: string): bigint {
    return this.town.user(name).id;
  }

  /** A new device of a person, who begins to exist if not known. */
  session(name: string): Session {
    const user = this.town.user(name);
    const device = this.town.addDevice(user, "test");
    return { server: "memory:", credential: `${device.id}`, user: `${user.id}`, device: `${device.id}`, org: "1", name };
  }

  /** What a client of this session needs to get in. */
  door(session: Session): Door {
    const getToken = async () => {
      const device = this.town.devices.get(BigInt(session.device));
      if (device === undefined || device.isRemoved) throw new WireError("ticket_invalid", "the device is not known");
      return utf8(session.device);
    };
    return { session, connect: this.connect, getToken };
  }

  /** A signed-in client on a device of its own; the same session again is the same device. */
  client(name: string, options: Partial<ClientOptions> = {}): Client {
    const session = options.session ?? this.session(name);
    return new Client({ stores: new MemoryStore(), ground: alone, ...this.door(session), ...options, session });
  }

  /** A group with these people, the first as owner; gives its id. */
  group(title: string, names: readonly string[]): bigint {
    return this.town.makeGroup(title, names.map((name) => this.town.user(name))).id;
  }

  /** The direct conversation of two people; gives its id. */
  direct(one: string, other: string): bigint {
    return this.town.direct(this.town.user(one), this.town.user(other)).id;
  }

  /** Somebody says something, without a client; gives the seq. */
  say(conv: bigint, name: string, text: string): bigint {
    const c = this.town.conversations.get(conv);
    if (c === undefined) throw new Error(`no conversation ${conv}`);
    return this.town.say(c, this.town.user(name), textMessage(conv, text)).seq;
  }

  /** Signs a device out from the server's side. */
  signOut(session: Session): void {
    const device = this.town.devices.get(BigInt(session.device));
    if (device) this.town.removeDevice(device);
  }

  /** Forgets the queue of a person up to now: devices that were away must read the list anew. */
  trim(name: string): void {
    const user = this.town.user(name);
    user.trim = BigInt(user.queue.length);
  }

  /** Texts of nothing but the order: bodies of all messages of a conversation. */
  history(conv: bigint): { readonly seq: bigint; readonly sender: string; readonly body: Uint8Array }[] {
    const rows = [...(this.town.conversations.get(conv)?.rows.values() ?? [])];
    return rows.map((row) => ({ seq: row.seq, sender: this.town.users.get(row.sender)?.name ?? "", body: row.body }));
  }

  /** Opens a link to this server. */
  readonly connect: Connect = (events) => {
    let isOpen = true;
    const later = this.pipe();
    const drop = (text: string) => {
      if (!isOpen) return;
      isOpen = false;
      this.wires.delete(wire);
      events.closed(text);
    };
    const write = (bytes: Uint8Array) => later(() => isOpen && this.deliver(bytes, "down", (left) => events.bytes(left)));
    const link = new ServerLink(this.ground, write, () => later(() => drop("the server closed")));
    const wire: Wire = { link, cut: () => drop("the network is gone") };
    this.open(later, wire, events, drop, () => isOpen);
    return {
      send: (bytes) => later(() => isOpen && this.deliver(bytes.slice(), "up", (left) => link.take(left))),
      close: () => {
        isOpen = false;
        this.wires.delete(wire);
      },
    };
  };

  private open(later: (act: () => void) => void, wire: Wire, events: SocketEvents, drop: (text: string) => void, isOpen: () => boolean): void {
    later(() => {
      if (!isOpen()) return;
      if (!this.network.isUp) return drop("no network");
      this.wires.add(wire);
      events.opened();
    });
  }

  /** Hands on what the network does not lose. */
  private deliver(bytes: Uint8Array, way: Direction, to: (left: Uint8Array) => void): void {
    const reader = new FrameReader(way === "up" ? frameLimits.up : frameLimits.down);
    reader.push(bytes);
    const kept: Uint8Array[] = [];
    for (let frame = reader.next(); frame; frame = reader.next()) {
      if (!this.network.loses(frame, way)) kept.push(encodeFrame(frame.kind, frame.id, frame.payload, frame.last));
    }
    if (kept.length > 0) to(concat(kept));
  }

  /** Acts one after the other, each `latencyMs` late. */
  private pipe(): (act: () => void) => void {
    let queue: Promise<void> = Promise.resolve();
    return (act) => {
      const due = new Promise<void>((resolve) => setTimeout(resolve, this.network.latencyMs));
      queue = Promise.all([queue, due]).then(act);
    };
  }

  private get ground(): Ground {
    return {
      town: this.town,
      protos: this.protos,
      clock: this.clock,
      deviceOf: (ticket) => this.town.devices.get(BigInt(new TextDecoder().decode(ticket) || "0")),
      welcome: (link) => {
        for (const wire of this.wires) if (wire.link !== link && wire.link.device === link.device) wire.link.close(closeReason.DISPLACED);
      },
      isOnline: (device) => this.linksOf(device.user).some((link) => link.device === device),
      spread: (from, ephemeral) => this.spread(from, ephemeral),
    };
  }

  private linksOf(user: User): ServerLink[] {
    return [...this.wires].map((wire) => wire.link).filter((link) => link.device?.user === user);
  }

  private spread(from: ServerLink, ephemeral: Ephemeral): void {
    const c = this.town.conversations.get(ephemeral.conv);
    const sender = from.device?.user;
    if (!this.town.options.changes || sender === undefined || c === undefined || !partOf(c, sender.id)) return;
    for (const id of inside(c)) {
      const user = this.town.users.get(id);
      if (user === undefined || user === sender) continue;
      for (const link of this.linksOf(user)) link.ephemeral({ ...ephemeral, sender: sender.id, atMs: BigInt(this.clock()) });
    }
  }
}

export { ConvKind, type Conversation, type Device, type Rate, type Rates, type User };
