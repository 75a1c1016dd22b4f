import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AdminApi, type AuditEntry } from "../src/admin/api.js";
import { isWanted, subjectOf } from "../src/admin/audit-filter.js";
import { wordOfFault } from "../src/admin/faults.js";
import { gather } from "../src/admin/gather.js";
import { usesOf } from "../src/admin/new-invitation.js";
import { bytes, count, duration, micros, rate } from "../src/admin/numbers.js";
import { type Polled, Poller } from "../src/admin/poll.js";
import { pageOf } from "../src/admin/route.js";
import { type Frame, highest, nearest, niceTop, pathsOf, runsOf, xOf, yOf } from "../src/admin/scale.js";
import { wordOfKind } from "../src/admin/user-devices.js";
import { adminWords, wordNamed } from "../src/admin/words.js";
import { Fault } from "../src/first-run/ask.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("the interface of an administrator", () => {
  const answering = (body: unknown, status = 200) => {
    const asked: { path: string; body: unknown; credential: unknown }[] = [];
    vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
      asked.push({ path, body: init.body === undefined ? undefined : JSON.parse(String(init.body)), credential: (init.headers as Record<string, string>)["authorization"] });
      return Promise.resolve(new Response(JSON.stringify(body), { status }));
    });
    return asked;
  };
  const { signal } = new AbortController();

  it("asks at the agreed addresses with the agreed fields", async () => {
    const asked = answering({ users: [], groups: [], members: [], devices: [], invitations: [], entries: [], next: null });
    const api = new AdminApi("c");
    await api.overview(signal);
    await api.users({ query: "ad", after: "9" });
    await api.addUser("ada", "Ada", "admin");
    await api.setState("2", "disabled");
    await api.setRole("2", "member");
    await api.resetLink("2");
    await api.invite({ role: "member", uses: 3, valid_for_s: 60 });
    await api.revokeInvitation("8");
    await api.members("7", {});
    await api.addMember("7", "2");
    await api.removeMember("7", "2");
    await api.devices("2", signal);
    await api.revokeDevice("2", "3");
    await api.audit({ before: "5", limit: 10 });
    expect(asked.map(({ path, body }) => [path, body])).toEqual([
      ["/v1/admin/overview", undefined],
      ["/v1/admin/users?query=ad&after=9&limit=50", undefined],
      ["/v1/admin/users", { name: "ada", display_name: "Ada", role: "admin" }],
      ["/v1/admin/users/state", { user: "2", state: "disabled" }],
      ["/v1/admin/users/role", { user: "2", role: "member" }],
      ["/v1/admin/users/link", { user: "2" }],
      ["/v1/admin/invitations", { role: "member", uses: 3, valid_for_s: 60 }],
      ["/v1/admin/invitations/revoke", { invitation: "8" }],
      ["/v1/admin/groups/members?conversation=7&limit=50", undefined],
      ["/v1/admin/groups/add", { conversation: "7", user: "2" }],
      ["/v1/admin/groups/remove", { conversation: "7", user: "2" }],
      ["/v1/admin/devices?user=2", undefined],
      ["/v1/admin/devices/revoke", { user: "2", device: "3" }],
      ["/v1/admin/audit?before=5&limit=10", undefined],
    ]);
    expect(new Set(asked.map(({ credential }) => credential))).toEqual(new Set(["Bearer c"]));
  });

  it("tells when the session or the role is lost, and only then", async () => {
    const lost: string[] = [];
    const api = new AdminApi("c", (fault) => lost.push(fault.code));
    for (const [status, code] of [[401, "ticket_invalid"], [403, "account_disabled"], [403, "role_required"], [404, "absent"], [409, "last_admin"], [500, "degraded"]] as const) {
      answering({ code }, status);
      await expect(api.setRole("2", "member")).rejects.toMatchObject({ code, status });
    }
    expect(lost).toEqual(["ticket_invalid", "account_disabled", "role_required"]);
  });

  it("has words for every refusal", () => {
    const words = [new Fault("last_admin", 409), new Fault("absent", 404), new Fault("ticket_invalid", 401), new Fault("role_required", 403), new Fault("what", 500), new Fault("method_rate", 429)].map(wordOfFault);
    expect(words).toEqual(["faultLastAdmin", "faultAbsent", "faultSignedOut", "faultRole", "faultOther", "faultBusy"]);
  });
});

