import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { inline, markdown } from "../src/views/markdown.js";
import { RichText } from "../src/views/rich-text.js";

const text = (value: string) => ({ type: "text", text: value });

describe("markdown", () => {
  it("has bold, italic, struck, code and links, one in another", () => {
    expect(inline("a **b *c*** `**d**` ~~e~~ _f_ [g](https://x.y/z)")).toEqual([
      text("a "),
      { type: "bold", parts: [text("b "), { type: "italic", parts: [text("c")] }] },
      text(" "),
      { type: "code", text: "**d**" },
      text(" "),
      { type: "strike", parts: [text("e")] },
      text(" "),
      { type: "italic", parts: [text("f")] },
      text(" "),
      { type: "link", href: "https://x.y/z", parts: [text("g")] },
    ]);
  });

  it("leaves what is no mark as it is", () => {
    for (const plain of ["2 * 3 * 4", "snake_case_name", "a ** b", "[x](javascript:alert(1))", "[x](data:text/html,1)", "<b>x</b>", "** **", "~~", "`"]) {
      expect(inline(plain)).toEqual([text(plain)]);
    }
  });

  it("has headings, lists, quotes, code and rules", () => {
    const blocks = markdown("# Build 7 #\nfailed\nagain\n\n- one\n- **two**\n1. first\n> said\n> twice\n---\n```rust\nfn x() {}\n\n# no\n```\nend");
    expect(blocks.map((block) => block.type)).toEqual(["heading", "paragraph", "list", "list", "quote", "rule", "code", "paragraph"]);
    expect(blocks[0]).toEqual({ type: "heading", level: 1, parts: [text("Build 7")] });
    expect(blocks[1]).toEqual({ type: "paragraph", parts: [text("failed\nagain")] });
    expect(blocks[2]).toMatchObject({ isOrdered: false, items: [[text("one")], [{ type: "bold" }]] });
    expect(blocks[4]).toEqual({ type: "quote", parts: [text("said\ntwice")] });
    expect(blocks[6]).toEqual({ type: "code", text: "fn x() {}\n\n# no" });
  });

  it("ends code that is never closed with the text", () => expect(markdown("```\na\nb")).toEqual([{ type: "code", text: "a\nb" }]));

  it("loses nothing of hostile texts and ends on each", () => {
    const flat = (value: unknown): string => JSON.stringify(value);
    for (const evil of ["*".repeat(10_000), "**a".repeat(5_000), "[".repeat(10_000), "`".repeat(9_999), "> ".repeat(5_000), "_a".repeat(5_000), "~~".repeat(5_000)]) {
      expect(flat(markdown(evil)).length).toBeGreaterThan(0);
    }
    expect(flat(markdown("**".repeat(50) + "x" + "**".repeat(50)))).toContain("x");
  });
});

describe("what people write", () => {
  const drawn = (text: string, spans: { user: bigint; start: number; len: number }[] = []) => renderToStaticMarkup(createElement(RichText, { text, spans, me: 1n }));

  it("has marks around words, code, links and mentions", () => {
    expect(drawn("a **b c** _d_ ~~e~~ `**f**`")).toBe("a <strong>b c</strong> <em>d</em> <s>e</s> <code>**f**</code>");
    expect(drawn("**see https://x.y/a_b_c**")).toContain('<strong>see <a href="https://x.y/a_b_c"');
    expect(drawn("**hi** @ada", [{ user: 1n, start: 7, len: 4 }])).toBe('<strong>hi</strong> <bdi class="mention is-me">@ada</bdi>');
  });

  it("leaves what is no mark as it is", () => {
    for (const plain of ["2*3*4", "2 ** 3 ** 4", "snake_case_name", "__init__", "/_a_/_b_", "** **", "~~~~", "**open", "a_ b _c", "*one*"]) expect(drawn(plain)).toBe(plain);
    expect(drawn("https://x.y/_a_/b_c_d")).toMatch(/^<a href="https:\/\/x\.y\/_a_\/b_c_d"[^>]*>https:\/\/x\.y\/_a_\/b_c_d<\/a>$/);
    expect(drawn("**<b>x</b>**")).toBe("<strong>&lt;b&gt;x&lt;/b&gt;</strong>");
  });

  it("reads a long line of nothing but marks", () => {
    const line = "**a ".repeat(16_000);
    expect(drawn(line)).toBe(line);
  });
});
