//! Measures the web client in Chromium against a running server with a built client:
//!
//!   TENON_URL=http://127.0.0.1:7700 TENON_PASSWORD=... CHROMIUM=/usr/bin/chromium \
//!     NODE_OPTIONS=--experimental-websocket node app/perf/measure.mjs [GROUP]
//!
//! Needs the accounts ada, bob and cleo with one password, all members of GROUP (default `ubuntu`, the imported archive).
//! Prints one JSON object a line. A long list is measured by `list.mjs`.

import { chromium } from "playwright-core";
import { spread, startFrames, stopFrames } from "./frames.mjs";
import { loadClient, person } from "./people.mjs";

const server = process.env.TENON_URL ?? "http://127.0.0.1:7700";
const site = process.env.TENON_SITE ?? server;
const password = process.env.TENON_PASSWORD ?? "";
const group = process.argv[2] ?? "ubuntu";
/** Messages a second, and for how long. */
const FLOOD = { perSecond: 100, seconds: 15 };
const SCROLL_SECONDS = 15;

const say = (what, figures) => console.log(JSON.stringify({ what, ...figures }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const parts = await loadClient();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 820 } });
const page = await context.newPage();
page.on("pageerror", (error) => say("page error", { text: error.message }));
const faults = [];
try {
  await signIn();
  await firstScreen();
  await openings();
  await archive();
  await flood("at the end", false);
  await flood("scrolled up", true);
} finally {
  await browser.close();
  await parts.close();
}
process.exit(faults.length);

async function signIn() {
  await page.goto(site);
  await page.getByLabel("Login name").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.keyboard.press("Enter");
  await page.locator(".row").first().waitFor({ timeout: 120_000 });
  await pause(4_000);
}

/** From the reload to the list, with what is stored. */
async function firstScreen() {
  const times = [];
  for (let n = 0; n < 5; n++) {
    await page.reload({ waitUntil: "commit" });
    await page.locator(".row").first().waitFor();
    times.push(await page.evaluate(() => performance.now()));
    await pause(1_500);
  }
  say("list after reload, from the local store", spread(times));
}

/** Opens chats by a click; the time ends with the frame that shows messages. */
async function openings() {
  const times = [];
  const names = [group, "Design team"];
  for (let n = 0; n < 24; n++) {
    const title = names[n % 2];
    const ms = await page.evaluate(
      (wanted) =>
        new Promise((resolve, reject) => {
          const row = [...document.querySelectorAll(".row")].find((one) => one.querySelector(".row-title")?.textContent === wanted);
          if (!row) return reject(new Error(`no conversation ${wanted}`));
          const from = performance.now();
          const look = () => {
            const isThere = document.querySelector(".chat-title strong")?.textContent === wanted && document.querySelector(".msg") !== null;
            if (isThere) requestAnimationFrame(() => resolve(performance.now() - from));
            else requestAnimationFrame(look);
          };
          row.click();
          look();
        }),
      title,
    );
    if (n >= 2) times.push(ms);
    await pause(400);
  }
  say("conversation open, from the local store", spread(times));
}

async function openGroup() {
  await page.locator(".row").filter({ hasText: group }).first().click();
  await page.locator(".msg").first().waitFor();
  await pause(1_500);
}

/** Turns the wheel upwards through the archive. */
async function archive() {
  await openGroup();
  const box = page.locator(".messages-box");
  await box.hover();
  const before = await box.evaluate((element) => element.scrollHeight);
  await startFrames(page);
  const end = Date.now() + SCROLL_SECONDS * 1_000;
  let turns = 0;
  while (Date.now() < end) {
    await page.mouse.wheel(0, -240);
    turns += 1;
    await pause(16);
  }
  const frames = await stopFrames(page);
  const seqs = await page.locator(".msg[data-seq]").evaluateAll((all) => all.map((one) => Number(one.dataset.seq)));
  const isSorted = seqs.every((seq, index) => index === 0 || seq > seqs[index - 1]);
  if (!isSorted) faults.push("order");
  const after = await box.evaluate((element) => element.scrollHeight);
  say("scrolling up the archive", { ...frames, turns, pixelsRead: after - before, isSorted, drawn: seqs.length });
}

/** Others write quickly; `isUp`: the reader is further up and must not be moved. */
async function flood(name, isUp) {
  await openGroup();
  await page.getByRole("button", { name: "Jump to the newest message" }).click({ timeout: 2_000 }).catch(() => undefined);
  await pause(800);
  const box = page.locator(".messages-box");
  if (isUp) {
    await box.hover();
    await page.mouse.wheel(0, -900);
    await pause(1_000);
  }
  const anchor = () => box.evaluate((element) => {
    const top = element.getBoundingClientRect().top;
    const one = [...element.querySelectorAll(".msg[data-seq]")].find((msg) => msg.getBoundingClientRect().bottom > top + 40);
    return { seq: one?.dataset.seq, y: Math.round((one?.getBoundingClientRect().top ?? 0) - top) };
  });
  const held = await anchor();
  const writers = await Promise.all(["bob", "cleo"].map((who) => person(parts, server, who, password)));
  const conv = [...writers[0].lines.values()].find((line) => line.meta?.title === group)?.conv;
  await startFrames(page);
  const begun = Date.now();
  const sent = [];
  const delays = [];
  for (let n = 0; n < FLOOD.perSecond * FLOOD.seconds; n++) {
    const writer = writers[n % writers.length];
    const text = `flood ${n} ${"lorem ipsum dolor sit amet ".repeat(1 + (n % 5))}`;
    sent.push(writer.host.ask({ type: "send", after: 0n, send: parts.client.textMessage(conv, text) }).then((answer) => (answer.type === "queued" ? writer.done(answer.local) : answer)));
    const due = begun + ((n + 1) * 1_000) / FLOOD.perSecond;
    if (due > Date.now()) await pause(due - Date.now());
  }
  const seconds = (Date.now() - begun) / 1_000;
  const frames = await stopFrames(page);
  const settled = await Promise.all(sent);
  const last = settled.reduce((seq, one) => (one.seq > seq ? one.seq : seq), 0n);
  const refused = settled.filter((one) => one.code !== 0).length;
  if (isUp) {
    const now = await anchor();
    const isKept = now.seq === held.seq && Math.abs(now.y - held.y) <= 1;
    if (!isKept) faults.push("anchor");
    say(`flood, ${name}`, { ...frames, perSecond: Math.round(settled.length / seconds), refused, isPlaceKept: isKept, held, now });
  } else {
    const from = Date.now();
    await page.locator(`.msg[data-seq="${last}"]`).waitFor({ timeout: 30_000 });
    delays.push(Date.now() - from);
    say(`flood, ${name}`, { ...frames, perSecond: Math.round(settled.length / seconds), refused, behindMs: delays[0] });
  }
  await Promise.all(writers.map((writer) => writer.signOut()));
}
