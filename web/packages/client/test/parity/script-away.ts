//! Steps: lost frames, cut links, devices that were away, and devices that are taken away.

import { kind } from "@tenon/wire";
import { textMessage } from "../../src/index.js";
import type { Step } from "./script.js";
import { codeText, fate } from "./world.js";

/** Away and back. */
export const awayAndBack: readonly Step[] = [
  {
    name: "the answer is lost: the message is sent again and is there once",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      const before = ada.of(team)?.tipSeq ?? 0n;
      ada.line.loses((frame, way) => way === "down" && (frame.kind === kind.SEND_ACK || frame.kind === kind.EVENT_BATCH));
      await ada.client.send(textMessage(team, "once"));
      await w.until(() => w.seat("bob").of(team)?.tipSeq === before + 1n, "bob has it");
      ada.line.loses();
      ada.line.cut();
      ada.client.connectNow();
      await w.until(() => ada.of(team)?.tipSeq === before + 1n && ada.client.status.get().state === "live", "ada is back");
    },
  },
  {
    name: "written without a network: taken back, or sent in order",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      ada.line.down();
      await ada.client.send(textMessage(team, "first"));
      const local = await ada.client.send(textMessage(team, "not this one"));
      await ada.client.send(textMessage(team, "last"));
      await ada.client.discard(local);
      await w.until(() => ada.settled.has(local), "it is taken back");
      w.note(`taken back: ${codeText(ada.settled.get(local)?.code ?? -1)}`);
    },
  },
  {
    name: "the network is back",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      const before = w.seat("bob").of(team)?.tipSeq ?? 0n;
      ada.up();
      await w.until(() => w.seat("bob").of(team)?.tipSeq === before + 2n, "bob has both");
    },
  },
  {
    name: "taken back while it is on its way: its number is used up, what follows is sent",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      const before = w.seat("bob").of(team)?.tipSeq ?? 0n;
      ada.line.loses((frame, way) => way === "up" && frame.kind === kind.SEND);
      const local = await ada.client.send(textMessage(team, "never seen"));
      await ada.client.send(textMessage(team, "behind it"));
      await ada.client.discard(local);
      ada.line.loses();
      ada.line.cut();
      ada.client.connectNow();
      await w.until(() => ada.settled.has(local) && w.seat("bob").of(team)?.tipSeq === before + 1n, "bob has the other");
    },
  },
  {
    name: "taken back when it was done already",
    act: async (w) => {
      const [ada, team] = [w.seat("ada"), w.conv("team")];
      const before = w.seat("bob").of(team)?.tipSeq ?? 0n;
      ada.line.loses((frame, way) => way === "down" && (frame.kind === kind.SEND_ACK || frame.kind === kind.EVENT_BATCH));
      const local = await ada.client.send(textMessage(team, "too late"));
      await w.until(() => w.seat("bob").of(team)?.tipSeq === before + 1n, "bob has it");
      await ada.client.discard(local);
      ada.line.loses();
      ada.line.cut();
      ada.client.connectNow();
      await w.until(() => ada.settled.has(local), "it is settled");
    },
  },
  {
    name: "a short time away: the stream goes on",
    act: async (w) => {
      const [bob, team] = [w.seat("bob"), w.conv("team")];
      bob.line.down();
      for (let n = 1; n <= 10; n++) await w.seat("ada").client.send(textMessage(team, `while away ${n}`));
      const tip = () => w.seat("ada").of(team)?.tipSeq ?? 0n;
      await w.until(() => w.seat("ada").of(team)?.readSeq === tip() && w.seat("ada").settled.size >= 10, "all are sent");
      bob.up();
      await w.until(() => bob.of(team)?.tipSeq === tip() && bob.client.status.get().state === "live", "bob is back");
    },
  },
  {
    name: "an app that starts again over what it stored",
    act: async (w) => {
      const [bob, team] = [w.seat("bob"), w.conv("team")];
      // What the app has taken is noted a little later; before that it would be told again.
      await w.until(() => bob.noted, "all events are noted");
      await bob.end();
      await w.seat("ada").client.send(textMessage(team, "good morning"));
      bob.begin();
      await w.until(() => bob.client.status.get().state === "live" && bob.of(team)?.tipSeq === w.seat("ada").of(team)?.tipSeq, "bob is there");
    },
  },
  {
    name: "a long time away: the list is read anew",
    act: async (w) => {
      const [ada, bob] = [w.seat("ada"), w.seat("bob")];
      const flood = w.call(await ada.client.createGroup("flood", [w.id("bob")]), "flood");
      await w.until(() => bob.of(flood) !== undefined && bob.heard.length > 0, "bob has it");
      bob.line.down();
      for (let n = 1; n <= 1_100; n++) await ada.client.send(textMessage(flood, `n${n}`));
      await w.until(() => ada.of(flood)?.tipSeq === 1_100n, "all are sent");
      bob.up();
      await w.until(() => bob.of(flood)?.tipSeq === 1_100n && bob.client.status.get().state === "live", "bob is back");
      await w.until(() => w.seat("ada/2").of(flood)?.tipSeq === 1_100n && w.seat("ada/3").of(flood)?.tipSeq === 1_100n, "all devices have it");
      // A thousand messages that were heard are no news.
      for (const name of ["ada", "ada/2", "ada/3"]) w.seat(name).heard = [];
    },
  },
  {
    name: "a long history, upwards from the newest",
    act: async (w) => {
      const [bob, flood] = [w.seat("bob"), w.conv("flood")];
      const timeline = await bob.open(flood);
      for (let page = 0; page < 3; page++) await timeline.loadOlder();
    },
  },
  {
    name: "to a message, and on in both directions",
    act: async (w) => {
      const timeline = await w.seat("bob").open(w.conv("flood"));
      w.note(`jumped: ${await timeline.jumpTo(300n)}`);
      await timeline.loadOlder();
      await timeline.loadNewer();
      await timeline.loadNewer();
    },
  },
  {
    name: "to the first message, and to one that does not exist",
    act: async (w) => {
      const timeline = await w.seat("bob").open(w.conv("flood"));
      w.note(`the first: ${await timeline.jumpTo(1n)}`);
      await timeline.loadOlder();
      w.note(`none: ${await timeline.jumpTo(5_000n)}`);
    },
  },
  {
    name: "back to the newest",
    act: async (w) => {
      const timeline = await w.seat("bob").open(w.conv("flood"));
      await timeline.toTip();
      w.note(`one alone: ${(await w.seat("bob").client.message(w.conv("flood"), 7n))?.seq}`);
      w.note(`one that does not exist: ${(await w.seat("bob").client.message(w.conv("flood"), 9_999n))?.seq}`);
    },
  },
  {
    name: "a device that lost its store reads everything anew, and sends in a new life",
    act: async (w) => {
      const [third, flood] = [w.seat("ada/3"), w.conv("flood")];
      await w.until(() => third.noted, "all events are noted");
      await third.end();
      await third.putBack(0);
      third.begin();
      await w.until(() => third.client.status.get().state === "live" && third.of(flood)?.tipSeq === 1_100n, "it is live");
      await third.client.send(textMessage(flood, "from a new life"));
      await w.until(() => w.seat("ada").of(flood)?.tipSeq === 1_101n, "it is heard");
    },
  },
  {
    name: "a device whose store is put back from an older copy",
    act: async (w) => {
      const [third, flood] = [w.seat("ada/3"), w.conv("flood")];
      await w.until(() => third.noted, "all events are noted");
      const { mark } = third;
      await third.client.send(textMessage(flood, "will be forgotten"));
      const made = await third.client.createGroup("forgotten", []);
      w.call(made, "forgotten");
      await w.until(() => w.seat("ada").of(flood)?.tipSeq === 1_102n && third.of(made) !== undefined && third.hears("members of forgotten") && third.noted, "both are done");
      await third.end();
      await third.putBack(mark);
      third.begin();
      const early = await third.client.send(textMessage(flood, "given before the server is heard"));
      await w.until(() => third.settled.has(early) && third.client.status.get().state === "live", "it is live");
      await third.client.send(textMessage(flood, "after it"));
      await third.client.setPinned(flood, true);
      await w.until(() => w.seat("ada").of(flood)?.tipSeq === 1_103n, "it is heard");
    },
  },
  {
    name: "and once more, with something that was on its way in the life that is lost",
    act: async (w) => {
      const [third, flood] = [w.seat("ada/3"), w.conv("flood")];
      await w.until(() => third.noted, "all events are noted");
      const timeline = await third.open(flood);
      third.line.loses((frame, way) => way === "up" && (frame.kind === kind.SEND || frame.kind === kind.OP));
      await third.client.send(textMessage(flood, "on its way"));
      void third.client.setPinned(flood, false).catch(() => undefined);
      await w.until(() => timeline.view.get().outgoing.some((one) => one.failedCode === undefined), "it waits");
      const { mark } = third;
      third.line.loses();
      third.line.cut();
      third.client.connectNow();
      await w.until(() => w.seat("ada").of(flood)?.tipSeq === 1_104n && w.seat("ada").of(flood)?.summary?.pinned === false && third.noted, "both are done");
      await third.end();
      await third.putBack(mark);
      third.begin();
      await w.until(() => third.client.status.get().state === "live" && third.of(flood)?.tipSeq === 1_104n, "it is live");
    },
  },
  {
    name: "a device is signed out by another",
    act: async (w) => {
      const [ada, second] = [w.seat("ada"), w.seat("ada/2")];
      await w.until(() => second.noted, "all events are noted");
      const devices = await ada.client.devices();
      w.note(`devices: ${devices.map((one) => `kind ${one.kind} online ${one.isOnline} own ${one.isOwn}`).join("; ")}`);
      w.note(`one of nobody: ${await fate(ada.client.removeDevice(0xdead_beefn))}`);
      w.note(`one of another: ${await fate(ada.client.removeDevice(w.seat("bob").client.device))}`);
      w.note(`the second: ${await fate(ada.client.removeDevice(second.client.device))}`);
      await w.until(() => second.client.status.get().state === "stopped", "it is out");
      w.note(`devices left: ${(await ada.client.devices()).length}`);
    },
  },
  {
    name: "what was signed out does not come back",
    act: async (w) => {
      const second = w.seat("ada/2");
      await second.end();
      second.begin();
      await w.until(() => second.client.status.get().state === "stopped", "it stays out");
    },
  },
];
