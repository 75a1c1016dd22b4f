//! Somebody with very many conversations: the list has all of them, in order, with what is unread, from the first moment.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import type { Listed } from "./raw-device.js";
import { rawDevice } from "./raw-script.js";
import { password, Server } from "./server.js";

/** As many as somebody may have, unless told. */
const COUNT = Number(process.env["TENON_GROUPS"] ?? 10_000);
/** Groups in which something is said, first to last; they lie far from each other. */
const SPOKEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((n) => Math.floor((n * 7_919) % COUNT));
const LONG = 600_000;

type Raw = { readonly raw: typeof import("./raw-device.js") };

/** What the page shows of unread from the first line on, each value once. */
function watchUnread(): void {
  const seen: string[] = [];
  (globalThis as unknown as { seen: string[] }).seen = seen;
  const look = () => {
    if (document.querySelector(".row") === null) return;
    const count = document.querySelector(".filter small")?.textContent ?? "";
    if (seen.at(-1) !== count) seen.push(count);
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
}

describe("a long list", () => {
  let server: Server;
  let browser: Browser;
  let device: string;
  let ada: Tab;
  /** By the order of the list. */
  let expected: Listed[];
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser, device] = await Promise.all([Server.start(["ada", "bob"]), launch(), rawDevice()]);
    const page = await browser.newPage({ baseURL: server.url });
    await page.goto("/");
    await page.evaluate(device);
    const given = { secret: password, count: COUNT, spoken: SPOKEN };
    const lines = await page.evaluate(async ({ secret, count, spoken }) => {
      const { raw } = globalThis as unknown as Raw;
      await raw.makeGroups("bob", secret, "ada", count, spoken);
      return raw.listOf("ada", secret);
    }, given);
    await page.close();
    expected = lines.sort((a, b) => b.sortMs - a.sortMs || (BigInt(a.conv) < BigInt(b.conv) ? -1 : 1));
    ada = await Tab.open(browser, server, faults);
  }, LONG);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterAll(() => faults.end({ name: "a long list" }));

  /** The list is read to its end. */
  const isWhole = () => ada.page.locator(`.sidebar .virtual ul:not([aria-busy=true]) li[aria-setsize="${COUNT}"]`).first().waitFor();

  /** Rows stand in the expected order where the list is looked at: at its top, its end and in between. */
  async function isOrdered(page: Page): Promise<void> {
    for (const at of [0, 1, 0.25, 0.5, 0.99].map((part) => (part === 1 ? 1 : Math.floor(part * COUNT)))) {
      const drawn = () =>
        page.evaluate((top) => {
          const box = document.querySelector<HTMLElement>(".sidebar .virtual");
          if (box) box.scrollTop = top * 72;
          return [...document.querySelectorAll<HTMLElement>(".sidebar .virtual li")].map((li) => [Number(li.getAttribute("aria-posinset")), li.querySelector<HTMLElement>(".row")?.dataset["conv"] ?? ""] as const);
        }, at);
      const first = Math.min(at, COUNT - 8);
      await expect.poll(async () => (await drawn()).some(([place]) => place === first + 1)).toBe(true);
      for (const [place, conv] of await drawn()) expect(conv, `at ${place}`).toBe(expected[place - 1]?.conv);
    }
    await page.evaluate(() => document.querySelector(".sidebar .virtual")?.scrollTo(0, 0));
  }

  it("is whole and in order, and says what is unread", async () => {
    expect([expected.length, new Set(expected.map((line) => line.conv)).size]).toEqual([COUNT, COUNT]);
    expect(expected.slice(0, SPOKEN.length).map((line) => line.title)).toEqual([...SPOKEN].reverse().map((n) => `Group ${n}`));
    expect(expected.reduce((sum, line) => sum + line.unread, 0)).toBe(SPOKEN.length);
    await ada.signIn("ada");
    await isWhole();
    await isOrdered(ada.page);
    await expect.poll(() => ada.page.title()).toBe(`(${SPOKEN.length}) Tenon`);
    await ada.picture("long-list");
  }, LONG);

  it("is there without the server, with its counts from the first line on", async () => {
    const far = expected[COUNT - 3];
    await ada.page.evaluate((conv) => (location.hash = `#/c/${conv}`), far?.conv);
    await ada.page.locator(".chat-head").getByText(far?.title ?? "", { exact: true }).waitFor();
    await server.kill();
    await ada.page.addInitScript(watchUnread);
    await ada.page.reload();
    await ada.page.locator(".row").first().waitFor();
    await ada.page.locator(".chat-head").getByText(far?.title ?? "", { exact: true }).waitFor();
    await isWhole();
    await isOrdered(ada.page);
    expect(await ada.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)).toEqual([`${SPOKEN.length}`]);
    await ada.row(`Group ${SPOKEN.at(-1)}`).getByText(`line of ${SPOKEN.at(-1)}`).waitFor();
    expect(await ada.page.title()).toBe(`(${SPOKEN.length}) Tenon`);
    await ada.page.evaluate(() => (location.hash = "#/"));
  }, LONG);

  it("any of them is found by its name, and the unread ones are shown alone", async () => {
    const last = expected.at(-1)?.title ?? "";
    const search = ada.page.locator("[data-search]");
    for (const title of [last, `Group ${COUNT - 1}`, `Group ${Math.floor(COUNT / 3)}`]) {
      await search.fill(title);
      await ada.row(title).waitFor();
    }
    await search.fill("");
    await ada.page.locator(".filter button").nth(1).click();
    const shown = () => ada.page.locator(".row").evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset["conv"]));
    await expect.poll(shown).toEqual(expected.slice(0, SPOKEN.length).map((line) => line.conv));
    await ada.page.locator(".filter button").nth(0).click();
  }, LONG);

  it("what is written moves its own line and no other", async () => {
    await server.run();
    const [line] = expected.splice(Math.floor(COUNT / 2), 1);
    if (line === undefined) throw new Error("no such line");
    expected.unshift(line);
    await ada.page.locator("[data-search]").fill(line.title);
    await ada.openChat(line.title);
    await ada.page.locator("[data-search]").fill("");
    await ada.say("here I am");
    await ada.isSent("here I am");
    await ada.page.locator(`.sidebar li[aria-posinset="1"] .row[data-conv="${line.conv}"]`).filter({ hasText: "here I am" }).waitFor();
    await isOrdered(ada.page);
  }, LONG);
});
