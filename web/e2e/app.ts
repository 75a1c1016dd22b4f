//! The app as a person uses it in a browser. Every selector of the suite stands here.

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { expect } from "vitest";
import { password, type Server } from "./server.js";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** Where pictures go. */
const pictures = resolve(import.meta.dirname, "../../target/browser");

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
];

/** Starts the browser with an empty profile. */
export const launch = (more: readonly string[] = []): Promise<Browser> => chromium.launch({ executablePath, args: [...args, ...more], env: { ...process.env, HOME: "/tmp" } as Record<string, string> });

/** What pages threw or complained of; a scenario that ends with some has failed. */
export class Faults {
  private readonly all: string[] = [];
  /** Pages whose process a scenario ends itself. */
  readonly killed = new Set<Page>();
  private contexts: BrowserContext[] = [];

  /** Watches every page of a context. */
  take(context: BrowserContext): void {
    this.contexts.push(context);
    context.on("page", (page) => this.watch(page));
  }

  private watch(page: Page): void {
    page.on("pageerror", (error) => this.all.push(`threw: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      // A server that is away and a refused sign-in are told by the browser itself.
      const isNetwork = /net::ERR_|WebSocket connection|status of [45]\d\d/.test(message.text());
      if (message.type() === "error" && !isNetwork) this.all.push(`console: ${message.text()}`);
    });
    page.on("crash", () => this.killed.has(page) || this.all.push("crashed"));
  }

  /** Ends a scenario: keeps pictures if it failed, closes what is open, and holds that no page complained. */
  async end({ name, result }: { readonly name: string; readonly result?: { readonly state: string } | undefined }): Promise<void> {
    const contexts = this.contexts.splice(0);
    const pages = contexts.flatMap((context) => context.pages());
    if (result?.state === "fail") {
      const path = (n: number) => join(pictures, `FAILED ${name.replace(/[^\w ]/g, "").slice(0, 60)} ${n}.png`);
      await Promise.all(pages.map((page, n) => page.screenshot({ path: path(n), timeout: 5_000 }).catch(() => undefined)));
    }
    await Promise.all(contexts.map((context) => context.close()));
    expect(this.all.splice(0)).toEqual([]);
  }
}

/** What a person sees of a message. */
export interface Seen {
  /** Place in the conversation; 0 while it is on its way. */
  readonly seq: number;
  readonly text: string;
}

/** One tab of a person. */
export class Tab {
  constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {}

  /** A tab in a context of its own, at the sign-in page. */
  static async open(browser: Browser, server: Server, faults: Faults, options: BrowserContextOptions = {}, prepare: (context: BrowserContext) => Promise<void> = async () => undefined): Promise<Tab> {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 760 }, baseURL: server.url, ...options });
    context.setDefaultTimeout(60_000);
    faults.take(context);
    await prepare(context);
    return Tab.in(context);
  }

  /** One more tab of a context. */
  static async in(context: BrowserContext): Promise<Tab> {
    const page = await context.newPage();
    await page.goto("/");
    return new Tab(page, context);
  }

  /** Signs in and waits for the list, so that this device is connected. */
  async signIn(name: string, secret = password): Promise<this> {
    await this.fillSignIn(name, secret);
    await this.atHome();
    await this.page.locator(".sidebar .row, .sidebar-empty").first().waitFor();
    return this;
  }

  async fillSignIn(name: string, secret: string): Promise<void> {
    await this.page.locator('input[autocomplete="username"]').fill(name);
    await this.page.locator('input[autocomplete="current-password"]').fill(secret);
    await this.page.keyboard.press("Enter");
  }

  /** The list is shown. */
  async atHome(): Promise<void> {
    await this.page.locator(".sidebar").waitFor();
  }

  /** The line of a conversation in the list. */
  row(title: string): Locator {
    return this.page.getByTestId("conversation").filter({ has: this.page.getByText(title, { exact: true }) });
  }

  /** The number beside a line of the list. */
  unread(title: string): Locator {
    return this.row(title).getByTestId("unread");
  }

  async openChat(title: string): Promise<void> {
    await this.row(title).click();
    await this.page.locator(".chat-head").getByText(title, { exact: true }).waitFor();
  }

  /** The open conversation. */
  get chat(): Locator {
    return this.page.locator(".chat-main");
  }

  get thread(): Locator {
    return this.page.locator(".panel.is-thread");
  }

  get box(): Locator {
    return this.chat.locator("textarea");
  }

  /** Writes and sends; the message need not have left yet. */
  async say(text: string): Promise<void> {
    await this.box.fill(text);
    await this.box.press("Enter");
    await expect.poll(() => this.box.inputValue()).toBe("");
  }

  /** The bubble of a text in the open conversation. */
  message(text: string, within: Locator = this.chat): Locator {
    return within.getByTestId("message").filter({ hasText: text });
  }

  /** Waits until the server has taken the message. */
  async isSent(text: string): Promise<void> {
    await this.message(text).locator('[role=img][aria-label="Sent"], [role=img][aria-label="Read"]').waitFor();
  }

  /** Everything in the open conversation, from above. */
  async seen(): Promise<Seen[]> {
    return this.chat.getByTestId("message").evaluateAll((all) =>
      all.map((one) => {
        const text = one.querySelector(".msg-text")?.cloneNode(true) as HTMLElement;
        text.querySelector(".msg-meta")?.remove();
        return { seq: Number(one.getAttribute("data-seq") ?? 0), text: (text.textContent ?? "").trim() };
      }),
    );
  }

  /** Waits until exactly these texts stand in the open conversation, in this order, all of them placed. */
  async shows(texts: readonly string[]): Promise<void> {
    await expect.poll(async () => (await this.seen()).map((one) => one.text)).toEqual(texts);
    await expect.poll(async () => (await this.seen()).every((one) => one.seq > 0)).toBe(true);
    const seqs = (await this.seen()).map((one) => one.seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(new Set(seqs).size).toBe(seqs.length);
  }

  /** Makes a group of these people and opens it. */
  async makeGroup(title: string, people: readonly string[]): Promise<void> {
    await this.page.getByRole("button", { name: "New group" }).click();
    const dialog = this.page.locator("dialog");
    await dialog.getByLabel("Group name").fill(title);
    for (const name of people) {
      await dialog.getByRole("textbox", { name: "People" }).fill(name);
      await this.page.keyboard.press("Enter");
      await dialog.locator(".chip").filter({ hasText: name }).waitFor();
    }
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.waitFor({ state: "detached" });
    await this.page.locator(".chat-head").getByText(title, { exact: true }).waitFor();
  }

  /** Opens the direct conversation with somebody, who is shown as `shown`. */
  async talkTo(name: string, shown = name): Promise<void> {
    await this.page.getByRole("button", { name: "New chat" }).first().click();
    await this.page.locator("dialog").getByRole("textbox", { name: "People" }).fill(name);
    await this.page.keyboard.press("Enter");
    await this.page.locator("dialog").waitFor({ state: "detached" });
    await this.page.locator(".chat-head").getByText(shown, { exact: true }).waitFor();
  }

  /** Keeps a picture of the page. */
  async picture(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
