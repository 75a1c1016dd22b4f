//! A thread whose replies lie hundreds of messages behind its first one.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { type Said, writeArchive } from "./archive.js";
import { password, Server } from "./server.js";
import { violations } from "./violations.js";

/** Replies to message 40, by their place in the archive. */
const REPLIES: Readonly<Record<number, string>> = { 47: "first reply", 460: "second reply", 777: "third reply", 1_180: "fourth reply" };
const ALL = Object.values(REPLIES);

const said = Array.from({ length: 1_200 }, (_, index): Said => {
  const by = index % 3 === 0 ? "ada" : "bob";
  const reply = REPLIES[index];
  return reply === undefined ? { by, text: index === 40 ? "who has the key?" : `line ${index}` } : { by, text: reply, thread: 40 };
});

describe("a long thread", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start([]), launch()]);
    await server.kill();
    writeArchive(server.file("export.zip"), "general", ["ada", "bob"], said);
    server.tenon(["import", "slack", server.file("export.zip")]);
    await server.run();
    for (const name of ["ada", "bob"]) server.tenon(["user", "password", name], password);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const signIn = async (name: string) => (await Tab.open(browser, server, faults)).signIn(name);
  const textsOf = (tab: Tab) => tab.thread.getByTestId("message").evaluateAll((all) => all.map((one) => one.querySelector(".msg-text")?.firstChild?.textContent ?? ""));
  /** The newest reply of the archive; later ones quote it. */
  const newest = (tab: Tab) => tab.message("fourth reply").first();
  /** By the keyboard: the list may still be moving to what is new. */
  const openThread = (tab: Tab) => newest(tab).press("t");

  it("opened from its newest reply it shows the first message and every reply, and takes new ones", async () => {
    const [ada, bob] = await Promise.all([signIn("ada"), signIn("bob")]);
    await ada.openChat("general");
    await openThread(ada);
    await expect.poll(() => textsOf(ada)).toEqual(["who has the key?", ...ALL]);
    await expect.poll(() => ada.thread.locator(".thread-further").count()).toBe(0);
    await ada.thread.getByText("4 replies", { exact: true }).waitFor();
    await ada.picture("long-thread");
    expect(await violations(ada.page), "thread").toEqual([]);
    // The first message lies more than a thousand above; from there the count of replies is of those at hand.
    await ada.thread.getByRole("button", { name: "Show in the chat" }).click();
    await ada.message("who has the key?").first().waitFor();
    await ada.message("who has the key?").first().getByRole("button", { name: "1+ replies" }).waitFor();
    await ada.page.getByRole("button", { name: "Jump to the newest message" }).click();
    await newest(ada).waitFor();
    await bob.openChat("general");
    await bob.message("fourth reply").hover();
    await bob.message("fourth reply").getByRole("button", { name: "Reply", exact: true }).click();
    await bob.say("I have it");
    await bob.isSent("I have it");
    await expect.poll(() => textsOf(ada)).toEqual(["who has the key?", ...ALL, "I have it"]);
    await ada.thread.locator("textarea").fill("bring it, please");
    await ada.thread.locator("textarea").press("Enter");
    await bob.message("bring it, please").waitFor();
    await expect.poll(() => textsOf(ada)).toEqual(["who has the key?", ...ALL, "I have it", "bring it, please"]);
  });

  it("what was found is kept: without the network the thread is whole, and it says when it cannot know", async () => {
    const ada = await signIn("ada");
    await ada.openChat("general");
    await openThread(ada);
    await ada.thread.getByText("6 replies", { exact: true }).waitFor();
    await ada.page.reload();
    await newest(ada).waitFor();
    await ada.context.setOffline(true);
    await openThread(ada);
    await expect.poll(() => textsOf(ada)).toEqual(["who has the key?", ...ALL, "I have it", "bring it, please"]);
    await ada.thread.getByText("6 replies", { exact: true }).waitFor();
    await ada.context.setOffline(false);
    // Nothing of the archive is on a new device, and the server is away before it could be asked.
    const other = await signIn("bob");
    await other.openChat("general");
    await newest(other).waitFor();
    await other.context.setOffline(true);
    await other.page.getByText("No network.", { exact: false }).first().waitFor();
    await openThread(other);
    await other.thread.getByText("Looking for more replies…").waitFor();
    await other.context.setOffline(false);
    await other.thread.getByText("6 replies", { exact: true }).waitFor();
    await expect.poll(() => textsOf(other)).toEqual(["who has the key?", ...ALL, "I have it", "bring it, please"]);
  });
});
