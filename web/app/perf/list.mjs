//! Measures the conversation list of somebody with very many conversations, in Chromium against a running server:
//!
//!   TENON_URL=http://127.0.0.1:7700 TENON_PASSWORD=... CHROMIUM=/usr/bin/chromium \
//!     NODE_OPTIONS=--experimental-websocket node app/perf/list.mjs [CONVERSATIONS] [PROFILE]
//!
//! Needs the accounts ada and bob with one password, without limits on what a device may send. Bob first makes groups with
//! ada until she is in CONVERSATIONS (default 10,000) and writes a line into each. Then her list is timed after reloads,
//! scrolled, searched and flooded. With PROFILE, a file, what the script did in the last reload and the flood is written
//! there as a CPU profile. Prints one JSON object a line.

import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { spread, startFrames, stopFrames } from "./frames.mjs";
import { loadClient, person } from "./people.mjs";

const server = process.env.TENON_URL ?? "http://127.0.0.1:7700";
const site = process.env.TENON_SITE ?? server;
const password = process.env.TENON_PASSWORD ?? "";
const conversations = Number(process.argv[2] ?? 10_000);
const profile = process.argv[3];
/** Messages a second, and for how long. */
const FLOOD = { perSecond: 100, seconds: 15 };
const RELOADS = 7;

const say = (what, figures) => console.log(JSON.stringify({ what, ...figures }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const parts = await loadClient();
const bob = await person(parts, server, "bob", password);
const groups = await seed();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 820 } });
const page = await context.newPage();
const tools = await context.newCDPSession(page);
// Time of the processor and not of the clock: what other programs take of the machine does not count.
await tools.send("Performance.enable", { timeDomain: "threadTicks" });
page.on("pageerror", (error) => say("page error", { text: error.message }));
const faults = [];
try {
  await signIn();
  await starts();
  await scroll("scrolling the list", async () => undefined);
  await search();
  await flood("flood, the list at its top", false);
  await flood("flood, the list scrolled meanwhile", true);
} finally {
  await browser.close();
  await bob.signOut();
  await parts.close();
}
process.exit(faults.length);

/** Groups of bob and ada, each with at least one message; gives their ids. */
async function seed() {
  const { CreateConversation, ConvMeta, ConvKind, Op, ResolveNames, ResolvedNames, method, opType } = parts.wire;
  const answer = await bob.host.ask({ type: "request", method: method.RESOLVE_NAMES, body: ResolveNames.encode({ users: ["ada"], groups: [] }) });
  const ada = ResolvedNames.decode(answer.body).users[0].id;
  const made = [...bob.lines.values()].filter((line) => line.meta?.title.startsWith("Project ")).map((line) => line.conv);
  const begun = Date.now();
  const city = ["Berlin", "北京", "São Paulo", "Oslo"];
  for (let from = made.length; from < conversations; from += 100) {
    const numbers = Array.from({ length: Math.min(100, conversations - from) }, (_, n) => from + n);
    const ids = await Promise.all(
      numbers.map(async (n) => {
        const meta = ConvMeta.of({ kind: ConvKind.GROUP, title: `Project ${n} ${city[n % 4]}` });
        const body = CreateConversation.encode({ meta, members: [ada], joinPolicy: 0 });
        return (await bob.op(opType.CREATE_CONVERSATION, Op.of({ body }))).id;
      }),
    );
    await Promise.all(ids.map((conv, n) => write(conv, `the first line of project ${numbers[n]}`)));
    made.push(...ids);
  }
  say("conversations of ada", { count: made.length, seconds: Math.round((Date.now() - begun) / 1_000) });
  return made;
}

/** Bob writes; resolves when it is settled. */
async function write(conv, text) {
  const answer = await bob.host.ask({ type: "send", after: 0n, send: parts.client.textMessage(conv, text) });
  return answer.type === "queued" ? bob.done(answer.local) : answer;
}

async function signIn() {
  await page.goto(site);
  await page.getByLabel("Login name").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill(password);
  const from = Date.now();
  await page.keyboard.press("Enter");
  await page.locator(".row").first().waitFor({ timeout: 120_000 });
  const first = Date.now() - from;
  await whole(120_000);
  say("a new device", { firstLineMs: first, wholeListMs: Date.now() - from });
  await pause(10_000);
}

/** Waits until every line is in the list. */
function whole(timeout) {
  const isWhole = (count) => {
    const isRead = document.querySelector(".sidebar .virtual ul")?.getAttribute("aria-busy") !== "true";
    return isRead && Number(document.querySelector(".sidebar .virtual li")?.getAttribute("aria-setsize")) >= count;
  };
  return page.waitForFunction(isWhole, conversations, { timeout, polling: "raf" });
}

