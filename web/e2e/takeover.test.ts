//! How long a browser is without a connection when the tab that holds it goes: closed by its user, or its process killed.
//!
//! Prints figures and judges none of them. `ROUNDS=20 npm run browser -- takeover` for the figures of docs/performance.md;
//! `CONVERSATIONS=1000` gives the account that many conversations more.

import { Client, freshTicket, MemoryStore, signIn, socketUrl, webSocketTo } from "@tenon/client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { password, Server } from "./server.js";

const rounds = Number(process.env["ROUNDS"] ?? 2);

/** When a page's next socket was opened, and when the first frame came on it. */
interface Link {
  openedAt: number;
  liveAt: number;
}

function nextLink(page: Page): Link {
  const link = { openedAt: 0, liveAt: 0 };
  page.once("websocket", (socket) => {
    link.openedAt = performance.now();
    socket.once("framereceived", () => (link.liveAt = performance.now()));
  });
  return link;
}

/** Looks more often than a locator, which waits up to half a second between two looks. */
const shown = (page: Page, text: string) => page.waitForFunction((wanted) => document.querySelector(".chat-main")?.textContent?.includes(wanted), text, { polling: 20 });

const line = (what: string, all: number[]): string => {
  const sorted = [...all].sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
  return `${what}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms of ${all.length}`;
};

describe("a browser whose leading tab goes", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start(["ada", "bob"]), launch()]);
    await makeGroups(Number(process.env["CONVERSATIONS"] ?? 0));
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));
  const patience = 120_000 + rounds * 20_000;

  async function makeGroups(count: number): Promise<void> {
    if (count === 0) return;
    const session = await signIn(server.url, { name: "ada", password, label: "groups" });
    const ground = { locks: undefined, channel: () => ({ postMessage: () => undefined, close: () => undefined, onmessage: null }) };
    const client = new Client({ session, stores: new MemoryStore(), connect: webSocketTo(socketUrl(server.url, server.url)), getToken: () => freshTicket(session), ground });
    for (let n = 1; n <= count; n++) await client.createGroup(`group ${n}`, []);
    await client.close(false);
  }

  /** Ends a page's process as a crash does. */
  async function kill(page: Page): Promise<void> {
    const devtools = await page.context().newCDPSession(page);
    faults.killed.add(page);
    const gone = new Promise((resolve) => page.once("crash", resolve));
    void devtools.send("Page.crash").catch(() => undefined);
    await gone;
  }

  it.each([
    ["closed", (page: Page) => page.close()],
    ["killed", kill],
  ] as const)("%s: the next one is live again, and hears what was said meanwhile", async (how, end) => {
    const bob = await (await Tab.open(browser, server, faults)).signIn("bob");
    let leader = await (await Tab.open(browser, server, faults)).signIn("ada");
    const group = `Group ${how}`;
    await leader.makeGroup(group, ["bob"]);
    await bob.openChat(group);
    const [opened, live, heard]: number[][] = [[], [], []];
    for (let round = 1; round <= rounds; round++) {
      const next = await Tab.in(leader.context);
      await next.openChat(group);
      await bob.say(`before ${round}`);
      await next.message(`before ${round}`).waitFor();
      const link = nextLink(next.page);
      const begun = performance.now();
      await Promise.all([end(leader.page), bob.say(`meanwhile ${round}`), shown(next.page, `meanwhile ${round}`)]);
      heard?.push(performance.now() - begun);
      await expect.poll(() => link.liveAt).toBeGreaterThan(0);
      opened?.push(link.openedAt - begun);
      live?.push(link.liveAt - begun);
      leader = next;
    }
    console.log([line(`${how}, socket opened`, opened ?? []), line(`${how}, live`, live ?? []), line(`${how}, message shown`, heard ?? [])].join("\n"));
  }, patience);
});
