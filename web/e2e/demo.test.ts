//! `tenon demo`: from the printed address to everything there is to see.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { client, Server } from "./server.js";
import { violations } from "./violations.js";

/** A visitor has seen everything within this time, milliseconds. */
const MINUTE = 60_000;

/** A page that the suite hands out counts as one from afar, which may not speak with this machine unasked. */
const LOCAL = ["--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"];

describe("the demonstration", () => {
  let server: Server;
  let browser: Browser;
  let adminLink: string;
  let memberLink: string;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.demo(), launch(LOCAL)]);
    adminLink = await server.printed(/https?:\/\/\S+\/demo#admin/);
    memberLink = await server.printed(/https?:\/\/\S+\/demo#member/);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  /** The demonstration serves the client inside the program, which may be of another build: pages come from ours. */
  async function ourPages(context: BrowserContext): Promise<void> {
    await context.route((url) => !url.pathname.startsWith("/v1/"), async (route) => {
      const { pathname } = new URL(route.request().url());
      const file = join(client, pathname);
      await route.fulfill({ path: pathname !== "/" && existsSync(file) ? file : join(client, "index.html") });
    });
  }

  async function enter(link: string): Promise<Tab> {
    const tab = await Tab.open(browser, server, faults, { serviceWorkers: "block" }, ourPages);
    await tab.page.goto(link);
    await tab.atHome();
    return tab;
  }

  it("the printed address opens a house in which people talk, within a minute and without a password", async () => {
    const begun = performance.now();
    const tab = await enter(adminLink);
    await expect.poll(() => tab.page.getByTestId("conversation").count()).toBeGreaterThan(3);
    await tab.picture("demo-home");
    // The busiest group is first: what is said in it comes by itself.
    await tab.page.getByTestId("conversation").first().click();
    await expect.poll(async () => (await tab.seen()).length).toBeGreaterThan(5);
    const last = (await tab.seen()).at(-1)?.seq ?? 0;
    await expect.poll(async () => (await tab.seen()).at(-1)?.seq ?? 0).toBeGreaterThan(last);
    await tab.say("good morning from a visitor");
    await tab.isSent("good morning from a visitor");
    await tab.picture("demo-chat");
    await tab.page.goto("/admin");
    await tab.page.getByRole("heading", { name: "Overview" }).waitFor();
    await tab.page.getByText("Live", { exact: true }).waitFor();
    await expect.poll(() => tab.page.locator(".chart-line").count()).toBeGreaterThan(0);
    await tab.picture("demo-admin");
    const took = performance.now() - begun;
    console.info(`from the printed address to the administration: ${(took / 1000).toFixed(1)} s`);
    expect(took).toBeLessThan(MINUTE);
  });

  it("side by side: what the administrator writes the member reads, and answers", async () => {
    const [ada, ben] = [await enter(adminLink), await enter(memberLink)];
    await ben.page.getByRole("button", { name: "Settings" }).click();
    const own = () => ben.page.locator(".settings-me small").textContent();
    // The own name comes from the server.
    await expect.poll(own).toMatch(/^@\S/);
    const login = (await own())?.replace("@", "") ?? "";
    expect(await ben.page.locator("dialog").getByRole("link", { name: "Administration" }).count()).toBe(0);
    await ben.page.keyboard.press("Escape");
    await ada.page.getByRole("button", { name: "New chat" }).first().click();
    await ada.page.locator("dialog").getByRole("textbox", { name: "People" }).fill(login);
    await ada.page.keyboard.press("Enter");
    await ada.page.locator("dialog").waitFor({ state: "detached" });
    await ada.say("are you there?");
    await ada.isSent("are you there?");
    await ben.page.getByTestId("conversation").filter({ hasText: "are you there?" }).click();
    await ben.message("are you there?").waitFor();
    await ben.say("I am");
    await ada.message("I am").waitFor();
  });

  it("the door offers both people, and names where the messages come from", async () => {
    const tab = await Tab.open(browser, server, faults, { serviceWorkers: "block" }, ourPages);
    await tab.page.locator(".demo-person").nth(1).waitFor();
    expect(await tab.page.locator(".demo-person").count()).toBe(2);
    await tab.page.getByText("irc-disentanglement", { exact: false }).waitFor();
    expect(await violations(tab.page), "door").toEqual([]);
    await tab.picture("demo-door");
    await tab.page.locator(".demo-person").first().click();
    await tab.atHome();
  });
});
