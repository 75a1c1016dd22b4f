//! The server in memory is held to the real one: the same script against the program, without a browser.
//!
//! What apps see stands in `packages/client/test/parity/seen*.txt`; the unit tests hold the server in memory to the same
//! files. `npm run browser -- parity -u` writes them anew, from this server.

import { existsSync, readFileSync } from "node:fs";
import { freshTicket, signIn, socketUrl, webSocketTo } from "@tenon/client";
import { afterEach, describe, expect, it } from "vitest";
import { pace, paced, play, script, sections, type Step } from "../packages/client/test/parity/script.js";
import { configOf, password, Server } from "./server.js";

describe("what apps see of the server is what they see of the one in memory", () => {
  let server: Server | undefined;
  afterEach(() => server?.stop());

  async function seen(steps: readonly Step[], path: string, settings: string): Promise<string> {
    const { url } = (server = await Server.start(["ada", "bob", "cleo", "dan", "eve"], settings));
    const enter = async (name: string) => {
      const session = await signIn(url, { name, password, label: "test" });
      return { session, connect: webSocketTo(socketUrl(url, url)), getToken: () => freshTicket(session) };
    };
    const expected = existsSync(path) ? sections(readFileSync(path, "utf8")) : new Map<string, string>();
    return play({ signIn: enter }, steps, expected);
  }

  const file = (name: string) => new URL(`../packages/client/test/parity/${name}`, import.meta.url).pathname;

  it("in one sitting", async () => {
    const path = file("seen.txt");
    await expect(await seen(script, path, `${configOf()}[group]\nqueue_mode_max = 4\npull_mode_min = 3\n`)).toMatchFileSnapshot(path);
  }, 240_000);

  it("with a rate", async () => {
    const path = file("seen-paced.txt");
    await expect(await seen(paced, path, configOf(`${pace.perSecond}/s ${pace.burst}`))).toMatchFileSnapshot(path);
  }, 120_000);
});
