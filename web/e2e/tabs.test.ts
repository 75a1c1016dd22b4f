//! Several tabs of one browser: one of them runs the engine, any other takes it over.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { Server } from "./server.js";

describe("tabs of one browser", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start(["ada", "bob"]), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const signIn = async (name: string) => (await Tab.open(browser, server, faults)).signIn(name);

  /** The sockets that a page opens from now on. */
  function socketsOf(page: Page): string[] {
    const opened: string[] = [];
    page.on("websocket", (socket) => opened.push(socket.url()));
    return opened;
  }

  async function secondTab(of: Tab): Promise<{ tab: Tab; sockets: string[] }> {
    const page = await of.context.newPage();
    const sockets = socketsOf(page);
    await page.goto("/");
    return { tab: new Tab(page, of.context), sockets };
  }

  it("share one connection; the next takes over when the first closes, and nothing is lost", async () => {
    const bob = await signIn("bob");
    const first = await signIn("ada");
    await first.makeGroup("Tabs", ["bob"]);
    await bob.openChat("Tabs");
    const { tab: second, sockets } = await secondTab(first);
    await second.openChat("Tabs");
    await second.say("from the second tab");
    await second.isSent("from the second tab");
    await first.message("from the second tab").waitFor();
    expect(sockets).toEqual([]);
    // The first tab goes while something is on its way.
    await Promise.all([second.say("across the change"), first.page.close()]);
    await expect.poll(() => sockets.length).toBe(1);
    await second.isSent("across the change");
    await bob.say("from the other side");
    await second.message("from the other side").waitFor();
    await second.say("after the change");
    await second.isSent("after the change");
    await bob.message("after the change").waitFor();
    await expect.poll(async () => (await second.seen()).every((one) => one.seq > 0)).toBe(true);
    await expect.poll(() => bob.seen()).toEqual(await second.seen());
    expect((await bob.seen()).filter((one) => one.text === "across the change").length).toBe(1);
  });

  it("take turns: each closes in the middle of its own message", async () => {
    const bob = await signIn("bob");
    const ada = await signIn("ada");
    await ada.makeGroup("Turns", ["bob"]);
    await bob.openChat("Turns");
    const texts: string[] = [];
    let leader = ada;
    for (let n = 1; n <= 4; n++) {
      const { tab } = await secondTab(leader);
      await tab.openChat("Turns");
      await leader.say(`turn ${n}`);
      texts.push(`turn ${n}`);
      // Shown on the other tab means: it is durable, sent or not.
      await tab.message(`turn ${n}`).waitFor();
      await leader.page.close();
      leader = tab;
    }
    await leader.say("last");
    await bob.shows([...texts, "last"]);
    await leader.shows([...texts, "last"]);
  });

  it("sign out together", async () => {
    const first = await signIn("ada");
    const { tab: second } = await secondTab(first);
    await second.atHome();
    await first.page.getByRole("button", { name: "Settings" }).click();
    await first.page.locator("dialog").getByRole("button", { name: "Sign out", exact: true }).last().click();
    await first.page.locator("dialog").last().getByRole("button", { name: "Sign out", exact: true }).last().click();
    for (const tab of [first, second]) await tab.page.locator('input[autocomplete="username"]').waitFor();
    expect(await second.page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name))).toEqual([]);
  });
});
