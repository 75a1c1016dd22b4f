//! The page for developers against a real server: the same code, in a real browser.

import { readFileSync, writeFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Faults, launch, Tab } from "./app.js";
import { password, Server } from "./server.js";

describe("docs/quickstart-web.md in a browser", () => {
  let server: Server;
  let browser: Browser;
  let code: string;
  const faults = new Faults();

  beforeAll(async () => {
    [server, browser, code] = await Promise.all([Server.start(["ada", "bob"]), launch(), bundle()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(({ task }) => faults.end(task));

  /** `connect.ts` and `hello.ts` of the page as one script. */
  async function bundle(): Promise<string> {
    const script: string = "../packages/client/scripts/quickstart.mjs";
    const { extract } = (await import(/* @vite-ignore */ script)) as { extract(): Map<string, string> };
    const files = extract();
    const entry = new URL("../.quickstart/page.ts", import.meta.url).pathname;
    writeFileSync(entry, ["connect.ts", "hello.ts"].map((name) => `export * from ${JSON.stringify(files.get(name))};\n`).join(""));
    const outDir = new URL("../../target/browser/quickstart", import.meta.url).pathname;
    await build({ configFile: false, logLevel: "silent", build: { lib: { entry, formats: ["iife"], name: "page", fileName: () => "page.js" }, outDir, emptyOutDir: true } });
    return readFileSync(`${outDir}/page.js`, "utf8");
  }

  it("signs in, sends and receives", async () => {
    const ada = await Tab.open(browser, server, faults);
    await ada.page.evaluate(code);
    const texts = await ada.page.evaluate(async ([name, secret]) => {
      const page = (globalThis as unknown as { page: { connect(server: string, name: string, password: string): Promise<unknown>; hello(client: unknown, name: string, text: string): Promise<string[]> } }).page;
      const client = await page.connect(location.origin, name ?? "", secret ?? "");
      return page.hello(client, "bob", "hi from the quick start");
    }, ["ada", password]);
    expect(texts).toEqual(["hi from the quick start"]);
    const bob = await (await Tab.open(browser, server, faults)).signIn("bob");
    await bob.openChat("ada");
    await bob.shows(["hi from the quick start"]);
  });
});