describe("the poller", () => {
  const beat = { everyMs: 1000, mostMs: 8000, patienceMs: 5000 };
  /** A poller over answers that the test gives by hand. */
  const world = () => {
    const open: { resolve: (value: number) => void; reject: (error: unknown) => void; signal: AbortSignal }[] = [];
    const told: Polled<number>[] = [];
    const read = (signal: AbortSignal) =>
      new Promise<number>((resolve, reject) => {
        open.push({ resolve, reject, signal });
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    const poller = new Poller(read, (state) => told.push(state), beat);
    return { open, told, poller };
  };
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
  });

  it("asks at a beat, counted from the answer, and never twice at once", async () => {
    const { open, told, poller } = world();
    poller.start();
    poller.start();
    poller.askNow();
    expect(open.length).toBe(1);
    await vi.advanceTimersByTimeAsync(3000);
    expect(open.length).toBe(1);
    open[0]?.resolve(7);
    await vi.advanceTimersByTimeAsync(999);
    expect([open.length, told]).toEqual([1, [{ value: 7, fault: undefined, nextTryMs: undefined }]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(open.length).toBe(2);
  });

  it("waits longer after every fault up to a bound, keeps the old value, and recovers", async () => {
    const { open, told, poller } = world();
    poller.start();
    open[0]?.resolve(1);
    await vi.advanceTimersByTimeAsync(1000);
    const waits: number[] = [];
    for (let n = 1; n <= 5; n++) {
      open[n]?.reject(new Fault("unreachable", 0));
      await vi.advanceTimersByTimeAsync(0);
      const wait = (told.at(-1)?.nextTryMs ?? 0) - Date.now();
      waits.push(wait);
      expect(told.at(-1)).toMatchObject({ value: 1, fault: { code: "unreachable" } });
      await vi.advanceTimersByTimeAsync(wait);
      expect(open.length).toBe(n + 2);
    }
    expect(waits).toEqual([2000, 4000, 8000, 8000, 8000]);
    open[6]?.resolve(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect([told.at(-1), open.length]).toEqual([{ value: 2, fault: undefined, nextTryMs: undefined }, 8]);
  });

  it("waits as long as the server asks", async () => {
    const { open, told, poller } = world();
    poller.start();
    open[0]?.reject(new Fault("method_rate", 429, "", 6000));
    await vi.advanceTimersByTimeAsync(0);
    expect(told.at(-1)?.nextTryMs).toBe(6000);
  });

  it("gives up an answer that takes too long, and asks again", async () => {
    const { open, told, poller } = world();
    poller.start();
    await vi.advanceTimersByTimeAsync(5000);
    expect([open[0]?.signal.aborted, told.length]).toEqual([true, 1]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(open.length).toBe(2);
  });

  it("says and asks nothing while stopped, and goes on at once", async () => {
    const { open, told, poller } = world();
    poller.start();
    poller.stop();
    expect(open[0]?.signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    poller.askNow();
    expect([open.length, told]).toEqual([1, []]);
    poller.start();
    expect(open.length).toBe(2);
    open[1]?.resolve(5);
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual([{ value: 5, fault: undefined, nextTryMs: undefined }]);
  });
});

describe("a list in parts", () => {
  /** Parts of these lengths; the rows count up. */
  const reading = (lengths: readonly number[]) => {
    const asked: (string | undefined)[] = [];
    const read = (after: string | undefined) => {
      asked.push(after);
      const at = Number(after ?? 0);
      const first = lengths.slice(0, at).reduce((sum, n) => sum + n, 0);
      const rows = Array.from({ length: lengths[at] ?? 0 }, (_, n) => first + n);
      return Promise.resolve({ rows, next: at + 1 < lengths.length ? `${at + 1}` : null });
    };
    return { asked, read };
  };

  it("goes on over empty parts until there is enough, and not further", async () => {
    const { asked, read } = reading([0, 3, 0, 8, 50, 50]);
    expect(await gather(read, undefined)).toEqual({ rows: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], next: "4" });
    expect(asked).toEqual([undefined, "1", "2", "3"]);
    expect((await gather(read, "4")).next).toBe("5");
  });

  it("ends at the end, and asks the user after much in vain", async () => {
    expect(await gather(reading([1, 0, 1]).read, undefined)).toEqual({ rows: [0, 1], next: null });
    const { asked, read } = reading(Array(100).fill(0));
    expect([await gather(read, undefined), asked.length]).toEqual([{ rows: [], next: "20" }, 20]);
  });
});

describe("a chart", () => {
  const frame: Frame = { untilMs: 120_000, spanMs: 120_000, top: 10, width: 600, height: 100 };

  it("has a round top that is never below the highest value", () => {
    expect([0, 0.3, 1, 1.1, 2, 2.3, 4.9, 7, 10, 11, 240, 9_999, 1e7].map((value) => niceTop(value, 0.1))).toEqual([0.1, 0.3, 1, 2, 2, 3, 5, 8, 10, 20, 300, 10_000, 1e7]);
    expect([niceTop(0, 4), niceTop(NaN), niceTop(Infinity)]).toEqual([4, 1, 1]);
    for (let value = 0.001; value < 1e9; value *= 1.37) expect(niceTop(value, 0.0001)).toBeGreaterThanOrEqual(value * (1 - 1e-9));
  });

  it("puts now at the right, zero at the bottom, and nothing above the top", () => {
    expect([xOf(frame, 120_000), xOf(frame, 60_000), xOf(frame, 0)]).toEqual([600, 300, 0]);
    expect([yOf(frame, 0), yOf(frame, 5), yOf(frame, 10), yOf(frame, 99), yOf(frame, -1)]).toEqual([100, 50, 0, 0, 100]);
  });

  it("is broken where nothing was measured", () => {
    const points = [{ at_ms: 1000, value: 1 }, { at_ms: 2000, value: 2 }, { at_ms: 3000, value: null }, { at_ms: 4000, value: 4 }, { at_ms: 60_000, value: 10 }];
    expect(runsOf(points, 3000).map((run) => run.map(({ value }) => value))).toEqual([[1, 2], [4], [10]]);
    const { line, area } = pathsOf(frame, points, 3000);
    expect(line).toBe("M5 90L10 80M20 60 h0.01M300 0 h0.01");
    expect(area).toBe("M5 100L5 90L10 80L10 100ZM20 100L20 60L20 100ZM300 100L300 0L300 100Z");
    expect(pathsOf(frame, [], 3000)).toEqual({ line: "", area: "" });
  });

  it("reads the nearest point, holes included", () => {
    const points = [{ at_ms: 0, value: 1 }, { at_ms: 60_000, value: null }, { at_ms: 120_000, value: 3 }];
    expect([-5, 140, 160, 310, 599].map((x) => nearest(frame, points, x)?.at_ms)).toEqual([0, 0, 60_000, 60_000, 120_000]);
    expect([nearest(frame, [], 5), highest(points), highest([])]).toEqual([undefined, 3, 0]);
  });
});

describe("numbers for people", () => {
  it("are short and have their unit", () => {
    expect([0, 999, 1234, 1_234_567].map((n) => count(n, "en"))).toEqual(["0", "999", "1,234", "1.23M"]);
    expect([0, 0.24, 9.96, 10.4, 43_210, 240_000].map((n) => rate(n, "en"))).toEqual(["0", "0.2", "10", "10", "43,210", "240K"]);
    expect([0, 840.4, 1000, 3240, 42_400, 999_999, 1_500_000].map(micros)).toEqual(["0 µs", "840 µs", "1 ms", "3.2 ms", "42 ms", "1000 ms", "1.5 s"]);
    expect([0, 512, 1024, 3_650_722_202, 2 ** 50 * 2000].map(bytes)).toEqual(["0 B", "512 B", "1 KiB", "3.4 GiB", "2000 PiB"]);
  });

  it("say how long with two units", () => {
    const units = { d: "d", h: "h", min: "min", s: "s" };
    expect([0, 59, 60, 3_661, 86_400, 270_000].map((s) => duration(s, units))).toEqual(["0 s", "59 s", "1 min", "1 h 1 min", "1 d", "3 d 3 h"]);
  });
});

describe("the pages", () => {
  it("are named by the hash", () => {
    expect(["#/users", "#/audit?x", "", "#/nothing", "#users"].map(pageOf)).toEqual(["users", "audit", "overview", "overview", "overview"]);
  });

  it("take whole numbers of uses from 1 to 1000", () => {
    expect(["1", " 25 ", "1000", "0", "1001", "", "-1", "1.5", "1e3", "9".repeat(30)].map(usesOf)).toEqual([1, 25, 1000, undefined, undefined, undefined, undefined, undefined, undefined, undefined]);
  });

  it("know device kinds by number and by name", () => {
    expect([1, "2", "web", "phone", 4, 99, "toaster"].map(wordOfKind)).toEqual(["kindPhone", "kindTablet", "kindWeb", "kindPhone", "kindWeb", "kindApp", "kindApp"]);
  });

  it("filter the audit by subject and by every word", () => {
    const entry: AuditEntry = { entry: "1", at_ms: 1, actor: { user: "2", name: "Ada" }, action: "user.disable", target: "Bob Smith", detail: "" };
    const operator: AuditEntry = { ...entry, actor: "operator", action: "setup.link", target: "" };
    expect([isWanted(entry, "", undefined, ""), isWanted(entry, "", "user", "ada BOB"), isWanted(entry, "", "group", ""), isWanted(entry, "", undefined, "ada eve"), isWanted(entry, "Konto gesperrt", undefined, "konto")]).toEqual([true, true, false, false, true]);
    expect([subjectOf("setup.link"), subjectOf("setup"), subjectOf("backup.make"), isWanted(operator, "", "server", "operator")]).toEqual(["server", "server", "other", true]);
    expect([wordNamed("user.disable"), wordNamed("backup.make"), wordNamed("toString")]).toEqual(["user.disable", undefined, undefined]);
  });

  it("have their words in both languages, with the same places", () => {
    for (const [en, zh] of Object.values(adminWords)) {
      expect([en, zh].every((text) => text.trim() !== "")).toBe(true);
      expect([...zh.matchAll(/\{\w+\}/g)].map(String).sort()).toEqual([...en.matchAll(/\{\w+\}/g)].map(String).sort());
    }
  });
});
