//! What people do in one sitting: the list of steps that is played against every server.
//!
//! Each step ends with the picture of all apps (`world.ts`), so a difference shows in the step that made it. Not here: what
//! is seen. That stands in `seen.txt`, and both servers are held to it.

import { textMessage } from "../../src/index.js";
import { awayAndBack } from "./script-away.js";
import { members } from "./script-members.js";
import { refusals } from "./script-refusals.js";
import { type Ground, World } from "./world.js";

/** One step. */
export interface Step {
  readonly name: string;
  readonly act: (world: World) => Promise<void>;
}

const begin: readonly Step[] = [
  {
    name: "three people sign in",
    act: async (w) => {
      for (const name of ["ada", "bob", "cleo"]) await w.join(name);
    },
  },
  {
    name: "people are found by name and have one to show",
    act: async (w) => {
      const ada = w.seat("ada").client;
      const found = await ada.findUsers(["bob", "nobody-of-this-name", "cleo", "dan", "eve"]);
      w.note(`found ${found.map((id) => (id === undefined ? "nobody" : w.person(id))).join(", ")}`);
      for (const [at, name] of [[3, "dan"], [4, "eve"]] as const) w.meet(found[at] ?? 0n, name);
      const bob = ada.people.person(w.id("bob"));
      await w.until(() => bob.get().ver > 0n, "bob's name");
      w.note(`bob is "${bob.get().name}", signs in as "${bob.get().login}", version ${bob.get().ver}`);
    },
  },
  {
    name: "a group is made",
    act: async (w) => {
      const [ada, bob] = [w.seat("ada"), w.seat("bob")];
      const team = w.call(await ada.client.createGroup("team", [w.id("bob")]), "team");
      await w.until(() => ada.of(team)?.meta !== undefined && bob.of(team)?.meta !== undefined, "both have the group");
      await ada.open(team);
    },
  },
  {
    name: "messages are counted where they are not read",
    act: async (w) => {
      for (const text of ["one", "two", "three"]) await w.seat("ada").client.send(textMessage(w.conv("team"), text));
      await w.until(() => w.seat("bob").of(w.conv("team"))?.unread === 3n, "three unread");
    },
  },
  {
    name: "an answer, a mention, a mention of all, one of oneself",
    act: async (w) => {
      const [bob, team] = [w.seat("bob"), w.conv("team")];
      await bob.open(team);
      await bob.client.send(textMessage(team, "to two", [], 2n));
      await bob.client.send(textMessage(team, "@ada", [{ user: w.id("ada"), start: 0, len: 4 }]));
      await bob.client.send(textMessage(team, "@bob", [{ user: w.id("bob"), start: 0, len: 4 }]));
      await bob.client.send(textMessage(team, "@all", [{ user: 0n, start: 0, len: 4 }]));
      await w.until(() => w.seat("ada").of(team)?.tipSeq === 7n, "seven messages");
    },
  },
  {
    name: "a read mark",
    act: async (w) => {
      w.seat("ada").client.markRead(w.conv("team"), 5n);
      await w.until(() => w.seat("ada").of(w.conv("team"))?.readSeq === 5n, "read up to five");
    },
  },
  {
    name: "silent and uncounted messages",
    act: async (w) => {
      const team = w.conv("team");
      await w.seat("bob").client.send({ ...textMessage(team, "silent"), flags: 1 });
      await w.seat("bob").client.send({ ...textMessage(team, "no badge"), flags: 2 });
      await w.seat("bob").client.send({ ...textMessage(team, "automatic"), flags: 8 });
      await w.until(() => w.seat("ada").of(team)?.tipSeq === 10n, "ten messages");
    },
  },
  {
    name: "a second device sees the same and reads for both",
    act: async (w) => {
      const [second, team] = [await w.join("ada/2"), w.conv("team")];
      await second.open(team);
      second.client.markRead(team, 10n);
      await w.until(() => w.seat("ada").of(team)?.readSeq === 10n, "read everywhere");
    },
  },
  {
    name: "what one device sends, the other shows as own",
    act: async (w) => {
      await w.seat("ada/2").client.send(textMessage(w.conv("team"), "from the second"));
      await w.until(() => w.seat("ada").of(w.conv("team"))?.tipSeq === 11n, "eleven messages");
    },
  },
  {
    name: "a direct conversation is one for both",
    act: async (w) => {
      const [ada, bob] = [w.seat("ada"), w.seat("bob")];
      const both = w.call(await ada.client.openDirect(w.id("bob")), "ada and bob");
      w.note(`the same: ${(await bob.client.openDirect(w.id("ada"))) === both}`);
      await ada.open(both);
      await ada.client.send(textMessage(both, "hi"));
      await w.until(() => bob.of(both)?.unread === 1n, "bob has one unread");
    },
  },
  {
    name: "the peer's reading is told",
    act: async (w) => {
      w.seat("bob").client.markRead(w.conv("ada and bob"), 1n);
      await w.until(() => w.seat("ada").of(w.conv("ada and bob"))?.peerReadSeq === 1n, "read by bob");
    },
  },
  {
    name: "pinned, quiet, hidden, marked: on all own devices and on no other",
    act: async (w) => {
      const [{ client }, team] = [w.seat("ada"), w.conv("team")];
      await client.setPinned(team, true);
      await client.setNotify(team, 2);
      await client.setMarkedUnread(team, true);
      await client.setHidden(w.conv("ada and bob"), true);
      await w.until(() => w.seat("ada/2").of(w.conv("ada and bob"))?.summary?.hidden === true, "hidden on the second device");
    },
  },
  {
    name: "taken back again; a new device sees what is left",
    act: async (w) => {
      const { client } = w.seat("ada/2");
      await client.setPinned(w.conv("team"), false);
      await client.setHidden(w.conv("ada and bob"), false);
      await w.join("ada/3");
    },
  },
  {
    name: "what was marked is read",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      await w.seat("bob").client.send(textMessage(team, "look here"));
      await w.until(() => ada.of(team)?.unread === 1n, "one unread");
      ada.client.markRead(team, 12n);
      await w.until(() => w.seat("ada/2").of(team)?.readSeq === 12n, "read on both");
      await ada.client.setMarkedUnread(team, true);
      w.note(`marked: ${ada.of(team)?.summary?.markedUnread}`);
      ada.client.markRead(team, 12n);
      await w.until(() => w.seat("ada/3").of(team)?.summary?.ver === ada.of(team)?.summary?.ver && !ada.of(team)?.summary?.markedUnread, "marked no more");
    },
  },
  {
    name: "somebody writes",
    act: async (w) => {
      w.seat("bob").client.typing(w.conv("team"));
      await w.seat("bob").client.send(textMessage(w.conv("team"), "written"));
      await w.until(() => w.seat("ada").of(w.conv("team"))?.tipSeq === 13n, "thirteen messages");
    },
  },
];

