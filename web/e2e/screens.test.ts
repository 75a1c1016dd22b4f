//! Small screens, other languages, helpers of people who cannot see: the same app.

import { type Browser, devices, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { Server } from "./server.js";
import { violations } from "./violations.js";

describe("screens", () => {
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

  const isWideEnough = async (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  it("on a phone: list, chat and back, with touches, and nothing runs over the edge", async () => {
    const { defaultBrowserType: _, ...phone } = devices["Pixel 7"] ?? {};
    const ada = await (await Tab.open(browser, server, faults)).signIn("ada");
    await ada.makeGroup("Pocket", ["bob"]);
    await ada.say(`a long word: ${"abcdefghij".repeat(30)}`);
    const bob = await Tab.open(browser, server, faults, { ...phone, locale: "en-GB" });
    await bob.picture("phone-sign-in");
    expect(await isWideEnough(bob.page)).toBe(true);
    await bob.signIn("bob");
    await bob.row("Pocket").waitFor();
    await bob.picture("phone-list");
    expect(await isWideEnough(bob.page)).toBe(true);
    await bob.row("Pocket").tap();
    await bob.message("a long word").waitFor();
    expect(await bob.page.locator(".sidebar").isVisible()).toBe(false);
    await bob.say("answer from the phone");
    await bob.isSent("answer from the phone");
    expect(await isWideEnough(bob.page)).toBe(true);
    await bob.picture("phone-chat");
    // Details cover the chat; the browser's way back closes them first, and so does their own button.
    await bob.page.getByRole("button", { name: "Details", exact: true }).tap();
    await bob.page.locator("aside.panel").waitFor();
    await bob.page.goBack();
    await bob.page.locator("aside.panel").waitFor({ state: "detached" });
    await bob.message("answer from the phone").waitFor();
    await bob.page.getByRole("button", { name: "Details", exact: true }).tap();
    await bob.page.locator("aside.panel").getByRole("button", { name: "Close" }).tap();
    await bob.page.locator("aside.panel").waitFor({ state: "detached" });
    await bob.message("answer from the phone").waitFor();
    await bob.page.getByRole("button", { name: "Back" }).tap();
    await bob.page.locator(".sidebar").waitFor();
    await ada.message("answer from the phone").waitFor();
  });

  it("by the keyboard, in Chinese and in the dark", async () => {
    const ada = await Tab.open(browser, server, faults, { locale: "zh-CN", colorScheme: "dark", viewport: { width: 390, height: 800 } });
    await ada.page.getByLabel("登录名").waitFor();
    await ada.signIn("ada");
    await ada.page.getByRole("heading", { name: "聊天" }).waitFor();
    await ada.row("Pocket").focus();
    await ada.page.keyboard.press("Enter");
    await ada.page.locator(".chat-head").waitFor();
    await ada.picture("dark-chinese");
    await ada.page.keyboard.press("Escape");
    await ada.page.locator(".sidebar").waitFor();
  });

  for (const scheme of ["light", "dark"] as const) {
    it(`axe finds nothing on the screens in ${scheme}`, async () => {
      const tab = await Tab.open(browser, server, faults, { colorScheme: scheme, reducedMotion: "reduce" });
      await tab.page.locator("form").waitFor();
      expect(await violations(tab.page), "sign-in").toEqual([]);
      await tab.signIn("ada");
      await tab.openChat("Pocket");
      await tab.message("answer from the phone").waitFor();
      await tab.say(`see ${scheme}`);
      await tab.isSent(`see ${scheme}`);
      expect(await violations(tab.page), "chat").toEqual([]);
      await tab.page.getByRole("button", { name: "Details", exact: true }).click();
      await tab.page.locator("aside.panel li").first().waitFor();
      expect(await violations(tab.page), "details").toEqual([]);
      await tab.page.getByRole("button", { name: "Settings" }).click();
      await tab.page.locator("dialog li").filter({ hasText: "This device" }).waitFor();
      expect(await violations(tab.page), "settings").toEqual([]);
      await tab.picture(`settings-${scheme}`);
    });
  }
});
