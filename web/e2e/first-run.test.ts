//! The first minutes of a server: set-up, an invitation, the first message.

import type { Browser, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { password, Server } from "./server.js";

describe("the first minutes of a server", () => {
  let server: Server;
  let browser: Browser;
  let setUpLink: string;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start([]), launch()]);
    setUpLink = await server.printed(/https?:\/\/\S+\/setup#\S+/);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const open = () => Tab.open(browser, server, faults);

  /** A new tab at an address of the server. */
  async function at(address: string): Promise<Tab> {
    const tab = await open();
    await tab.page.goto(address);
    return tab;
  }

  /** The administration as ada, on one of its pages. */
  async function admin(page: string): Promise<Tab> {
    const tab = await (await open()).signIn("ada");
    await tab.page.goto(`/admin#/${page}`);
    await tab.page.locator(".admin-main h1").waitFor();
    return tab;
  }

  const linkOf = (tab: Tab): Promise<string> => tab.page.getByRole("textbox", { name: "Link" }).inputValue();
  const button = (within: Locator | Tab["page"], name: string) => within.getByRole("button", { name, exact: true });
  const dialog = (tab: Tab) => tab.page.locator("dialog").last();

  async function join(link: string, name: string, display: string): Promise<Tab> {
    const tab = await at(link);
    await tab.page.getByLabel("Your name").fill(display);
    await tab.page.getByLabel("Login name").fill(name);
    await tab.page.getByLabel("Password", { exact: true }).fill(password);
    await button(tab.page, "Join").click();
    await tab.atHome();
    return tab;
  }

  /** Makes an invitation and gives its link. */
  async function invite(tab: Tab): Promise<string> {
    await button(tab.page, "New invitation").click();
    await button(dialog(tab), "Create").click();
    const link = await linkOf(tab);
    await button(dialog(tab), "Close").click();
    return link;
  }

  it("from the printed link to the first message", async () => {
    const begun = performance.now();
    const early = await open();
    await early.page.getByText("This server is not set up yet.", { exact: false }).waitFor();
    const ada = await at(setUpLink);
    await button(ada.page, "Create organisation").click();
    expect(await ada.page.locator('[aria-invalid="true"]').count()).toBe(4);
    await ada.page.getByLabel("Organisation", { exact: true }).fill("Northwind");
    await ada.page.getByLabel("Your name").fill("Ada Lovelace");
    await ada.page.getByLabel("Login name").fill("ada");
    await ada.page.getByLabel("Password", { exact: true }).fill(password);
    await ada.picture("set-up");
    await button(ada.page, "Create organisation").click();
    const link = await linkOf(ada);
    await ada.picture("set-up-invitation");
    expect(new URL(ada.page.url()).hash).toBe("");
    const look = await at(link);
    await look.page.getByText("Ada Lovelace invites you.").waitFor();
    await look.page.getByRole("heading", { name: "Join Northwind" }).waitFor();
    await look.picture("join");
    const bob = await join(link, "bob", "Bob Kahn");
    await ada.page.getByRole("link", { name: "Start chatting" }).click();
    await ada.atHome();
    await ada.talkTo("bob", "Bob Kahn");
    await ada.say("welcome");
    await bob.openChat("Ada Lovelace");
    await bob.message("welcome").waitFor();
    console.info(`from the printed link to the first message: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  });

  it("a link that was used, an unknown one and none at all are told apart", async () => {
    const used = await at(setUpLink);
    await used.page.getByRole("heading", { name: "This server is already set up" }).waitFor();
    const unknown = await at(`/join#${"A".repeat(43)}`);
    await unknown.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
    const none = await at("/join");
    await none.page.getByRole("heading", { name: "This link is not whole" }).waitFor();
    const ada = await admin("invitations");
    const once = await invite(ada);
    await (await join(once, "cleo", "Cleo Wang")).close();
    const late = await at(once);
    await late.page.getByRole("heading", { name: "This link was used" }).waitFor();
    const taken = await invite(ada);
    await button(ada.page.getByRole("row").filter({ hasText: "1 of 1 left" }), "Withdraw").click();
    await button(dialog(ada), "Withdraw").click();
    await ada.page.getByRole("row").filter({ hasText: "Withdrawn" }).waitFor();
    const gone = await at(taken);
    await gone.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
    await ada.picture("admin-invitations");
  });

  it("a name that is taken is said, and the form stays", async () => {
    const ada = await admin("invitations");
    const tab = await at(await invite(ada));
    await tab.page.getByLabel("Your name").fill("Another Bob");
    await tab.page.getByLabel("Login name").fill("bob");
    await tab.page.getByLabel("Password", { exact: true }).fill(password);
    await button(tab.page, "Join").click();
    await tab.page.getByText("This login name is taken.", { exact: false }).waitFor();
    await tab.page.getByLabel("Login name").fill("bob2");
    await button(tab.page, "Join").click();
    await tab.atHome();
  });
});
