//! The server in memory is held to the real one: both show apps what stands in `parity/seen.txt`.
//!
//! Here the one in memory plays; the real one plays in the browser suite (`e2e/parity.test.ts`), which has the program.

import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { TestServer } from "../src/testing/index.js";
import { pace, paced, play, script, sections } from "./parity/script.js";

const file = (name: string) => new URL(`parity/${name}`, import.meta.url).pathname;
const known = (path: string) => (existsSync(path) ? sections(readFileSync(path, "utf8")) : new Map<string, string>());

const groundOf = (server: TestServer) => {
  for (const name of ["ada", "bob", "cleo", "dan", "eve"]) server.user(name);
  return { signIn: async (name: string) => server.door(server.session(name)) };
};

it("the server in memory shows what the real one shows", async () => {
  const seen = file("seen.txt");
  const server = new TestServer({ queueModeMembersMax: 4, pullModeMembersMin: 3 });
  await expect(await play(groundOf(server), script, known(seen))).toMatchFileSnapshot(seen);
}, 240_000);

it("with a rate as well", async () => {
  const seen = file("seen-paced.txt");
  const server = new TestServer({ rates: { conversation: pace } });
  await expect(await play(groundOf(server), paced, known(seen))).toMatchFileSnapshot(seen);
}, 60_000);