/** All steps in their order. */
export const script: readonly Step[] = [...begin, ...members, ...refusals, ...awayAndBack];

/** Steps against a server that takes `pace` into one conversation: what comes too fast waits and comes again by itself. */
export const paced: readonly Step[] = [
  {
    name: "ten messages at once into a slow conversation",
    act: async (w) => {
      const [ada, bob] = [await w.join("ada"), await w.join("bob")];
      const slow = w.call(await ada.client.createGroup("slow", [w.id("bob")]), "slow");
      await w.until(() => ada.of(slow) !== undefined && bob.of(slow) !== undefined, "both have it");
      await bob.open(slow);
      const begun = Date.now();
      for (let n = 1; n <= 10; n++) await ada.client.send(textMessage(slow, `n${n}`));
      await w.until(() => bob.of(slow)?.tipSeq === 10n, "all are there");
      w.note(`took its time: ${Date.now() - begun >= 500}`);
    },
  },
];

/** Commands per second and at once for `paced`. */
export const pace = { perSecond: 10, burst: 3 };

const heading = "## ";

/** The text of each step. */
export function sections(seen: string): Map<string, string> {
  const parts = seen.split(/^## /m).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1).trimEnd()]));
}

/** Plays every step; gives what was seen. `expected` is what is waited for in each step. */
export async function play(ground: Ground, steps: readonly Step[], expected: ReadonlyMap<string, string>): Promise<string> {
  const world = new World(ground);
  const seen: string[] = [];
  try {
    for (const { name, act } of steps) {
      await act(world).catch((error: unknown) => world.note(`ENDED EARLY: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`));
      seen.push(`${heading}${name}\n${await world.rest(expected.get(name))}\n`);
    }
  } finally {
    await world.end();
  }
  return seen.join("\n");
}
