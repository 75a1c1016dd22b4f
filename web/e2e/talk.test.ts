//! Two people talk: sign-in, one to one, groups, mentions, unread, threads.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { Server } from "./server.js";
import { violations } from "./violations.js";

describe("two people talk", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start(["ada", "bob", "cleo"]), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const signIn = async (name: string) => (await Tab.open(browser, server, faults)).signIn(name);
  const pair = async () => Promise.all([signIn("ada"), signIn("bob")]);

  it("a wrong password is told, and the right one opens the list", async () => {
    const tab = await Tab.open(browser, server, faults);
    await tab.fillSignIn("ada", "not the password");
    await tab.page.getByText("Name or password is not right.").waitFor();
    await tab.picture("sign-in-refused");
    await tab.signIn("ada");
  });

  it("one to one: what one writes the other reads, with unread and the mark of reading", async () => {
    const [ada, bob] = await pair();
    await ada.talkTo("bob");
    await ada.say("hello bob");
    await ada.isSent("hello bob");
    await bob.unread("ada").filter({ hasText: /^1$/ }).waitFor();
    await bob.openChat("ada");
    await bob.shows(["hello bob"]);
    await expect.poll(() => bob.unread("ada").count()).toBe(0);
    await bob.say("hello ada");
    await ada.shows(["hello bob", "hello ada"]);
    await ada.message("hello bob").getByRole("img", { name: "Read" }).waitFor();
    await ada.picture("one-to-one");
  });

  it("a group: unread is exact, a mention is seen, a thread holds its answers", async () => {
    const [ada, bob] = await pair();
    await ada.makeGroup("Bridge", ["bob", "cleo"]);
    for (const text of ["one", "two", "three"]) await ada.say(text);
    await bob.unread("Bridge").filter({ hasText: /^3$/ }).waitFor();
    await bob.openChat("Bridge");
    await bob.shows(["one", "two", "three"]);
    await expect.poll(() => bob.unread("Bridge").count()).toBe(0);
    await bob.message("two").hover();
    await bob.message("two").getByRole("button", { name: "Reply", exact: true }).click();
    await bob.box.pressSequentially("@ad");
    await bob.page.getByRole("option").filter({ hasText: "ada" }).waitFor();
    await bob.box.press("Enter");
    await bob.box.pressSequentially("look");
    await bob.box.press("Enter");
    await ada.message("look").locator(".mention.is-me").waitFor();
    await ada.message("look").locator(".quote").filter({ hasText: "two" }).waitFor();
    await ada.page.getByRole("button", { name: "1 reply" }).click();
    await ada.message("look", ada.thread).waitFor();
    await ada.thread.locator("textarea").fill("in the thread");
    await ada.thread.locator("textarea").press("Enter");
    await bob.page.getByRole("button", { name: "2 replies" }).waitFor();
    await bob.shows(["one", "two", "three", "@ada look", "in the thread"]);
    await ada.picture("thread");
  });

  it("a mention is marked in the list of somebody who looks elsewhere", async () => {
    const [ada, bob] = await pair();
    await ada.makeGroup("Harbour", ["bob"]);
    await bob.row("Harbour").waitFor();
    await ada.box.pressSequentially("@bo");
    await ada.page.getByRole("option").filter({ hasText: "bob" }).waitFor();
    await ada.box.press("Enter");
    await ada.box.pressSequentially("please");
    await ada.box.press("Enter");
    await bob.row("Harbour").locator(".badge.is-mention").waitFor();
    await bob.openChat("Harbour");
    await bob.message("please").locator(".mention.is-me").waitFor();
    await expect.poll(() => bob.row("Harbour").locator(".badge.is-mention").count()).toBe(0);
  });

  it("a click on a name tells who it is, and leads to a chat with them", async () => {
    const [ada, bob] = await pair();
    await ada.makeGroup("Lighthouse", ["bob", "cleo"]);
    await bob.openChat("Lighthouse");
    await ada.say("is **anybody** in?");
    await bob.message("is anybody in?").locator("strong").filter({ hasText: /^anybody$/ }).waitFor();
    await bob.message("is anybody in?").locator(".msg-name").click();
    const card = bob.page.getByRole("dialog", { name: "Person" });
    await card.getByText("@ada", { exact: true }).waitFor();
    await bob.picture("person");
    expect(await violations(bob.page), "person").toEqual([]);
    await card.getByRole("button", { name: "Send a message" }).click();
    await bob.page.locator(".chat-head").getByText("ada", { exact: true }).waitFor();
    expect(await card.count()).toBe(0);
    await bob.say("I am");
    await ada.openChat("bob");
    await ada.message("I am").waitFor();
  });

  it("who is removed may not write any more", async () => {
    const [ada, bob] = await pair();
    await ada.makeGroup("Attic", ["bob"]);
    await bob.openChat("Attic");
    await ada.page.getByRole("button", { name: "Details", exact: true }).click();
    await ada.page.getByRole("button", { name: "Remove bob" }).click();
    await ada.page.locator("dialog").getByRole("button", { name: "Remove", exact: true }).click();
    await bob.page.getByText("You are not a member any more.").waitFor();
    await expect.poll(() => bob.row("Attic").count()).toBe(0);
  });

  it("another device is signed out from here, and says so", async () => {
    const [first, second] = await Promise.all([signIn("cleo"), signIn("cleo")]);
    await first.page.getByRole("button", { name: "Settings" }).click();
    await first.page.locator("dialog li").filter({ hasText: "Active now" }).getByRole("button").click();
    await first.page.locator("dialog").last().getByRole("button", { name: "Sign out", exact: true }).click();
    await second.page.getByText("This device was signed out.").waitFor();
    expect(await second.page.evaluate(() => localStorage.getItem("tenon.session"))).toBeNull();
  });
});
