//! Page and server of different versions: what cannot work says so, what can goes on.

import { Content, EventBatch, eventType, Hello, kind } from "@tenon/wire";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { standBetween } from "./between.js";
import { client, Server } from "./server.js";

describe("page and server of different versions", () => {
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

  const open = () => Tab.open(browser, server, faults);
  const signIn = async (name: string) => (await open()).signIn(name);

  it("a page that the server does not understand keeps what it holds, says so, and goes on after a reload", async () => {
    const ada = await signIn("ada");
    await ada.makeGroup("Versions", ["bob"]);
    await ada.say("kept");
    await ada.isSent("kept");
    const end = await standBetween(ada.context, {
      up: (frame) => (frame.kind === kind.HELLO ? Hello.encode({ ...Hello.decode(frame.payload), protoMin: 7, protoMax: 7 }) : frame.payload),
    });
    await ada.page.reload();
    await ada.page.getByText("A newer version is needed. Reload the page.").first().waitFor();
    await ada.message("kept").waitFor();
    await ada.say("written meanwhile");
    await ada.picture("upgrade-needed");
    end();
    await ada.page.getByRole("button", { name: "Reload" }).first().click();
    await ada.isSent("written meanwhile");
    await ada.shows(["kept", "written meanwhile"]);
  });

  it("a message of a kind that only a newer server knows is shown by its plain text, or as unknown, and the rest is read", async () => {
    const [ada, bob] = [await signIn("ada"), await open()];
    await ada.makeGroup("Future", ["bob"]);
    const strange = (text: string): Uint8Array => {
      const fallback = text === "with a text" ? "[poll] Lunch at noon?" : "";
      // Field 900 of a later version, with two bytes.
      return Buffer.concat([Content.encode(Content.of({ fallback })), Uint8Array.from([0xa2, 0x38, 2, 1, 2])]);
    };
    await standBetween(bob.context, {
      down: (frame) => {
        if (frame.kind !== kind.EVENT_BATCH) return frame.payload;
        const batch = EventBatch.decode(frame.payload);
        const events = batch.events.map((event) => {
          const { what } = event.type === eventType.MESSAGE ? Content.decode(event.body) : { what: undefined };
          const text = what?.case === "text" ? what.value.text : "";
          return ["with a text", "without one"].includes(text) ? { ...event, kind: 777, body: strange(text) } : event;
        });
        return EventBatch.encode({ ...batch, events });
      },
    });
    await bob.page.reload();
    await bob.signIn("bob");
    await bob.openChat("Future");
    for (const text of ["before", "with a text", "without one", "after"]) await ada.say(text);
    await bob.shows(["before", "[poll] Lunch at noon?", "This message needs a newer version of the app.", "after"]);
    await bob.picture("unknown-kind");
    await bob.say("understood");
    await bob.isSent("understood");
  });

  it("a server that knows less: without its newer questions sign-in and chat work", async () => {
    const tab = await open();
    await tab.context.route(/\/v1\/(server|demo|me)\b/, (route) => route.fulfill({ status: 404, body: "not found" }));
    await tab.page.reload();
    await tab.signIn("ada");
    await tab.openChat("Versions");
    await tab.message("kept").waitFor();
    await tab.say("to an old server");
    await tab.isSent("to an old server");
    await tab.page.getByRole("button", { name: "Settings" }).click();
    await tab.page.locator("dialog li").filter({ hasText: "This device" }).waitFor();
    expect(await tab.page.getByRole("link", { name: "Administration" }).count()).toBe(0);
  });

  it("a new version of the page waits until it is asked for, and nothing that was written is lost", async () => {
    const folder = server.file("web");
    cpSync(client, folder, { recursive: true });
    await server.kill();
    await server.run(folder);
    const ada = await signIn("ada");
    await ada.openChat("Versions");
    await ada.page.evaluate(async () => void (await navigator.serviceWorker.ready));
    await ada.page.reload();
    await ada.box.fill("a draft");
    const page = join(folder, "index.html");
    writeFileSync(page, readFileSync(page, "utf8").replace("<title>Tenon", "<title>Tenon 2"));
    const worker = join(folder, "sw.js");
    writeFileSync(worker, `${readFileSync(worker, "utf8")}\n// a later version\n`);
    await server.kill();
    await server.run(folder);
    await ada.page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration())?.update()));
    const notice = ada.page.locator(".notice").filter({ hasText: "A new version is ready." });
    await notice.waitFor();
    await ada.picture("new-version");
    expect(await ada.box.inputValue()).toBe("a draft");
    await notice.getByRole("button", { name: "Reload" }).click();
    await notice.waitFor({ state: "detached" });
    await ada.chat.waitFor();
    await expect.poll(() => ada.box.inputValue()).toBe("a draft");
  });
});
