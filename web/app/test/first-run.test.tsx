import { encode } from "uqr";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { acceptInvitation, enterDemo, setUp } from "../src/first-run/api.js";
import { ask, Fault, faultOf, withQuery } from "../src/first-run/ask.js";
import { isLoopback, loginFault, nameFault, passwordFault, shareable, strengthOf, tokenOf } from "../src/first-run/checks.js";
import { personOf } from "../src/first-run/demo.js";
import { deadLinkOf, wordOfFault } from "../src/first-run/faults.js";
import { PasswordField, TextField } from "../src/first-run/fields.js";
import { drawQr } from "../src/first-run/qr.js";
import { firstWords, sayFrom } from "../src/first-run/words.js";

interface Asked {
  readonly path: string;
  readonly init: RequestInit;
}

/** Answers every question with `response` and keeps what was asked. */
function answering(response: () => Response | Promise<Response>): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return Promise.resolve().then(response);
  });
  return asked;
}

const refused = (status: number, body: unknown, headers: Record<string, string> = {}) => () => new Response(JSON.stringify(body), { status, headers });
const caught = (answer: Promise<unknown>): Promise<Fault> => answer.then(() => Promise.reject(new Error("was answered")), faultOf);

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a question to the server", () => {
  it("carries the credential in a header and the body as JSON", async () => {
    const asked = answering(() => new Response('{"n":1}'));
    expect(await ask("/v1/x", { credential: "secret", body: { a: 1 } })).toEqual({ n: 1 });
    expect(asked[0]?.path).toBe("/v1/x");
    expect(asked[0]?.init).toMatchObject({ method: "POST", cache: "no-store", body: '{"a":1}', headers: { authorization: "Bearer secret", "content-type": "application/json" } });
  });

  it("without a body is a GET, and an empty answer is none", async () => {
    const asked = answering(() => new Response(""));
    expect(await ask("/v1/x")).toBeUndefined();
    expect(asked[0]?.init.method).toBeUndefined();
    expect(withQuery("/v1/x", { query: "a b&c", after: undefined, limit: 5, empty: "" })).toBe("/v1/x?query=a+b%26c&limit=5");
  });

  it("fails with the code of the refusal", async () => {
    answering(refused(409, { code: "last_admin", number: 1, message: "no" }));
    const fault = await caught(ask("/v1/x"));
    expect([fault.code, fault.status, fault.message, fault.isPassing, fault.isSignedOut]).toEqual(["last_admin", 409, "no", false, false]);
  });

  it("says for how long to wait", async () => {
    answering(refused(429, { code: "method_rate" }, { "retry-after": "7" }));
    const fault = await caught(ask("/v1/x"));
    expect([fault.afterMs, fault.isPassing, wordOfFault(fault)]).toEqual([7000, true, "faultBusy"]);
  });

  it("knows a server that is away, one that speaks no JSON, and one that lacks the address", async () => {
    answering(() => Promise.reject(new TypeError("failed to fetch")));
    expect(await caught(ask("/v1/x"))).toMatchObject({ code: "unreachable", status: 0 });
    answering(() => new Response("<html>"));
    expect(await caught(ask("/v1/x"))).toMatchObject({ code: "unreadable", status: 200 });
    answering(() => new Response("<html>", { status: 404 }));
    expect(await caught(ask("/v1/x"))).toMatchObject({ code: "absent", status: 404 });
    answering(() => new Response("<html>", { status: 502 }));
    expect(await caught(ask("/v1/x"))).toMatchObject({ code: "unreadable", status: 502, isPassing: true });
  });

  it("given up is no fault of the server", async () => {
    const controller = new AbortController();
    controller.abort();
    answering(() => Promise.reject(new DOMException("gone", "AbortError")));
    await expect(ask("/v1/x", { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("set-up and joining", () => {
  const account = { name: "ada", display_name: "Ada Lovelace", password: "a long password", label: "Browser" };
  const answer = { credential: "c", ticket: "t", ticket_until_ms: 1, user: "2", device: "3", device_epoch: 1, org: "4", name: "ada", role: "admin" };

  it("send exactly the fields the server knows and keep exactly a session", async () => {
    const asked = answering(() => new Response(JSON.stringify(answer)));
    expect(await setUp("token", "Northwind", account)).toEqual({ server: "", credential: "c", user: "2", device: "3", org: "4", name: "ada" });
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({ token: "token", organisation: "Northwind", ...account, device_kind: 4 });
    await acceptInvitation("token", account);
    expect([asked[1]?.path, JSON.parse(String(asked[1]?.init.body))]).toEqual(["/v1/invitations/accept", { token: "token", ...account, device_kind: 4 }]);
  });

  it("a visitor of a demonstration enters without a password", async () => {
    const asked = answering(() => new Response(JSON.stringify(answer)));
    expect(await enterDemo("member")).toEqual({ server: "", credential: "c", user: "2", device: "3", org: "4", name: "ada" });
    expect([asked[0]?.path, JSON.parse(String(asked[0]?.init.body))]).toEqual(["/v1/demo/sign-in", { who: "member" }]);
  });

  it("the address of a demonstration names one of its people", () => {
    const people = [{ who: "admin" as const, name: "ada", display_name: "Ada" }, { who: "member" as const, name: "ben", display_name: "Ben" }];
    expect(["#admin", "#member", "#root", ""].map((hash) => personOf(people, hash)?.name)).toEqual(["ada", "ben", undefined, undefined]);
  });

  it("know the links that lead nowhere, and have words for the rest", () => {
    expect(["link_expired", "link_used", "link_revoked", "name_taken"].map((code) => deadLinkOf(new Fault(code, 410)))).toEqual(["expired", "used", "revoked", undefined]);
    expect([new Fault("name_taken", 409), new Fault("password_weak", 400), new Fault("bad_body", 400), new Fault("unreachable", 0), new Fault("degraded", 500)].map(wordOfFault)).toEqual([
      "faultNameTaken",
      "faultPassword",
      "faultBody",
      "faultUnreachable",
      "faultOther",
    ]);
  });

  it("read the token behind # and nothing else", () => {
    const token = "Ab_-".repeat(11);
    expect([`#${token}`, `#/${token}`, "", "#", "#/c/12", `#${token}&x=1`, `#${"a".repeat(200)}`].map(tokenOf)).toEqual([token, token, "", "", "", "", ""]);
  });

  it("hand links on under the address that this browser used", () => {
    expect(shareable("http://10.0.0.5:7700/join#t", "https://chat.example/admin#/users")).toBe("https://chat.example/join#t");
    expect(shareable("http://10.0.0.5:7700/join#t", "http://localhost:7700/setup")).toBe("http://10.0.0.5:7700/join#t");
    expect(["http://127.0.0.1:7700/", "http://localhost/", "http://[::1]:1/", "http://127.example.org/", "https://10.0.0.5/"].map(isLoopback)).toEqual([true, true, true, false, false]);
  });
});

describe("the forms", () => {
  beforeEach(() => {
    vi.stubGlobal("navigator", { language: "en-GB" });
  });

  it("refuse names as the server does", () => {
    expect(["ada", " ada ", "", "  ", "a\u0007", "名".repeat(43)].map((name) => nameFault(name))).toEqual([undefined, undefined, "nameMissing", "nameMissing", "nameControl", "nameLong"]);
    expect([loginFault("ada l"), loginFault("ada.l"), loginFault("")]).toEqual(["loginSpaces", undefined, "nameMissing"]);
    expect([passwordFault("123456789"), passwordFault("密码密码密码密码密码")]).toEqual(["passwordShort", undefined]);
  });

  it("tell hard passwords from easy ones", () => {
    const known = ["Northwind", "ada", "Ada Lovelace"];
    expect(["short", "aaaaaaaaaaaa", "1234567890", "abcdefghijkl", "password123", "adalovelace1", "northwind2026"].map((password) => strengthOf(password, known) <= 1)).toEqual(Array(7).fill(true));
    expect(strengthOf("plum otter", known)).toBe(2);
    expect(strengthOf("correct horse battery staple", known)).toBe(4);
    expect(strengthOf("g7#Kq!v2Zr9&Lm", known)).toBe(4);
  });

  it("say what is wrong only after the form was tried, and tie it to the field", () => {
    const field = (isTried: boolean) => renderToStaticMarkup(createElement(TextField, { label: "Name", value: "", onChange: () => undefined, hint: "As others see it.", fault: "nameMissing", isTried }));
    expect(field(false)).toContain("As others see it.");
    expect(field(false)).toContain('aria-invalid="false"');
    const tried = field(true);
    expect(tried).toContain('aria-invalid="true"');
    const note = /aria-describedby="([^"]+)"/.exec(tried)?.[1] ?? "";
    expect(tried).toContain(`<small id="${note}" class="is-fault">`);
  });

  it("count down to the least length of a password", () => {
    const field = (value: string) => renderToStaticMarkup(createElement(PasswordField, { label: "Password", value, onChange: () => undefined, known: [], isTried: false }));
    expect([field(""), field("12345678"), field("123456789"), field("correct horse battery")].map((html) => /<small[^>]*>([^<]*)</.exec(html)?.[1])).toEqual(["At least 10 characters", "2 more characters", "1 more character", "Strong"]);
    expect(field("x")).toContain('autoComplete="new-password"');
  });
});

describe("a QR code", () => {
  it("has every dark module, and four modules of white around it", () => {
    const text = "https://chat.example/join#Ab_-Ab_-Ab_-";
    const { side, path } = drawQr(text);
    const { data, size } = encode(text, { ecc: "M", border: 0 });
    expect(side).toBe(size + 8);
    const dark = new Set<string>();
    for (const [, x, y, run] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) for (let at = 0; at < Number(run); at++) dark.add(`${Number(x) + at - 4},${Number(y) - 4}`);
    const wanted = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`${x},${y}`] : [])));
    expect([...dark].sort()).toEqual(wanted.sort());
  });
});

describe("words", () => {
  it("are there in both languages, with the same places", () => {
    for (const [en, zh] of Object.values(firstWords)) {
      expect([en, zh].every((text) => text.trim() !== "")).toBe(true);
      expect([...zh.matchAll(/\{\w+\}/g)].map(String).sort()).toEqual([...en.matchAll(/\{\w+\}/g)].map(String).sort());
    }
    expect(sayFrom(firstWords, "zh", "joinTitle", { organisation: "北风" })).toBe("加入 北风");
  });
});
