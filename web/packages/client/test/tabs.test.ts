//! Tabs over one lock and one channel: who leads, and what becomes of calls when the leader goes.

import { describe, expect, it } from "vitest";
import { TestServer } from "../src/testing/index.js";
import { type Connect, Host, MemoryStore, type Notice, type TabGround, Tabs, textMessage } from "../src/index.js";

/** A browser with one lock: who comes first holds it until it lets go. */
class Ground implements TabGround {
  private readonly queue: (() => Promise<unknown>)[] = [];
  private isHeld = false;

  readonly locks = {
    request: (_: string, options: { signal?: AbortSignal }, work: () => Promise<unknown>): Promise<unknown> => {
      const done = new Promise((resolve, reject) => this.queue.push(() => (options.signal?.aborted ? Promise.resolve() : work()).then(resolve, reject)));
      void this.next();
      return done;
    },
  } as unknown as Pick<LockManager, "request">;

  readonly channel = (name: string): BroadcastChannel => new BroadcastChannel(name);

  private async next(): Promise<void> {
    const work = this.queue[0];
    if (this.isHeld || work === undefined) return;
    this.queue.shift();
    this.isHeld = true;
    await work();
    this.isHeld = false;
    void this.next();
  }
}

const nobody: Connect = () => ({ send: () => undefined, close: () => undefined });

function tab(name: string, ground: Ground, store: MemoryStore) {
  const notices: Notice[] = [];
  let restarts = 0;
  const start = (notify: (notice: Notice) => void) => Host.open({ stores: store, connect: nobody, getTicket: async () => new Uint8Array(1) }, notify);
  const tabs = Tabs.join(name, start, { notice: (notice) => notices.push(notice), restarted: () => (restarts += 1) }, ground);
  return { tabs, notices, restarts: () => restarts };
}

describe("tabs", () => {
  it("the first leads, the second speaks through it and hears what happens", async () => {
    const [ground, store] = [new Ground(), new MemoryStore()];
    const [first, second] = [tab("one", ground, store), tab("one", ground, store)];
    await expect.poll(() => first.tabs.isLeader).toBe(true);
    const answer = await second.tabs.ask({ type: "send", send: textMessage(7n, "hi"), after: 0n });
    expect(answer).toMatchObject({ type: "queued" });
    expect(second.tabs.isLeader).toBe(false);
    for (const { notices } of [first, second]) await expect.poll(() => notices.some((notice) => notice.type === "outbox")).toBe(true);
    for (const { tabs } of [first, second]) tabs.leave();
  });

  it("the leader leaves with calls under way: the next one does each of them once", async () => {
    const [ground, store] = [new Ground(), new MemoryStore()];
    const all = [1, 2, 3].map(() => tab("two", ground, store));
    const [first, second, third] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
    await expect.poll(() => first.tabs.isLeader).toBe(true);
    const asked = Array.from({ length: 20 }, (_, n) => [second, third][n % 2]?.tabs.ask({ type: "send", send: textMessage(7n, `n${n}`), after: 0n }));
    const rows = third.tabs.rows({ conv: 7n, lo: 0n, hi: 9n, limit: 5, isUpward: true });
    first.tabs.leave();
    const answers = await Promise.all(asked);
    expect(new Set(answers.map((answer) => (answer?.type === "queued" ? answer.local : 0n))).size).toBe(20);
    expect(await rows).toEqual([]);
    expect((await store.load()).outbox.length).toBe(20);
    expect([second.tabs.isLeader, third.tabs.isLeader]).toContain(true);
    second.tabs.leave();
    await expect.poll(() => third.tabs.isLeader).toBe(true);
    expect((await third.tabs.snapshot()).outbox.length).toBe(20);
    third.tabs.leave();
    await expect(third.tabs.snapshot()).rejects.toThrow("left");
  });
});

describe("clients of one browser over a long list", () => {
  it("the second has every line in order, and none of them goes when it takes over", async () => {
    const [ground, stores, server] = [new Ground(), new MemoryStore(), new TestServer()];
    const groups = Array.from({ length: 950 }, (_, n) => server.group(`g${n}`, ["ada", "bob"]));
    for (const n of [3, 500, 940]) server.say(groups[n] ?? 0n, "bob", "hello");
    const session = server.session("ada");
    const first = server.client("ada", { session, stores, ground });
    await expect.poll(() => first.conversations.get().length).toBe(950);
    await expect.poll(() => first.totals.get().count).toBe(3n);
    const second = server.client("ada", { session, stores, ground });
    await expect.poll(() => second.isListWhole.get()).toBe(true);
    const convs = (client: typeof first) => client.conversations.get().map((line) => line.conv);
    expect(convs(second)).toEqual(convs(first));
    expect(second.totals.get()).toEqual(first.totals.get());
    let fewest = 950;
    second.conversations.subscribe(() => (fewest = Math.min(fewest, second.conversations.get().length)));
    const middle = convs(first)[600] ?? 0n;
    await first.close(false);
    server.say(middle, "bob", "to the top");
    await expect.poll(() => convs(second)[0]).toBe(middle);
    expect(new Set(convs(second))).toEqual(new Set(groups));
    expect(fewest).toBe(950);
    expect(second.totals.get()).toMatchObject({ lines: 950, count: 4n, conversations: 4 });
    await second.close(false);
  });
});
