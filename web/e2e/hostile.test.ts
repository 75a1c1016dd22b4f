//! Text and rows that nobody meant well: the app shows them as text, or as unknown, and goes on.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { rawDevice } from "./raw-script.js";
import { password, Server } from "./server.js";

const hostile: readonly string[] = [
  `<img src=x onerror="globalThis.pwned=1">`,
  `<script>globalThis.pwned=1</script>`,
  `"><svg onload=globalThis.pwned=1>`,
  `javascript:globalThis.pwned=1//`,
  `[click](javascript:globalThis.pwned=1)`,
  `{{constructor.constructor('globalThis.pwned=1')()}}`,
  `\u202Egnp.exe\u202C reversed`,
  `Z\u0351\u036B\u0343a\u0337\u0345l\u0356\u0347g\u030Do`,
  `👨‍👩‍👧‍👦 🏳️‍🌈 \u{1F1E9}\u{1F1EA} e\u0301`,
  `tab\tand nul-like \u0001\u0007 controls`,
  `https://example.org/?q=<b>&x=${"y".repeat(200)}`,
  `${"W".repeat(3000)}`,
  `line\n`.repeat(100).trim(),
  `../../../etc/passwd %00 ${"%n".repeat(20)} ' OR 1=1 --`,
];

describe("hostile rows", () => {
  let server: Server;
  let browser: Browser;
  let device: string;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser, device] = await Promise.all([Server.start(["ada", "bob", "eve"]), launch(), rawDevice()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const signIn = async (name: string) => (await Tab.open(browser, server, faults)).signIn(name);
  const isUntouched = async (page: Page) => page.evaluate(() => !("pwned" in globalThis));

  it("text is text, whatever it says", async () => {
    const [ada, bob] = await Promise.all([signIn("ada"), signIn("bob")]);
    await ada.makeGroup(`<b onclick="globalThis.pwned=1">Title</b>`, ["bob"]);
    await bob.openChat(`<b onclick="globalThis.pwned=1">Title</b>`);
    for (const text of hostile) {
      await ada.say(text);
      // The end of a very long text is folded away.
      const start = text.trim().slice(0, 60);
      for (const tab of [ada, bob]) await expect.poll(async () => (await tab.seen()).some((one) => one.text.startsWith(start)), { message: start }).toBe(true);
      expect(await isUntouched(bob.page)).toBe(true);
    }
    for (const tab of [ada, bob]) {
      expect(await isUntouched(tab.page)).toBe(true);
      expect(await tab.chat.locator("img, script, svg[onload], iframe").count()).toBe(0);
      const links = await tab.chat.locator("a").evaluateAll((all) => all.map((one) => (one as HTMLAnchorElement).protocol));
      expect(links.filter((protocol) => !["http:", "https:"].includes(protocol))).toEqual([]);
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    }
    await bob.picture("hostile-text");
  });

  it("messages of unknown kinds and broken bodies stand in the chat as unknown, and the rest is read", async () => {
    const ada = await signIn("ada");
    await ada.makeGroup("Unknown", ["bob", "eve"]);
    const eve = await Tab.open(browser, server, faults);
    await eve.page.evaluate(device);
    const taken = await eve.page.evaluate(
      async ([name, secret]) => {
        const raw = (globalThis as unknown as { raw: typeof import("./raw-device.js") }).raw;
        return raw.sendStrange(name ?? "", secret ?? "");
      },
      ["eve", password],
    );
    // What is no message at all is refused by the server; what it cannot judge is for the reader to bear.
    expect(taken.filter((one) => one.code !== 0).map((one) => one.what)).toEqual(["a kind from the future", "the highest kind", "a body that is no message", "an empty content", "no body", "a reply to nothing"]);
    await ada.message("a text that can be read").waitFor();
    await ada.say("and it goes on");
    await ada.isSent("and it goes on");
    const seen = await ada.seen();
    expect(seen.length).toBe(taken.filter((one) => one.code === 0).length + 1);
    expect(seen.filter((one) => one.text === "").length).toBe(0);
    await ada.picture("unknown-kinds");
    await ada.page.reload();
    await ada.message("and it goes on").waitFor();
  });

  for (const harm of ["rows", "newer schema", "missing tables"] as const) {
    it(`a local store that is damaged (${harm}) is begun anew, and everything is read again`, async () => {
      const [ada, bob] = await Promise.all([signIn("ada"), signIn("bob")]);
      await ada.makeGroup(`Damaged ${harm}`, ["bob"]);
      await ada.say("before the damage");
      await ada.isSent("before the damage");
      await ada.page.goto("about:blank");
      const other = await ada.context.newPage();
      await other.goto("/icon.svg");
      await other.evaluate(damage, harm);
      await other.close();
      await ada.page.goto("/");
      await ada.openChat(`Damaged ${harm}`);
      await ada.shows(["before the damage"]);
      await ada.say("after the damage");
      await ada.isSent("after the damage");
      await bob.openChat(`Damaged ${harm}`);
      await bob.shows(["before the damage", "after the damage"]);
      // The new store is a real one: a reload goes on from it.
      await ada.page.reload();
      await ada.shows(["before the damage", "after the damage"]);
    });
  }
});

/** Runs in the page: harms every database of the origin. */
async function damage(harm: string): Promise<void> {
  const done = <T>(asked: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  for (const { name } of await indexedDB.databases()) {
    if (name === undefined) continue;
    if (harm === "newer schema") {
      (await done(indexedDB.open(name, 1_000))).close();
    } else if (harm === "missing tables") {
      await done(indexedDB.deleteDatabase(name));
      (await done(indexedDB.open(name, 1))).close();
    } else {
      const db = await done(indexedDB.open(name));
      const tx = db.transaction(["device", "stream", "conversation", "message"], "readwrite");
      tx.objectStore("device").put({ device: "not a number", deviceEpoch: null }, 1);
      tx.objectStore("stream").put("not a row", 1);
      tx.objectStore("conversation").put([], "0000000000000001");
      await new Promise((resolve) => (tx.oncomplete = resolve));
      db.close();
    }
  }
}
