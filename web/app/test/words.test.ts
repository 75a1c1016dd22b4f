import { describe, expect, it } from "vitest";
import { keyHelp, type Pressed, shortcutOf } from "../src/keys.js";
import { MemberIndex } from "../src/members/member-index.js";
import { isWorthTelling } from "../src/notifier.js";
import { fold, search } from "../src/search.js";
import { cut, folded, isJumbo } from "../src/views/text-parts.js";
import { say, type Word, words } from "../src/words.js";

describe("every text", () => {
  const all = Object.entries(words) as [Word, readonly [string, string]][];
  const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

  it("is there in both languages and has the same places", () => {
    for (const [name, [en, zh]] of all) {
      expect([name, en.trim() !== "", zh.trim() !== ""]).toEqual([name, true, true]);
      expect([name, places(zh)]).toEqual([name, places(en)]);
    }
  });

  it("in Chinese is Chinese, but for the name of the product", () => {
    expect(all.filter(([, [, zh]]) => !/[\u3400-\u9fff]/.test(zh)).map(([name]) => name)).toEqual(["appName"]);
    expect(all.filter(([, [en]]) => /[\u3400-\u9fff]/.test(en)).map(([name]) => name)).toEqual([]);
  });

  it("of the help names a key once", () => {
    const keys = keyHelp.flatMap((group) => group.keys.map(([, word]) => word));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((word) => say("zh", word) !== "")).toBe(true);
  });
});

describe("keys", () => {
  const pressed = (key: string, more: Partial<Pressed> = {}): Pressed => ({ key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

  it("that are letters stay letters in a field", () => {
    expect([shortcutOf(pressed("/"), true), shortcutOf(pressed("?"), true)]).toEqual([undefined, undefined]);
    expect([shortcutOf(pressed("/"), false), shortcutOf(pressed("?"), false)]).toEqual(["search", "help"]);
  });

  it("with others work everywhere", () => {
    expect(shortcutOf(pressed("k", { metaKey: true }), true)).toBe("search");
    expect(shortcutOf(pressed("ArrowDown", { altKey: true }), true)).toBe("next");
    expect(shortcutOf(pressed("ArrowUp", { altKey: true, shiftKey: true }), true)).toBe("previousUnread");
    expect(shortcutOf(pressed("ñ", { ctrlKey: true, altKey: true, code: "KeyN" }), true)).toBe("newChat");
    expect(shortcutOf(pressed("c", { ctrlKey: true }), false)).toBeUndefined();
  });
});

describe("search", () => {
  const of = (names: string[]) => names.map((name) => ({ item: name, keys: [fold(name)] }));

  it("puts the whole name first, then its start, the start of a word, the rest", () => {
    expect(search(of(["Joann", "Hannah Lee", "Ann-Marie", "Mary Ann", "Ann"]), "ann", 9)).toEqual(["Ann", "Ann-Marie", "Mary Ann", "Joann", "Hannah Lee"]);
  });

  it("knows no case, no accents, and Chinese in the middle of a name", () => {
    expect(search(of(["José Ñandú", "STRASSE", "王小明"]), "nandu", 9)).toEqual(["José Ñandú"]);
    expect(search(of(["José Ñandú", "STRASSE", "王小明"]), "小明", 9)).toEqual(["王小明"]);
    expect(search(of(["a", "b", "c"]), " ", 2)).toEqual(["a", "b"]);
  });

  it("of 15,480 members finds each by login, recent speakers first, late names later", () => {
    const names = new Map<bigint, string>();
    const users = Array.from({ length: 15_480 }, (_, i) => BigInt(i + 1));
    for (const user of users) if (user > 10n) names.set(user, `member${user}`);
    const index = new MemberIndex(users, (user) => ({ user, name: names.get(user) ?? "", login: names.get(user) ?? "" }));
    expect(index.search("member15480", 8)).toEqual([15_480n]);
    expect(index.search("member1", 3, [1_500n, 12n])).toEqual([1_500n, 12n, 11n]);
    expect([index.search("member7", 1), index.isComplete]).toEqual([[70n], false]);
    for (const user of users) names.set(user, `member${user}`);
    expect([index.search("member7", 1), index.isComplete]).toEqual([[7n], true]);
  });
});

describe("hostile texts", () => {
  it("are cut between signs, never inside one", () => {
    const family = "👨‍👩‍👧‍👦";
    const text = family.repeat(6_000);
    const short = cut(text, 1_000);
    expect(short.length).toBeLessThanOrEqual(1_000);
    expect(short.length % family.length).toBe(0);
    expect(cut("abc", 10)).toBe("abc");
    expect(cut("e\u0301".repeat(400), 101)).toBe("e\u0301".repeat(50));
  });

  it("are folded when they are long or have many lines, and shown whole when little is left", () => {
    expect(folded("x".repeat(1_400)).length).toBe(1_400);
    expect(folded("x".repeat(2_000)).length).toBe(1_200);
    expect(folded("line\n".repeat(60)).split("\n").length).toBe(16);
    expect(folded("🦀".repeat(16_000)).length).toBeLessThanOrEqual(1_200);
  });

  it("are large only if they are one to three pictures", () => {
    expect(["👍", "🇨🇳 👍", "👨‍👩‍👧‍👦👍🏽🎉", "👍👍👍👍", "ok 👍", "12", ""].map(isJumbo)).toEqual([true, false, true, false, false, false, false]);
  });
});

describe("a notice of the system", () => {
  it("comes as the user wants to hear of the conversation", () => {
    expect([isWorthTelling(0, 0), isWorthTelling(1, 0), isWorthTelling(1, 4), isWorthTelling(2, 4)]).toEqual([true, false, true, false]);
  });
});
