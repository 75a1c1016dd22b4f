//! Markdown as apps and webhooks write it, as a tree of few kinds.
//!
//! Takes and gives: a text in, blocks out. Invariants: every sign of the text that is no markup is in the tree, in order; a
//! link leads to http, https or mailto; nothing is HTML. Not here: how it looks (markdown-text).

/** A piece of a line. */
export type Inline =
  | { readonly type: "text" | "code"; readonly text: string }
  | { readonly type: "bold" | "italic" | "strike"; readonly parts: readonly Inline[] }
  | { readonly type: "link"; readonly href: string; readonly parts: readonly Inline[] };

/** A piece of a message. */
export type Block =
  | { readonly type: "paragraph" | "quote"; readonly parts: readonly Inline[] }
  | { readonly type: "heading"; readonly level: number; readonly parts: readonly Inline[] }
  | { readonly type: "list"; readonly isOrdered: boolean; readonly items: readonly (readonly Inline[])[] }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "rule" };

/** Marks inside marks are read this deep; deeper ones stay text. */
const DEPTH_MAX = 4;

const MARKS = /(`+)(?!`)([\s\S]*?[^`])\1(?!`)|\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)|~~(?=\S)([\s\S]*?\S)~~|\*(?=[^\s*])([^*\n]*[^\s*])\*|(?<![\p{L}\p{N}])_(?=\S)([^_\n]*[^\s_])_(?![\p{L}\p{N}])|\[([^[\]\n]{1,300})\]\(((?:https?:\/\/|mailto:)[^\s()<>]{1,1000})\)/gu;

/** The marks of a text. */
export function inline(text: string, depth = 0): Inline[] {
  if (depth >= DEPTH_MAX) return [{ type: "text", text }];
  const parts: Inline[] = [];
  let at = 0;
  for (const found of text.matchAll(MARKS)) {
    if (found.index > at) parts.push({ type: "text", text: text.slice(at, found.index) });
    const [whole, , code, bold, strike, star, under, label, href] = found;
    if (code !== undefined) parts.push({ type: "code", text: code });
    else if (bold !== undefined) parts.push({ type: "bold", parts: inline(bold, depth + 1) });
    else if (strike !== undefined) parts.push({ type: "strike", parts: inline(strike, depth + 1) });
    else if (href !== undefined) parts.push({ type: "link", href, parts: [{ type: "text", text: label ?? href }] });
    else parts.push({ type: "italic", parts: inline(star ?? under ?? "", depth + 1) });
    at = found.index + whole.length;
  }
  if (at < text.length) parts.push({ type: "text", text: text.slice(at) });
  return parts;
}

const HEADING = /^(#{1,6})\s+(.+?)\s*#*$/;
const BULLET = /^\s{0,3}[-*+]\s+(.*)$/;
const NUMBER = /^\s{0,3}\d{1,9}[.)]\s+(.*)$/;
const QUOTE = /^\s{0,3}>\s?(.*)$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const FENCE = /^\s{0,3}(```+|~~~+)/;

/** The blocks of a text. */
export function markdown(text: string): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  /** Takes lines from `at` as long as `form` fits; gives what it found in them. */
  const run = (at: number, form: RegExp): string[] => {
    const found: string[] = [];
    for (let i = at; i < lines.length; i++) {
      const match = form.exec(lines[i] ?? "");
      if (match === null || (form === BULLET && RULE.test(lines[i] ?? ""))) break;
      found.push(match[1] ?? "");
    }
    return found;
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    if (line.trim() === "") at += 1;
    else if (fence !== undefined) {
      const end = lines.findIndex((one, index) => index > at && one.trim().startsWith(fence));
      const to = end < 0 ? lines.length : end;
      blocks.push({ type: "code", text: lines.slice(at + 1, to).join("\n") });
      at = to + 1;
    } else if (RULE.test(line)) {
      blocks.push({ type: "rule" });
      at += 1;
    } else if (heading) {
      blocks.push({ type: "heading", level: heading[1]?.length ?? 1, parts: inline(heading[2] ?? "") });
      at += 1;
    } else {
      const form = [BULLET, NUMBER, QUOTE].find((one) => one.test(line));
      const found = form ? run(at, form) : paragraph(lines, at);
      at += found.length;
      if (form === BULLET || form === NUMBER) blocks.push({ type: "list", isOrdered: form === NUMBER, items: found.map((item) => inline(item)) });
      else blocks.push({ type: form === QUOTE ? "quote" : "paragraph", parts: inline(found.join("\n")) });
    }
  }
  return blocks;
}

const STARTS = [HEADING, BULLET, NUMBER, QUOTE, RULE, FENCE];

/** Lines from `at` up to an empty one or one that begins something else. */
function paragraph(lines: readonly string[], at: number): string[] {
  let to = at + 1;
  while (to < lines.length && lines[to]?.trim() !== "" && !STARTS.some((form) => form.test(lines[to] ?? ""))) to += 1;
  return lines.slice(at, to);
}
