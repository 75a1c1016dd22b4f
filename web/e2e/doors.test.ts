//! Ways in: passwords that are wrong too often, changed or set by a link, and links that are too old, used or replaced.

import type { Browser, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { password, Server } from "./server.js";

/** An account has six tries, then one in ten seconds. */
const config = `[limits]
sign_in_account = "6"
sign_in_network = "100000"
`;

describe("ways in", () => {
  let server: Server;
  let browser: Browser;
  let setUpLink: string;
  /** An invitation for one minute. */
  let shortLived: string;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser] = await Promise.all([Server.start([], config), launch()]);
    setUpLink = await server.printed(/https?:\/\/\S+\/setup#\S+/);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  const open = () => Tab.open(browser, server, faults);
  const button = (within: Locator | Tab["page"], name: string) => within.getByRole("button", { name, exact: true });
  const dialog = (tab: Tab) => tab.page.locator("dialog").last();

  /** A new tab at an address of the server. */
  async function at(address: string): Promise<Tab> {
    const tab = await open();
    await tab.page.goto(address);
    return tab;
  }

  async function post(path: string, body: unknown, credential: string): Promise<Record<string, string>> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${credential}` };
    const response = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(response.ok, path).toBe(true);
    return (await response.json()) as Record<string, string>;
  }

  async function fillSetUp(tab: Tab): Promise<void> {
    await tab.page.getByLabel("Organisation", { exact: true }).fill("Northwind");
    await tab.page.getByLabel("Your name").fill("Ada Lovelace");
    await tab.page.getByLabel("Login name").fill("ada");
    await tab.page.getByLabel("Password", { exact: true }).fill(password);
    await button(tab.page, "Create organisation").click();
  }

  async function fillJoin(tab: Tab, name: string, display: string): Promise<void> {
    await tab.page.getByLabel("Your name").fill(display);
    await tab.page.getByLabel("Login name").fill(name);
    await tab.page.getByLabel("Password", { exact: true }).fill(password);
    await button(tab.page, "Join").click();
  }

  it("only the newest set-up link works, and only once", async () => {
    const [newest] = /https?:\/\/\S+\/setup#\S+/.exec(server.tenon(["admin", "link"])) ?? [""];
    expect(newest).not.toBe(setUpLink);
    const old = await at(setUpLink);
    await fillSetUp(old);
    await old.page.getByRole("heading", { name: "This link no longer works" }).waitFor();
    await old.picture("set-up-old-link");
    const [first, second] = [await at(newest), await at(newest)];
    await fillSetUp(first);
    await first.page.getByRole("heading", { name: "Northwind is ready" }).waitFor();
    // The form was open before the link was used.
    await fillSetUp(second);
    await second.page.getByRole("heading", { name: "This link was used" }).waitFor();
    await first.page.getByRole("link", { name: "Start chatting" }).click();
    await first.atHome();
    const { credential } = (await first.page.evaluate(() => JSON.parse(localStorage.getItem("tenon.session") ?? "{}"))) as { credential: string };
    shortLived = (await post("/v1/admin/invitations", { role: "member", uses: 5, valid_for_s: 60 }, credential))["link"] ?? "";
    const once = (await post("/v1/admin/invitations", { role: "member", uses: 1, valid_for_s: 3_600 }, credential))["link"] ?? "";
    const [bob, late] = [await at(once), await at(once)];
    await late.page.getByLabel("Login name").waitFor();
    await fillJoin(bob, "bob", "Bob Kahn");
    await bob.atHome();
    await fillJoin(late, "eve", "Eve Late");
    await late.page.getByRole("heading", { name: "This link was used" }).waitFor();
    await late.picture("invitation-used");
  });

  it("the own password is changed: the old one is refused, the new one works, and nobody is signed out", async () => {
    const [here, there] = [await (await open()).signIn("bob"), await (await open()).signIn("bob")];
    await button(here.page, "Settings").click();
    await button(dialog(here), "Change password").click();
    const form = dialog(here);
    await button(form, "Change").click();
    expect(await form.locator('[aria-invalid="true"]').count()).toBe(2);
    await form.getByLabel("Present password").fill("not this one at all");
    await form.getByLabel("New password").fill("short");
    await button(form, "Change").click();
    await form.getByText("5 more characters").waitFor();
    await form.getByLabel("New password").fill("eleven purple herons");
    await button(form, "Change").click();
    await form.getByText("The present password is not right.").waitFor();
    await here.picture("change-password-refused");
    await form.getByLabel("Present password").fill(password);
    await button(form, "Change").click();
    await form.getByText("Your password was changed.").waitFor();
    await button(form, "Close").click();
    await button(dialog(here), "Close").click();
    await here.talkTo("ada", "Ada Lovelace");
    await here.say("with a new password");
    await here.isSent("with a new password");
    await there.openChat("Ada Lovelace");
    await there.shows(["with a new password"]);
    const fresh = await open();
    await fresh.fillSignIn("bob", password);
    await fresh.page.getByText("Name or password is not right.").waitFor();
    await fresh.signIn("bob", "eleven purple herons");
  });

  it("a password link works once, and ends with the next one", async () => {
    const ada = await (await open()).signIn("ada");
    await ada.page.goto("/admin#/users");
    await ada.page.getByRole("searchbox", { name: "Name or login name" }).fill("bob");
    await button(ada.page, "Details of Bob Kahn").click();
    const make = async () => {
      await button(dialog(ada), "Make password link").click();
      await button(dialog(ada), "Make password link").click();
      const link = await ada.page.getByRole("textbox", { name: "Link" }).inputValue();
      await button(dialog(ada), "Close").click();
      await button(ada.page, "Details of Bob Kahn").click();
      return link;
    };
    const [replaced, link] = [await make(), await make()];
    const early = await at(replaced);
    await early.page.getByRole("heading", { name: /^This link (no longer works|was withdrawn)$/ }).waitFor();
    const bob = await at(link);
    await bob.page.getByLabel("New password").fill("twelve silver foxes");
    await button(bob.page, "Save and sign in").click();
    await bob.atHome();
    const again = await at(link);
    await again.page.getByRole("heading", { name: "This link was used" }).waitFor();
  });

  it("too many wrong passwords: it says when the next try is welcome, and then it is", async () => {
    const tab = await open();
    const busy = tab.page.locator(".door-fault").getByText(/^Too many tries\. Try again in \d+ s\.$/).first();
    const wrong = tab.page.getByText("Name or password is not right.");
    for (let n = 0; n < 40 && (await busy.count()) === 0; n++) {
      await tab.fillSignIn("ada", `wrong ${n}`);
      await busy.or(wrong).first().waitFor();
      await expect.poll(() => button(tab.page, "Signing in…").count()).toBe(0);
    }
    await busy.waitFor();
    await tab.picture("sign-in-flood");
    const submit = button(tab.page, "Sign in");
    await tab.page.locator('input[autocomplete="current-password"]').fill(password);
    expect(await submit.isDisabled()).toBe(true);
    // Another account is not held up by this one's pause.
    await tab.page.locator('input[autocomplete="username"]').fill("bob");
    await expect.poll(() => submit.isDisabled()).toBe(false);
    await tab.fillSignIn("ada", password);
    await busy.waitFor();
    await expect.poll(() => submit.isDisabled()).toBe(false);
    expect(await tab.page.locator(".door-fault").textContent()).toBe("");
    await submit.click();
    await tab.atHome();
  });

  it("an invitation that is too old says so", async () => {
    const tab = await at(shortLived);
    // It was made for a minute, long before this scenario.
    await expect
      .poll(async () => {
        await tab.page.reload();
        await tab.page.getByRole("heading").first().waitFor();
        return tab.page.getByRole("heading", { name: "This link no longer works" }).count();
      }, { timeout: 90_000, interval: 2_000 })
      .toBe(1);
    await tab.page.getByText("It is too old, or it was withdrawn.", { exact: false }).waitFor();
    await tab.page.getByRole("link", { name: "Go to sign-in" }).click();
    await tab.page.locator('input[autocomplete="username"]').waitFor();
  });
});
