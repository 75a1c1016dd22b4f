//! The app in a real browser against a running server. Needs a build, and the accounts ada, bob and cleo:
//! `TENON_URL=http://127.0.0.1:7700 TENON_PASSWORD=... CHROMIUM=/usr/bin/chromium npm test`.

import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { preview, type PreviewServer } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const server = process.env["TENON_URL"] ?? "";
const password = process.env["TENON_PASSWORD"] ?? "";
const executablePath = process.env["CHROMIUM"] ?? "";

describe.runIf(server !== "" && executablePath !== "")("the app in a browser", { timeout: 60_000 }, () => {
  let browser: Browser;
  let site: PreviewServer;
  let base: string;
  const faults: string[] = [];
  const team = `Team ${Date.now() % 100_000}`;

  beforeAll(async () => {
    site = await preview({ configFile: fileURLToPath(new URL("../vite.config.ts", import.meta.url)), preview: { port: 0 } });
    base = site.resolvedUrls?.local[0] ?? "";
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  async function tab(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(base);
    return page;
  }

  async function signIn(name: string, options: BrowserContextOptions = {}): Promise<{ context: BrowserContext; page: Page }> {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 760 }, ...options });
    const page = await tab(context);
    await page.getByLabel("Login name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Chats" }).waitFor();
    return { context, page };
  }

  const row = (page: Page, title: string) => page.locator(".row").filter({ hasText: title });
  const bubble = (page: Page, text: string) => page.locator(".chat-main .msg").filter({ hasText: text });
  async function say(page: Page, text: string): Promise<void> {
    const box = page.locator(".chat-main textarea");
    await box.fill(text);
    await box.press("Enter");
  }
  async function openTeam(page: Page): Promise<void> {
    await row(page, team).click();
    await page.locator(".chat-head strong").filter({ hasText: team }).waitFor();
  }

  it("a wrong password is said, not shown as a failure of the app", async () => {
    const page = await tab(await browser.newContext({ locale: "en-GB" }));
    await page.getByLabel("Login name").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Name or password is not right.").waitFor();
  });

  it("a group is made, people talk, and unread is counted exactly", async () => {
    const ada = await signIn("ada");
    const bob = await signIn("bob");
    await ada.page.getByRole("button", { name: "New group" }).click();
    await ada.page.getByLabel("Group name").fill(team);
    for (const name of ["bob", "cleo"]) {
      await ada.page.getByRole("textbox", { name: "People" }).fill(name);
      await ada.page.keyboard.press("Enter");
      await ada.page.locator(".chip").filter({ hasText: name }).waitFor();
    }
    await ada.page.getByRole("button", { name: "Create" }).click();
    await ada.page.locator(".chat-head strong").filter({ hasText: team }).waitFor();
    for (const text of ["one", "two", "three"]) await say(ada.page, text);
    await row(bob.page, team).locator(".badge").filter({ hasText: "3" }).waitFor();
    await openTeam(bob.page);
    await bob.page.locator(".new-line").waitFor();
    expect(await bob.page.locator(".chat-main .msg-text").allInnerTexts()).toEqual([expect.stringMatching(/^one/), expect.stringMatching(/^two/), expect.stringMatching(/^three/)]);
    await expect.poll(() => row(bob.page, team).locator(".badge").count()).toBe(0);
    await bubble(bob.page, "two").hover();
    await bubble(bob.page, "two").getByRole("button", { name: "Reply", exact: true }).click();
    await bob.page.locator(".chat-main textarea").pressSequentially("@ad");
    await bob.page.getByRole("option").filter({ hasText: "ada" }).waitFor();
    await bob.page.keyboard.press("Enter");
    await bob.page.locator(".chat-main textarea").pressSequentially("answer");
    await bob.page.keyboard.press("Enter");
    const answer = bubble(ada.page, "answer");
    await answer.locator(".quote").filter({ hasText: "two" }).waitFor();
    await answer.locator(".mention.is-me").waitFor();
    await ada.page.getByRole("button", { name: "1 reply" }).click();
    await ada.page.locator(".panel.is-thread .msg").filter({ hasText: "answer" }).waitFor();
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("what is written without a network waits, survives a reload and goes out once", async () => {
    const ada = await signIn("ada");
    const bob = await signIn("bob");
    await openTeam(ada.page);
    await openTeam(bob.page);
    const text = `from the train ${Date.now()}`;
    await bob.context.setOffline(true);
    await bob.page.getByText("No network.", { exact: false }).waitFor();
    await say(bob.page, text);
    await bubble(bob.page, text).getByRole("img", { name: "Waiting for the connection" }).waitFor();
    await bob.context.setOffline(false);
    await bubble(bob.page, text).getByRole("img", { name: "Sent" }).waitFor();
    await bubble(ada.page, text).waitFor();
    await bob.page.reload();
    await bubble(bob.page, text).waitFor();
    expect([await bubble(bob.page, text).count(), await bubble(ada.page, text).count()]).toEqual([1, 1]);
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("tabs share one connection, and the next one takes over when the first closes", async () => {
    const { context, page } = await signIn("cleo");
    await openTeam(page);
    const second = await tab(context);
    const sockets: string[] = [];
    second.on("websocket", (socket) => sockets.push(socket.url()));
    await openTeam(second);
    await say(second, "from the second tab");
    await bubble(second, "from the second tab").getByRole("img", { name: "Sent" }).waitFor();
    await bubble(page, "from the second tab").waitFor();
    expect(sockets).toEqual([]);
    await page.close();
    await expect.poll(() => sockets.length, { timeout: 10_000 }).toBe(1);
    await say(second, "after the first tab closed");
    await bubble(second, "after the first tab closed").getByRole("img", { name: "Sent" }).waitFor();
    await context.close();
  });

  it("older messages come page by page and the place is kept", { timeout: 120_000 }, async () => {
    const ada = await signIn("ada");
    await openTeam(ada.page);
    for (let n = 1; n <= 70; n++) await say(ada.page, `line ${n}.`);
    await bubble(ada.page, "line 70.").getByRole("img", { name: "Sent" }).waitFor();
    const cleo = await signIn("cleo");
    await openTeam(cleo.page);
    await cleo.page.locator(".new-line").waitFor();
    const box = cleo.page.locator(".chat-main .messages-box");
    await box.focus();
    await expect
      .poll(async () => {
        await box.evaluate((element) => element.scrollTo({ top: 0 }));
        return bubble(cleo.page, "one").count();
      }, { timeout: 20_000 })
      .toBeGreaterThan(0);
    const seqs = await cleo.page.locator(".chat-main .msg[data-seq]").evaluateAll((all) => all.map((element) => Number((element as HTMLElement).dataset["seq"])));
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(new Set(seqs).size).toBe(seqs.length);
    await cleo.page.getByRole("button", { name: "Jump to the newest message" }).click();
    await expect.poll(() => row(cleo.page, team).locator(".badge").count(), { timeout: 10_000 }).toBe(0);
    await Promise.all([ada.context.close(), cleo.context.close()]);
  });

  it("who is removed may not write any more", async () => {
    const ada = await signIn("ada");
    const cleo = await signIn("cleo");
    await openTeam(ada.page);
    await openTeam(cleo.page);
    await ada.page.getByRole("button", { name: "Details", exact: true }).click();
    await ada.page.getByRole("button", { name: "Remove cleo" }).click();
    await ada.page.locator("dialog").getByRole("button", { name: "Remove", exact: true }).click();
    await cleo.page.getByText("You are not a member any more.").waitFor();
    expect(await row(cleo.page, team).count()).toBe(0);
    await Promise.all([ada.context.close(), cleo.context.close()]);
  });

  it("another device is signed out from here, and says so", async () => {
    const first = await signIn("bob");
    const second = await signIn("bob");
    await first.page.getByRole("button", { name: "Settings" }).click();
    await first.page.locator("dialog li").filter({ hasText: "Active now" }).first().getByRole("button").click();
    await first.page.locator("dialog").last().getByRole("button", { name: "Sign out", exact: true }).click();
    await second.page.getByText("This device was signed out.").waitFor();
    expect(await second.page.evaluate(() => localStorage.getItem("tenon.session"))).toBeNull();
    await Promise.all([first.context.close(), second.context.close()]);
  });

  it("the keyboard reaches everything on a phone too, in Chinese and in the dark", async () => {
    const context = await browser.newContext({ locale: "zh-CN", colorScheme: "dark", viewport: { width: 390, height: 800 } });
    const page = await tab(context);
    await page.getByLabel("登录名").fill("ada");
    await page.getByLabel("密码", { exact: true }).fill(password);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "聊天" }).waitFor();
    await row(page, team).focus();
    await page.keyboard.press("Enter");
    await page.locator(".chat-head").waitFor();
    expect(await page.locator(".sidebar").isVisible()).toBe(false);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.keyboard.press("Escape");
    await page.locator(".sidebar").waitFor();
    await context.close();
  });

  it("no page threw", () => expect(faults).toEqual([]));
});
