//! Steps: people come, go, and have roles.

import { AddMembers, ConvKind, ConvMeta, CreateConversation, opType, RemoveMembers, role, SetConversation, SetRole, setting, TransferOwner } from "@tenon/wire";
import { textMessage } from "../../src/index.js";
import type { Step } from "./script.js";
import { fate } from "./world.js";

/** Members, roles, names. */
export const members: readonly Step[] = [
  {
    name: "somebody is added and sees what was before",
    act: async (w) => {
      const [cleo, team] = [w.seat("cleo"), w.conv("team")];
      await w.seat("ada").client.addMembers(team, [w.id("cleo")]);
      await w.until(() => cleo.of(team) !== undefined, "cleo has the group");
      await cleo.open(team);
      await w.seat("bob").client.send(textMessage(team, "welcome"));
      await w.until(() => cleo.of(team)?.tipSeq === 14n, "cleo is welcomed");
    },
  },
  {
    name: "additions that are refused or change nothing",
    act: async (w) => {
      const [ada, bob, team] = [w.seat("ada").client, w.seat("bob").client, w.conv("team")];
      w.note(`again: ${await fate(ada.addMembers(team, [w.id("cleo")]))}`);
      w.note(`nobody: ${await fate(ada.addMembers(team, []))}`);
      w.note(`by a member: ${await fate(bob.addMembers(team, [w.id("dan")]))}`);
      w.note(`unknown: ${await fate(ada.addMembers(team, [w.id("dan"), 0xdead_beefn]))}`);
      const many = Array.from({ length: 201 }, (_, n) => BigInt(n + 1));
      w.note(`too many: ${await fate(ada["op"](team, opType.ADD_MEMBERS, AddMembers, { users: many, note: "" }))}`);
      w.note(`to a direct one: ${await fate(ada.addMembers(w.conv("ada and bob"), [w.id("cleo")]))}`);
    },
  },
  {
    name: "a name is given, and refused",
    act: async (w) => {
      const [ada, bob, team] = [w.seat("ada").client, w.seat("bob").client, w.conv("team")];
      await ada.rename(team, "the team");
      w.note(`by a member: ${await fate(bob.rename(team, "mine"))}`);
      w.note(`none: ${await fate(ada.rename(team, ""))}`);
      w.note(`long: ${await fate(ada.rename(team, "x".repeat(300)))}`);
      w.note(`with a line end: ${await fate(ada.rename(team, "a\nb"))}`);
      w.note(`of a direct one: ${await fate(ada.rename(w.conv("ada and bob"), "us"))}`);
      const wish = { meta: ConvMeta.of({ notice: "n" }), mask: 4, joinPolicy: 0 };
      w.note(`a notice: ${await fate(ada["op"](team, opType.SET_CONVERSATION, SetConversation, wish))}`);
    },
  },
  {
    name: "removals that are refused or change nothing",
    act: async (w) => {
      const [ada, bob, team] = [w.seat("ada").client, w.seat("bob").client, w.conv("team")];
      w.note(`by a member: ${await fate(bob.removeMembers(team, [w.id("cleo")]))}`);
      w.note(`who is not in: ${await fate(ada.removeMembers(team, [w.id("dan")]))}`);
      w.note(`and blocked: ${await fate(ada["op"](team, opType.REMOVE_MEMBERS, RemoveMembers, { users: [w.id("cleo")], block: true }))}`);
      w.note(`from a direct one: ${await fate(ada.removeMembers(w.conv("ada and bob"), [w.id("bob")]))}`);
    },
  },
  {
    name: "roles",
    act: async (w) => {
      const [ada, bob, team] = [w.seat("ada").client, w.seat("bob").client, w.conv("team")];
      const set = (who: typeof ada, name: string, to: number) => fate(who["op"](team, opType.SET_ROLE, SetRole, { user: w.id(name), role: to }));
      w.note(`by a member: ${await set(bob, "bob", role.ADMIN)}`);
      w.note(`bob an admin: ${await set(ada, "bob", role.ADMIN)}`);
      w.note(`once more: ${await set(ada, "bob", role.ADMIN)}`);
      w.note(`no role: ${await set(ada, "bob", 77)}`);
      w.note(`of a stranger: ${await set(ada, "dan", role.ADMIN)}`);
      w.note(`the owner's own: ${await set(ada, "ada", role.MEMBER)}`);
      w.note(`an admin names: ${await fate(bob.rename(team, "team of bob"))}`);
      w.note(`an admin removes the owner: ${await fate(bob.removeMembers(team, [w.id("ada")]))}`);
      await w.until(() => w.seat("cleo").of(team)?.meta?.title === "team of bob", "cleo sees the name");
    },
  },
  {
    name: "somebody is removed",
    act: async (w) => {
      const [cleo, team] = [w.seat("cleo"), w.conv("team")];
      cleo.close(team);
      await w.seat("bob").client.removeMembers(team, [w.id("cleo")]);
      await w.until(() => cleo.of(team) === undefined, "cleo has the group no more");
      await w.seat("ada").client.send(textMessage(team, "without cleo"));
      w.note(`cleo sends: ${await fate(cleo.client.send(textMessage(team, "still here")))}`);
      w.note(`cleo adds: ${await fate(cleo.client.addMembers(team, [w.id("dan")]))}`);
      w.note(`cleo reads one: ${await fate(cleo.client.message(team, 15n))}`);
      w.note(`cleo pins: ${await fate(cleo.client.setPinned(team, true))}`);
      await w.until(() => cleo.settled.size >= 2, "both are settled");
    },
  },
  {
    name: "somebody comes back",
    act: async (w) => {
      const [cleo, team] = [w.seat("cleo"), w.conv("team")];
      await w.seat("ada").client.addMembers(team, [w.id("cleo")]);
      await w.until(() => cleo.of(team) !== undefined, "cleo is in again");
      await cleo.open(team);
      await cleo.client.send(textMessage(team, "back"));
      await w.until(() => w.seat("ada").of(team)?.tipSeq === 16n, "cleo is heard");
    },
  },
  {
    name: "a group is given to another",
    act: async (w) => {
      const [ada, team] = [w.seat("ada").client, w.conv("team")];
      w.note(`to cleo: ${await fate(ada["op"](team, opType.TRANSFER_OWNER, TransferOwner, { user: w.id("cleo") }))}`);
      await w.until(() => w.seat("cleo").client.members(team).get().some((one) => one.user === w.id("cleo") && one.role === role.OWNER), "cleo owns it");
    },
  },
  {
    name: "an owner leaves: the admin inherits",
    act: async (w) => {
      const [cleo, team] = [w.seat("cleo"), w.conv("team")];
      cleo.close(team);
      w.note(`from a direct one: ${await fate(w.seat("ada").client.leave(w.conv("ada and bob")))}`);
      w.note(`ada a member: ${await fate(cleo.client["op"](team, opType.SET_ROLE, SetRole, { user: w.id("ada"), role: role.MEMBER }))}`);
      await cleo.client.leave(team);
      await w.until(() => cleo.of(team) === undefined && w.seat("bob").of(team)?.meta?.memberCount === 2, "cleo is gone");
    },
  },
  {
    name: "a group whose newcomers do not see what was before",
    act: async (w) => {
      const [ada, cleo] = [w.seat("ada"), w.seat("cleo")];
      const wish = (title: string, settings: number) => ({ meta: ConvMeta.of({ kind: ConvKind.GROUP, title, settings }), members: [w.id("bob")], joinPolicy: 0 });
      const { id } = await ada.client["op"](0n, opType.CREATE_CONVERSATION, CreateConversation, wish("closed", 0));
      const closed = w.call(id, "closed");
      await w.until(() => ada.of(closed) !== undefined, "ada has it");
      for (const text of ["a", "b", "c"]) await ada.client.send(textMessage(closed, text));
      await w.until(() => ada.of(closed)?.tipSeq === 3n, "three before");
      await ada.client.addMembers(closed, [w.id("cleo")]);
      await ada.client.send(textMessage(closed, "d"));
      await w.until(() => cleo.of(closed)?.tipSeq === 4n, "one after");
      await cleo.open(closed);
      w.note(`other settings: ${await fate(ada.client["op"](0n, opType.CREATE_CONVERSATION, CreateConversation, wish("odd", setting.NEWCOMERS_SEE_HISTORY | 0x4000)))}`);
      w.note(`a message before: ${(await cleo.client.message(closed, 2n)) === undefined ? "none" : "shown"}`);
    },
  },
  {
    name: "a large group is read by pull",
    act: async (w) => {
      const ada = w.seat("ada");
      const large = w.call(await ada.client.createGroup("large", ["bob", "cleo", "dan", "eve"].map((name) => w.id(name))), "large");
      await w.until(() => ada.of(large) !== undefined && w.seat("bob").of(large) !== undefined, "both have it");
      await w.seat("bob").open(large);
      for (const text of ["one", "two"]) await ada.client.send(textMessage(large, text));
      await ada.client.send(textMessage(large, "@cleo", [{ user: w.id("cleo"), start: 0, len: 5 }]));
      await w.until(() => ["ada", "bob", "cleo"].every((name) => w.seat(name).of(large)?.tipSeq === 3n), "all have heard of it");
    },
  },
  {
    name: "with fewer members it comes by the queue again",
    act: async (w) => {
      const [ada, large] = [w.seat("ada"), w.conv("large")];
      await ada.client.removeMembers(large, [w.id("dan"), w.id("eve")]);
      await ada.client.send(textMessage(large, "by queue"));
      await w.until(() => ["ada", "bob", "cleo"].every((name) => w.seat(name).of(large)?.tipSeq === 4n), "all have it");
      await ada.client.addMembers(large, [w.id("dan")]);
      await ada.client.addMembers(large, [w.id("eve")]);
      await ada.client.send(textMessage(large, "by pull"));
      await w.until(() => ["ada", "bob", "cleo"].every((name) => w.seat(name).of(large)?.tipSeq === 5n), "all have heard of it");
    },
  },
];
