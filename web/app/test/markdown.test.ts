import { describe, expect, it } from "vitest";
import { inline, markdown } from "../src/views/markdown.js";

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
