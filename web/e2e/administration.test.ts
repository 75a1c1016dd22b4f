//! What administrators do, and what it does to those who are signed in meanwhile.

import type { Browser, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { password, Server } from "./server.js";
import { violations } from "./violations.js";

describe("the administration", () => {
  let server: Server;
  let browser: Browser;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start([]), launch()]);
    await populate(await server.printed(/https?:\/\/\S+\/setup#\S+/));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  async function post(path: string, body: unknown, credential = ""): Promise<Record<string, string>> {
    const headers = { "content-type": "application/json", ...(credential ? { authorization: `Bearer ${credential}` } : {}) };
    const response = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await response.text();
    expect(response.ok, `${path}: ${text}`).toBe(true);
    return JSON.parse(text) as Record<string, string>;
  }

  /** Sets the server up for ada, and lets bob and cleo in. */
  async function populate(link: string): Promise<void> {
    const person = (name: string, display_name: string) => ({ name, display_name, password, label: "suite", device_kind: 4 });
    const { credential } = await post("/v1/setup", { token: new URL(link).hash.slice(1), organisation: "Northwind", ...person("ada", "Ada Lovelace") });
    const invitation = await post("/v1/admin/invitations", { role: "member", uses: 2, valid_for_s: 3600 }, credential);
    const token = new URL(invitation["link"] ?? "").hash.slice(1);
    await post("/v1/invitations/accept", { token, ...person("bob", "Bob Kahn") });
    await post("/v1/invitations/accept", { token, ...person("cleo", "Cleo Wang") });
  }

  const open = () => Tab.open(browser, server, faults);
  const signIn = async (name: string, secret = password) => (await open()).signIn(name, secret);

  /** A new tab at an address of the server. */
  async function at(address: string): Promise<Tab> {
    const tab = await open();
    await tab.page.goto(address);
    return tab;
  }

  /** The administration as ada, on one of its pages. */
  async function admin(page: string): Promise<Tab> {
    const tab = await signIn("ada");
    await tab.page.goto(`/admin#/${page}`);
    await tab.page.locator(".admin-main h1").waitFor();
    return tab;
  }

  const linkOf = (tab: Tab): Promise<string> => tab.page.getByRole("textbox", { name: "Link" }).inputValue();
  const button = (within: Locator | Tab["page"], name: string) => within.getByRole("button", { name, exact: true });
  const dialog = (tab: Tab) => tab.page.locator("dialog").last();

  /** Opens a user in the administration. */
  async function openUser(tab: Tab, name: string): Promise<void> {
    await tab.page.getByRole("searchbox", { name: "Name or login name" }).fill(name);
    await button(tab.page, `Details of ${name}`).click();
    await dialog(tab).waitFor();
  }

  it("who is disabled is out at once, and back in when enabled", async () => {
    const [bob, ada] = [await signIn("bob"), await admin("users")];
    await openUser(ada, "Bob Kahn");
    await button(dialog(ada), "Disable account").click();
    await button(dialog(ada), "Disable account").click();
    await bob.page.getByText("This device was signed out.").waitFor();
    await bob.fillSignIn("bob", password);
    // A closed account is not told from a wrong password.
    await bob.page.getByText("Name or password is not right.").waitFor();
    await ada.picture("admin-disabled");
    await button(dialog(ada), "Enable account").click();
    await button(dialog(ada), "Disable account").waitFor();
    await bob.signIn("bob");
  });

  it("a password link replaces the password", async () => {
    const ada = await admin("users");
    await openUser(ada, "Cleo Wang");
    await button(dialog(ada), "Make password link").click();
    await button(dialog(ada), "Make password link").click();
    const cleo = await at(await linkOf(ada));
    await cleo.page.getByRole("heading", { name: "Set your password" }).waitFor();
    await cleo.page.getByText("@cleo").waitFor();
    await cleo.picture("password-link");
    await cleo.page.getByLabel("New password").fill("seven green bottles");
    await button(cleo.page, "Save and sign in").click();
    await cleo.atHome();
    const old = await open();
    await old.fillSignIn("cleo", password);
    await old.page.getByText("Name or password is not right.").waitFor();
    await old.signIn("cleo", "seven green bottles");
  });

  it("a user made by an administrator gets in by the link", async () => {
    const ada = await admin("users");
    await button(ada.page, "Add user").click();
    await dialog(ada).getByLabel("Name", { exact: true }).fill("Dana Scott");
    await dialog(ada).getByLabel("Login name").fill("dana");
    await button(dialog(ada), "Add user").click();
    const dana = await at(await linkOf(ada));
    await dana.page.getByLabel("New password").fill(password);
    await button(dana.page, "Save and sign in").click();
    await dana.atHome();
  });

  it("the administration is for administrators, and one always stays", async () => {
    const bob = await signIn("bob");
    await button(bob.page, "Settings").click();
    await dialog(bob).locator("li").first().waitFor();
    await bob.page.goto("/admin");
    await bob.page.getByRole("heading", { name: "For administrators only" }).waitFor();
    const ada = await admin("users");
    await openUser(ada, "Ada Lovelace");
    await button(dialog(ada), "Take administrator role away").click();
    await button(dialog(ada), "Take administrator role away").click();
    await dialog(ada).getByText("This is the last active administrator.", { exact: false }).waitFor();
    await button(dialog(ada), "Close").click();
    await openUser(ada, "Bob Kahn");
    await button(dialog(ada), "Make administrator").click();
    await button(dialog(ada), "Make administrator").click();
    await button(dialog(ada), "Take administrator role away").waitFor();
    await bob.page.reload();
    await bob.page.getByRole("heading", { name: "Overview" }).waitFor();
    await button(dialog(ada), "Take administrator role away").click();
    await button(dialog(ada), "Take administrator role away").click();
    // The overview asks every second, so it notices by itself.
    await bob.page.getByRole("heading", { name: "For administrators only" }).waitFor();
  });

  it("a device is signed out from afar", async () => {
    const dana = await signIn("dana");
    const ada = await admin("users");
    await openUser(ada, "Dana Scott");
    const online = dialog(ada).locator("li").filter({ hasText: "Connected" });
    await online.getByRole("button").click();
    await button(dialog(ada), "Sign out").click();
    await dana.page.getByText("This device was signed out.").waitFor();
  });

  it("members of a group come and go", async () => {
    const bob = await signIn("bob");
    await bob.makeGroup("Depot", ["ada"]);
    const dana = await signIn("dana");
    const ada = await admin("groups");
    await button(ada.page, "Members of Depot").click();
    await dialog(ada).getByRole("searchbox").fill("dana");
    await button(dialog(ada), "Add Dana Scott").click();
    await dana.row("Depot").waitFor();
    await button(dialog(ada), "Remove dana").click();
    await button(dialog(ada), "Remove").click();
    await expect.poll(() => dana.row("Depot").count()).toBe(0);
  });

  it("the overview lives, says when it is not current, and comes back", async () => {
    const bob = await signIn("bob");
    await bob.openChat("Depot");
    const ada = await admin("overview");
    await ada.page.getByText("Live", { exact: true }).waitFor();
    const line = ada.page.locator(".chart-line").first();
    const before = await line.getAttribute("d");
    for (let n = 0; n < 5; n++) await bob.say(`crate ${n}`);
    await ada.page.locator(".bars li").filter({ hasText: "Depot" }).waitFor();
    await expect.poll(() => line.getAttribute("d")).not.toBe(before);
    await ada.picture("admin-overview");
    await server.kill();
    await button(ada.page, "Try now").waitFor();
    await server.run();
    await button(ada.page, "Try now").click({ timeout: 5_000 }).catch(() => undefined);
    await ada.page.getByText("Live", { exact: true }).waitFor();
  });

  it("the audit names who did what", async () => {
    const ada = await admin("audit");
    const row = (...parts: string[]) => parts.reduce((rows, part) => rows.filter({ hasText: part }), ada.page.getByRole("row"));
    await row("ada", "Account disabled", "bob").first().waitFor();
    await ada.page.getByLabel("Show").selectOption("invitation");
    await row("Invitation made").first().waitFor();
    expect(await row("Account disabled").count()).toBe(0);
    await ada.picture("admin-audit");
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`nothing keeps people out, in ${colorScheme}, on a phone`, async () => {
      const context = await browser.newContext({ locale: "en-GB", baseURL: server.url, colorScheme, reducedMotion: "reduce", viewport: { width: 390, height: 844 }, bypassCSP: true });
      faults.take(context);
      const tab = await (await Tab.in(context)).signIn("ada");
      for (const page of ["overview", "users", "invitations", "groups", "audit"]) {
        await tab.page.goto(`/admin#/${page}`);
        await tab.page.locator(page === "overview" ? ".chart" : ".table").first().waitFor();
        expect(await violations(tab.page), page).toEqual([]);
        expect(await tab.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), page).toBe(true);
        await tab.picture(`admin-${page}-${colorScheme}`);
      }
    });
  }
});