/** From the reload to lines with their newest message, to the whole list, to a live link; from what is stored. */
async function starts() {
  const times = { work: [], firstPaint: [], lines: [], filled: [], whole: [], worstTask: [] };
  await page.addInitScript(() => {
    const seen = (globalThis.seen = { tasks: [] });
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
    const look = () => {
      const now = performance.now();
      const rows = [...document.querySelectorAll(".row")];
      if (rows.length > 0) seen.lines ??= now;
      if (rows.length > 8 && rows.slice(0, 8).every((row) => (row.querySelector(".row-text")?.textContent ?? "") !== "")) seen.filled ??= now;
      if (seen.filled === undefined) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  for (let n = 0; n < RELOADS; n++) {
    const isLast = n === RELOADS - 1 && profile !== undefined;
    if (isLast) await startProfile();
    await page.reload({ waitUntil: "commit" });
    await page.waitForFunction(() => globalThis.seen?.filled !== undefined, undefined, { timeout: 60_000 });
    times.work.push((await work()).all);
    await whole(60_000);
    times.whole.push(await page.evaluate(() => performance.now()));
    await pause(2_000);
    const seen = await page.evaluate(() => ({ ...globalThis.seen, paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0 }));
    times.firstPaint.push(seen.paint);
    times.lines.push(seen.lines);
    times.filled.push(seen.filled);
    times.worstTask.push(Math.max(0, ...seen.tasks));
    if (isLast) await stopProfile("start");
  }
  for (const [name, all] of Object.entries(times)) say(`reload: ${name}`, spread(all));
}

/** Work of the page's main thread so far, milliseconds of the processor. */
async function work() {
  const { metrics } = await tools.send("Performance.getMetrics");
  const of = (name) => Math.round((metrics.find((one) => one.name === name)?.value ?? 0) * 1_000);
  return { all: of("TaskDuration"), script: of("ScriptDuration"), layout: of("LayoutDuration") + of("RecalcStyleDuration") };
}

/** The difference to an earlier `work`, for each second. */
async function workSince(before, seconds) {
  const now = await work();
  return Object.fromEntries(Object.entries(now).map(([name, ms]) => [`${name}MsPerSecond`, Math.round((ms - before[name]) / seconds)]));
}

/** Turns the wheel down and up for five seconds. */
async function scroll(name, meanwhile) {
  await page.locator(".sidebar .virtual").hover();
  await startFrames(page);
  const [before, begun] = [await work(), Date.now()];
  const other = meanwhile();
  for (let n = 0; n < 300; n++) {
    await page.mouse.wheel(0, n < 150 ? 600 : -600);
    await pause(16);
  }
  say(name, { ...(await stopFrames(page)), ...(await workSince(before, (Date.now() - begun) / 1_000)), rows: await page.locator(".row").count() });
  await other;
}

async function search() {
  const times = [];
  // Two that follow each other have different numbers of results, so that the new one is seen.
  for (const query of ["p", "project 99", "北京", "project 999", "sao", "zzz", "oslo", "project 12", "berlin", "project 5000"]) {
    const ms = await page.evaluate(
      (text) =>
        new Promise((resolve) => {
          const input = document.querySelector("[data-search]");
          const from = performance.now();
          Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, text);
          input.dispatchEvent(new Event("input", { bubbles: true }));
          const status = document.querySelector(".sidebar [role=status].sr-only");
          const before = status.textContent;
          const look = (n) => (status.textContent !== before || n > 60 ? resolve(performance.now() - from) : requestAnimationFrame(() => look(n + 1)));
          requestAnimationFrame(() => look(0));
        }),
      query,
    );
    times.push(ms);
    await pause(200);
  }
  await page.locator("[data-search]").fill("");
  await pause(500);
  say("searching the list", spread(times));
}

/** Bob writes into one conversation after the other; the last one must stand at the top at the end. */
async function flood(name, isScrolled) {
  if (profile !== undefined) await startProfile();
  const sent = [];
  const mark = `flood of ${Date.now()}`;
  const send = async () => {
    const begun = Date.now();
    for (let n = 0; n < FLOOD.perSecond * FLOOD.seconds; n++) {
      sent.push(write(groups[(n * 7_919) % groups.length], `${mark} ${n}`));
      const due = begun + ((n + 1) * 1_000) / FLOOD.perSecond;
      if (due > Date.now()) await pause(due - Date.now());
    }
    return (Date.now() - begun) / 1_000;
  };
  let seconds = 0;
  if (isScrolled) await scroll(name, async () => (seconds = await send()));
  else {
    await startFrames(page);
    const before = await work();
    seconds = await send();
    say(name, { ...(await stopFrames(page)), ...(await workSince(before, seconds)) });
  }
  const settled = await Promise.all(sent);
  const from = Date.now();
  await page.locator(".sidebar .virtual").evaluate((box) => (box.scrollTop = 0));
  await page.locator("li[aria-posinset='1'] .row").filter({ hasText: mark }).waitFor({ timeout: 30_000 });
  await page.locator(".row").filter({ hasText: `${mark} ${settled.length - 1}` }).waitFor({ timeout: 30_000 });
  say(`${name}: done`, { perSecond: Math.round(settled.length / seconds), refused: settled.filter((one) => one.code !== 0).length, behindMs: Date.now() - from });
  if (profile !== undefined) await stopProfile(isScrolled ? "scrolled" : "flood");
}

async function startProfile() {
  await tools.send("Profiler.enable");
  await tools.send("Profiler.start");
}

async function stopProfile(name) {
  const held = await tools.send("Profiler.stop");
  writeFileSync(`${profile}.${name}.cpuprofile`, JSON.stringify(held.profile));
}
