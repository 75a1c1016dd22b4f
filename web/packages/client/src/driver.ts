//! Runs an engine: one WebSocket, the store, timers, clocks.
//!
//! Gives outcomes by callbacks, in the order of the engine. Not here: any decision of the protocol.

import type { Engine } from "./engine.js";
import type { Answer, AppEvent, Command, Now } from "./engine/speech.js";
import type { Store, StoreOp } from "./store.js";

/** An open link as the driver needs it; a WebSocket in binary mode fits. */
export interface Socket {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** What a socket tells. */
export interface SocketEvents {
  opened(): void;
  bytes(bytes: Uint8Array): void;
  closed(text: string): void;
}

/** Opens a link; the events come later, never during the call. */
export type Connect = (events: SocketEvents) => Socket;

/** What the driver tells its owner. */
export interface DriverEvents {
  answer(ticket: number, answer: Answer): void;
  event(event: AppEvent): void;
  /** These steps are durable now. */
  committed(ops: readonly StoreOp[]): void;
  /** The store failed and the engine has stopped; nothing more is told. Without it the engine itself says so. */
  failed?(error: unknown): void;
  /** Steps of the owner for the same transaction as `ops`. */
  alongside?(ops: readonly StoreOp[]): readonly StoreOp[];
}

/** Opens `url` as a WebSocket with sub-protocol `tenon.v1`. */
export function webSocketTo(url: string): Connect {
  return (events) => {
    const socket = new WebSocket(url, ["tenon.v1"]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => events.opened();
    socket.onmessage = (message) => events.bytes(new Uint8Array(message.data as ArrayBuffer));
    socket.onclose = (close) => events.closed(close.reason || `closed with ${close.code}`);
    return {
      send: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
      close: () => socket.close(1000),
    };
  };
}

const now = (): Now => ({ wall: Date.now(), mono: performance.now() });

/** The engine's hands. */
export class Driver {
  private socket: Socket | undefined;
  private generation = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isRunning = false;
  private isClosed = false;

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly connect: Connect,
    private readonly events: DriverEvents,
  ) {}

  /** Hands a command over and does what follows from it. */
  command(command: Command): void {
    this.engine.handleCommand(command, now());
    this.run();
  }

  /** The network is gone: the link ends now, not when a ping is missed. */
  networkLost(): void {
    this.dropSocket();
    this.engine.handleLinkDown("the network is gone", now());
    this.run();
  }

  /** Ends everything without a word; nothing is told any more. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.dropSocket();
  }

  /** Performs outputs until there are none. */
  run(): void {
    if (this.isRunning || this.isClosed) return;
    this.isRunning = true;
    try {
      for (let output = this.engine.pollOutput(now()); output; output = this.engine.pollOutput(now())) {
        if (output.type === "commit") void this.commit(output.tx, output.ops);
        else if (output.type === "connect") this.open();
        else if (output.type === "closeLink") {
          this.flush();
          this.dropSocket();
        } else if (output.type === "answer") this.events.answer(output.ticket, output.answer);
        else this.events.event(output.event);
      }
      this.flush();
    } finally {
      this.isRunning = false;
    }
    this.plan();
  }

  private flush(): void {
    for (let bytes = this.engine.pollTransmit(); bytes; bytes = this.engine.pollTransmit()) this.socket?.send(bytes);
  }

  private async commit(tx: number, ops: StoreOp[]): Promise<void> {
    try {
      await this.store.commit([...ops, ...(this.events.alongside?.(ops) ?? [])]);
    } catch (error) {
      if (this.isClosed) return;
      if (this.events.failed !== undefined) {
        this.close();
        return this.events.failed(error);
      }
      this.engine.handleCommitFailed(error instanceof Error ? error.message : String(error));
      return this.run();
    }
    if (this.isClosed) return;
    this.events.committed(ops);
    this.engine.handleCommitted(tx, now());
    this.run();
  }

  private open(): void {
    this.dropSocket();
    const mine = this.generation;
    const guarded = (act: () => void) => {
      if (mine !== this.generation || this.isClosed) return;
      act();
      this.run();
    };
    this.socket = this.connect({
      opened: () => guarded(() => this.engine.handleLinkUp(now())),
      bytes: (bytes) => guarded(() => this.engine.handleBytes(bytes, now())),
      closed: (text) =>
        guarded(() => {
          this.dropSocket();
          this.engine.handleLinkDown(text, now());
        }),
    });
  }

  private dropSocket(): void {
    this.generation += 1;
    this.socket?.close();
    this.socket = undefined;
  }

  private plan(): void {
    clearTimeout(this.timer);
    const due = this.engine.deadline;
    if (due === undefined || this.isClosed) return;
    const wait = Math.max(0, Math.min(due - performance.now(), 0x7fff_ffff));
    this.timer = setTimeout(() => {
      this.engine.handleTimeout(now());
      this.run();
    }, Math.ceil(wait));
  }
}
