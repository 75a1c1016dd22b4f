//! What goes wrong around the client: the server dies, the network goes, a message is refused.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { Server } from "./server.js";

describe("what goes wrong", () => {
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
  /** Both in a group of their own, with its chat open. */
  async function together(title: string): Promise<[Tab, Tab]> {
    const [ada, bob] = await Promise.all([signIn("ada"), signIn("bob")]);
    await ada.makeGroup(title, ["bob"]);
    await bob.openChat(title);
    return [ada, bob];
  }

  it("the server is killed and comes back: nothing is lost, both see one order", async () => {
    const [ada, bob] = await together("Killed");
    await ada.say("before 1");
    await bob.say("before 2");
    await ada.isSent("before 1");
    await bob.isSent("before 2");
    // Some of these reach the server and some do not; nobody here knows which.
    await Promise.all([ada.say("during 1"), bob.say("during 2"), server.kill()]);
    await ada.say("during 3");
    await bob.say("during 4");
    await ada.picture("server-away");
    await server.run();
    for (const text of ["during 1", "during 3"]) await ada.isSent(text);
    for (const text of ["during 2", "during 4"]) await bob.isSent(text);
    await ada.say("after 1");
    await ada.isSent("after 1");
    await bob.message("after 1").waitFor();
    await expect.poll(async () => (await bob.seen()).length).toBe(7);
    await expect.poll(async () => (await ada.seen()).every((one) => one.seq > 0)).toBe(true);
    const [left, right] = [await ada.seen(), await bob.seen()];
    expect(left).toEqual(right);
    const texts = left.map((one) => one.text);
    expect([...texts].sort()).toEqual(["after 1", "before 1", "before 2", "during 1", "during 2", "during 3", "during 4"]);
    for (const [earlier, later] of [["during 1", "during 3"], ["during 2", "during 4"]] as const) expect(texts.indexOf(earlier)).toBeLessThan(texts.indexOf(later));
    // A fresh device reads the same from the server alone.
    const third = await signIn("bob");
    await third.openChat("Killed");
    await third.shows(texts);
  });

  it("killed three times under a stream of messages", async () => {
    const [ada, bob] = await together("Storm");
    const texts: string[] = [];
    for (let round = 1; round <= 3; round++) {
      for (let n = 1; n <= 4; n++) {
        const text = `storm ${round}.${n}`;
        texts.push(text);
        await ada.say(text);
      }
      await server.kill();
      await server.run();
    }
    await ada.say("the end");
    await ada.isSent("the end");
    await bob.shows([...texts, "the end"]);
    await ada.shows([...texts, "the end"]);
  });

  it("what is written without a network waits, survives a reload and goes out once", async () => {
    const [ada, bob] = await together("Train");
    await bob.context.setOffline(true);
    await bob.page.getByText("No network.", { exact: false }).first().waitFor();
    await bob.say("from the train");
    await bob.message("from the train").getByRole("img", { name: "Waiting for the connection" }).waitFor();
    await bob.say("from the tunnel");
    await ada.say("meanwhile");
    await ada.isSent("meanwhile");
    await bob.picture("offline");
    await bob.context.setOffline(false);
    await bob.isSent("from the tunnel");
    await bob.shows(["meanwhile", "from the train", "from the tunnel"]);
    await ada.shows(["meanwhile", "from the train", "from the tunnel"]);
    await bob.page.reload();
    await bob.shows(["meanwhile", "from the train", "from the tunnel"]);
  });

  it("a tab that is closed with something unsent sends it when it is opened again", async () => {
    const [ada, bob] = await together("Closed");
    await bob.context.setOffline(true);
    await bob.say("written, then closed");
    await bob.message("written, then closed").waitFor();
    await bob.page.close();
    await bob.context.setOffline(false);
    await Tab.in(bob.context);
    await ada.shows(["written, then closed"]);
  });

  it("a refused message says why, and goes out with a second try", async () => {
    const [ada, bob] = await together("Again");
    await bob.say("a first one");
    await ada.shows(["a first one"]);
    await bob.context.setOffline(true);
    await bob.say("too late");
    await ada.page.getByRole("button", { name: "Details", exact: true }).click();
    await ada.page.getByRole("button", { name: "Remove bob" }).click();
    await ada.page.locator("dialog").getByRole("button", { name: "Remove", exact: true }).click();
    await expect.poll(() => ada.page.getByRole("button", { name: "Remove bob" }).count()).toBe(0);
    await bob.context.setOffline(false);
    const failed = bob.message("too late");
    await failed.getByText("You are not a member any more.").waitFor();
    await bob.picture("refused");
    await ada.page.getByRole("button", { name: "Add", exact: true }).click();
    await ada.page.locator("dialog").getByRole("textbox", { name: "People" }).fill("bob");
    await ada.page.keyboard.press("Enter");
    await ada.page.locator("dialog .chip").waitFor();
    await ada.page.locator("dialog").getByRole("button", { name: "Add", exact: true }).last().click();
    await bob.row("Again").waitFor();
    await failed.getByRole("button", { name: "Try again" }).click();
    await bob.isSent("too late");
    await ada.message("too late").waitFor();
    expect(await ada.message("too late").count()).toBe(1);
    await expect.poll(() => bob.message("too late").count()).toBe(1);
  });
});
