//! One engine for all tabs of a browser: the tab that holds the lock runs it, the others speak with it by messages.
//!
//! The lock is a Web Lock, so a closed or crashed tab frees it and the next one takes over at once. A call that was under
//! way then is asked again of the new engine: reads give the same, and what makes a row carries a token, so it is done once
//! (host). Without Web Locks the tab runs its own engine; the server's connection counter then lets the newest link win.

import type { Host, Notice, Port } from "./host.js";

type Method = keyof Port;
type Letter =
  | { readonly type: "call"; readonly from: string; readonly id: number; readonly method: Method; readonly args: unknown[] }
  | { readonly type: "answer"; readonly to: string; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly type: "notice"; readonly notice: Notice }
  /** A tab runs the engine from now on. */
  | { readonly type: "leader" };

interface Call {
  readonly method: Method;
  readonly args: unknown[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** This tab left while a call was under way: whether it was done is not known. */
export class LeaderLost extends Error {
  constructor() {
    super("this tab has left the account");
    this.name = "LeaderLost";
  }
}

/** What the owner of a tab is told. */
export interface TabEvents {
  notice(notice: Notice): void;
  /** Another engine answers from now on: read the snapshot again. */
  restarted(isLeader: boolean): void;
}

/** What tabs need of their browser; those of the page unless told. */
export interface TabGround {
  /** `undefined` = no locks: every tab runs its own engine. */
  readonly locks: Pick<LockManager, "request"> | undefined;
  readonly channel: (name: string) => Pick<BroadcastChannel, "postMessage" | "close" | "onmessage">;
}

const page = (): TabGround => ({
  locks: typeof navigator === "undefined" ? undefined : navigator.locks,
  channel: (name) => new BroadcastChannel(name),
});

/** This tab's way to the engine, wherever it runs. */
export class Tabs implements Port {
  private readonly own = crypto.randomUUID();
  private readonly channel: ReturnType<TabGround["channel"]>;
  private readonly calls = new Map<number, Call>();
  private host: Host | undefined;
  private nextId = 1;
  private free: (() => void) | undefined;
  private readonly abort = new AbortController();

  private constructor(
    name: string,
    private readonly events: TabEvents,
    ground: TabGround,
  ) {
    this.channel = ground.channel(name);
    this.channel.onmessage = (message: MessageEvent<Letter>) => void this.received(message.data);
  }

  /** Joins the tabs of `name`; `start` opens the engine if this tab is to run it. */
  static join(name: string, start: (notify: (notice: Notice) => void) => Promise<Host>, events: TabEvents, ground: TabGround = page()): Tabs {
    const tabs = new Tabs(name, events, ground);
    const lead = () => tabs.lead(start);
    const failed = (error: unknown) => {
      if (!tabs.abort.signal.aborted) events.notice({ type: "state", state: { type: "stopped", code: 0, reason: 0, text: String(error) } });
    };
    const leading = ground.locks ? ground.locks.request(name, { signal: tabs.abort.signal }, lead) : lead();
    Promise.resolve(leading).catch(failed);
    events.restarted(false);
    return tabs;
  }

  /** True if this tab runs the engine. */
  get isLeader(): boolean {
    return this.host !== undefined;
  }

  /** The engine, if this tab runs it. */
  get leading(): Host | undefined {
    return this.host;
  }

  /** Leaves the others; the next tab takes the engine over. */
  leave(): void {
    this.abort.abort();
    this.host?.close();
    this.host = undefined;
    this.free?.();
    this.channel.close();
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const call of calls) call.reject(new LeaderLost());
  }

  snapshot: Port["snapshot"] = () => this.call("snapshot", []);
  ask: Port["ask"] = (wish) => this.call("ask", wish.type === "send" || wish.type === "op" ? [wish, crypto.randomUUID()] : [wish]);
  tell: Port["tell"] = (hint) => void this.call("tell", [hint]).catch(() => undefined);
  rows: Port["rows"] = (range) => this.call("rows", [range]);
  tails: Port["tails"] = (convs) => this.call("tails", [convs]);
  lines: Port["lines"] = (behind, limit) => this.call("lines", [behind, limit]);
  line: Port["line"] = (conv) => this.call("line", [conv]);
  dropFailed: Port["dropFailed"] = (local) => this.call("dropFailed", [local]);
  putValues: Port["putValues"] = (values) => this.call("putValues", [values]);

  private async lead(start: (notify: (notice: Notice) => void) => Promise<Host>): Promise<void> {
    if (this.abort.signal.aborted) return;
    const host = await start((notice) => this.spread(notice));
    if (this.abort.signal.aborted) return host.close();
    this.host = host;
    const calls = [...this.calls];
    this.calls.clear();
    this.post({ type: "leader" });
    this.events.restarted(true);
    for (const [, call] of calls) this.perform(host, call.method, call.args).then(call.resolve, call.reject);
    await new Promise<void>((resolve) => (this.free = resolve));
  }

  private call<T>(method: Method, args: unknown[]): Promise<T> {
    if (this.abort.signal.aborted) return Promise.reject(new LeaderLost());
    if (this.host) return this.perform(this.host, method, args) as Promise<T>;
    const id = this.nextId;
    this.nextId += 1;
    return new Promise<T>((resolve, reject) => {
      this.calls.set(id, { method, args, resolve: resolve as (value: unknown) => void, reject });
      this.post({ type: "call", from: this.own, id, method, args });
    });
  }

  private async perform(host: Host, method: Method, args: unknown[]): Promise<unknown> {
    return (host[method] as (...values: unknown[]) => unknown).apply(host, args);
  }

  private async received(letter: Letter): Promise<void> {
    if (letter.type === "call" && this.host) {
      const { from: to, id } = letter;
      try {
        this.post({ type: "answer", to, id, value: await this.perform(this.host, letter.method, letter.args) });
      } catch (error) {
        this.post({ type: "answer", to, id, error: error instanceof Error ? error.message : String(error) });
      }
    } else if (letter.type === "answer" && letter.to === this.own) {
      const call = this.calls.get(letter.id);
      this.calls.delete(letter.id);
      if (letter.error === undefined) call?.resolve(letter.value);
      else call?.reject(new Error(letter.error));
    } else if (letter.type === "notice" && !this.host) this.events.notice(letter.notice);
    else if (letter.type === "leader" && !this.host) {
      this.events.restarted(false);
      for (const [id, { method, args }] of this.calls) this.post({ type: "call", from: this.own, id, method, args });
    }
  }

  private spread(notice: Notice): void {
    this.events.notice(notice);
    this.post({ type: "notice", notice });
  }

  private post(letter: Letter): void {
    if (!this.abort.signal.aborted) this.channel.postMessage(letter);
  }
}
