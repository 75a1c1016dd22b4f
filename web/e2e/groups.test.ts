//! A group from its beginning: who is chosen, who comes and goes, what it is called.

import type { Browser, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { Server } from "./server.js";

describe("groups", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start(["ada", "bob", "cleo", "dana"]), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const signIn = async (name: string) => (await Tab.open(browser, server, faults)).signIn(name);
  const button = (within: Locator | Tab["page"], name: string) => within.getByRole("button", { name, exact: true });
  const dialog = (tab: Tab) => tab.page.locator("dialog").last();
  const panel = (tab: Tab) => tab.page.locator("aside.panel");
  const details = (tab: Tab) => button(tab.page, "Details").click();
  const membersOf = async (tab: Tab) => (await panel(tab).locator(".member strong").allTextContents()).map((text) => text.replace(" · You", ""));

  it("is made of people that are found, without those that are not, and everybody sees it at once", async () => {
    const [ada, bob, cleo] = await Promise.all([signIn("ada"), signIn("bob"), signIn("cleo")]);
    await button(ada.page, "New group").click();
    const people = dialog(ada).getByRole("textbox", { name: "People" });
    const create = button(dialog(ada), "Create");
    await people.fill("bob");
    await ada.page.keyboard.press("Enter");
    await dialog(ada).locator(".chip").filter({ hasText: "bob" }).waitFor();
    // Without a name there is no group.
    expect(await create.isDisabled()).toBe(true);
    await people.fill("nobody-of-that-name");
    await ada.page.keyboard.press("Enter");
    await dialog(ada).getByText("Nobody here is called “nobody-of-that-name”.").waitFor();
    await people.fill("dana");
    await ada.page.keyboard.press("Enter");
    await button(dialog(ada), "Remove dana").click();
    await people.fill("cleo");
    await ada.page.keyboard.press("Enter");
    await dialog(ada).locator(".chip").filter({ hasText: "cleo" }).waitFor();
    await dialog(ada).getByLabel("Group name").fill("A harbour for ships with very long names that need all the room there is");
    await ada.picture("group-new");
    await create.click();
    const title = "A harbour for ships with very long names that need all the room there is";
    for (const tab of [bob, cleo]) await tab.openChat(title);
    await ada.say("welcome aboard");
    for (const tab of [bob, cleo]) await tab.shows(["welcome aboard"]);
    await details(ada);
    await expect.poll(async () => (await membersOf(ada)).sort()).toEqual(["ada", "bob", "cleo"]);
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await ada.picture("group-details");
    // Members who are no heads may neither rename nor add nor remove.
    await details(bob);
    await expect.poll(async () => (await membersOf(bob)).length).toBe(3);
    for (const name of ["Rename", "Add", "Remove cleo"]) expect(await button(panel(bob), name).count(), name).toBe(0);
  });

  it("is renamed, takes somebody in who sees what was said, and is left by who wants to", async () => {
    const [ada, bob, dana] = await Promise.all([signIn("ada"), signIn("bob"), signIn("dana")]);
    await ada.makeGroup("Short", ["bob"]);
    await ada.say("said before");
    await ada.isSent("said before");
    await bob.openChat("Short");
    await details(ada);
    await button(panel(ada), "Rename").click();
    await dialog(ada).getByLabel("Group name").fill("Shorter");
    await button(dialog(ada), "Save").click();
    await bob.page.locator(".chat-head").getByText("Shorter", { exact: true }).waitFor();
    await bob.row("Shorter").waitFor();
    await button(panel(ada), "Add").click();
    await dialog(ada).getByRole("textbox", { name: "People" }).fill("dana");
    await ada.page.keyboard.press("Enter");
    await button(dialog(ada), "Add").last().click();
    await dana.openChat("Shorter");
    await dana.message("said before").waitFor();
    await dana.say("glad to be here");
    await bob.message("glad to be here").waitFor();
    await expect.poll(async () => (await membersOf(ada)).sort()).toEqual(["ada", "bob", "dana"]);
    await details(bob);
    await button(panel(bob), "Leave group").click();
    await bob.picture("group-leave");
    await button(dialog(bob), "Leave group").click();
    await expect.poll(() => bob.row("Shorter").count()).toBe(0);
    await bob.page.getByText("Pick a chat to begin").waitFor();
    await expect.poll(async () => (await membersOf(ada)).sort()).toEqual(["ada", "dana"]);
    await ada.say("and then there were two");
    await dana.message("and then there were two").waitFor();
    expect(await bob.row("Shorter").count()).toBe(0);
    // Who comes back finds the group with everything in it.
    await button(panel(ada), "Add").click();
    await dialog(ada).getByRole("textbox", { name: "People" }).fill("bob");
    await ada.page.keyboard.press("Enter");
    await button(dialog(ada), "Add").last().click();
    await bob.openChat("Shorter");
    await bob.message("and then there were two").waitFor();
  });
});
