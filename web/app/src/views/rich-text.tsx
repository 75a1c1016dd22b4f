//! Text of a message: links, mentions, code, marks around words, line breaks. Never HTML of the sender.

import type { MentionSpan } from "@tenon/wire";
import type { ReactNode } from "react";

const LINK = /\bhttps?:\/\/[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069，。！？、）】]*[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069，。！？、）】.,!?;:)\]]/g;
/** Code between fences of three, or in one line between single ticks. */
const CODE = /\n?```(?:[\w+-]*\n)?([\s\S]+?)```\n?|`([^`\n]+)`/g;

/** A text with its addresses as links. */
export function withLinks(text: string, key: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    out.push(text.slice(at, found.index));
    out.push(
      <a key={`${key}/${found.index}`} href={found[0]} target="_blank" rel="noopener noreferrer" dir="ltr">
        {found[0]}
      </a>,
    );
    at = found.index + found[0].length;
  }
  out.push(text.slice(at));
  return out;
}

/** What people write around words in any messenger, within a line: **strong**, _stressed_, ~~struck~~. Single stars are arithmetic too often. Bounded, so that a line of nothing but marks costs little. */
const MARKS = /\*\*(?=[^\s*])([^\n]{0,600}?[^\s*])\*\*(?!\*)|~~(?=[^\s~])([^\n]{0,600}?[^\s~])~~(?!~)|(?<![\p{L}\p{N}_/:.@-])_(?=[^\s_])([^_\n]{0,600}[^\s_])_(?![\p{L}\p{N}_/@])/gu;

/** The text without the marks around its words. */
export const withoutMarks = (text: string): string => text.replace(MARKS, (_, strong?: string, struck?: string, stressed?: string) => strong ?? struck ?? stressed ?? "");

function withMarks(text: string, key: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const found of text.matchAll(MARKS)) {
    const [whole, strong, struck, stressed] = found;
    const Mark = strong !== undefined ? "strong" : struck !== undefined ? "s" : "em";
    out.push(...withLinks(text.slice(at, found.index), `${key}/${at}`));
    out.push(<Mark key={`${key}/m${found.index}`}>{withLinks(strong ?? struck ?? stressed ?? "", "l")}</Mark>);
    at = found.index + whole.length;
  }
  out.push(...withLinks(text.slice(at), `${key}/${at}`));
  return out;
}

function withCode(text: string, key: string): ReactNode[] {
  if (!text.includes("`")) return withMarks(text, key);
  const out: ReactNode[] = [];
  let at = 0;
  for (const found of text.matchAll(CODE)) {
    out.push(...withMarks(text.slice(at, found.index), `${key}/${at}`));
    const block = found[1];
    const code = (block ?? found[2] ?? "").replace(/\n$/, "");
    out.push(
      block === undefined ? (
        <code key={`${key}/c${found.index}`}>{code}</code>
      ) : (
        <pre key={`${key}/c${found.index}`} dir="ltr">
          <code>{code}</code>
        </pre>
      ),
    );
    at = found.index + found[0].length;
  }
  out.push(...withMarks(text.slice(at), `${key}/${at}`));
  return out;
}

/** Spans that lie in the text and do not overlap, in order. */
function sound(text: string, spans: readonly MentionSpan[]): MentionSpan[] {
  let end = 0;
  return [...spans]
    .sort((a, b) => a.start - b.start)
    .filter((span) => {
      const fits = span.len > 0 && span.start >= end && span.start + span.len <= text.length;
      if (fits) end = span.start + span.len;
      return fits;
    });
}

export function RichText({ text, spans, me }: { readonly text: string; readonly spans: readonly MentionSpan[]; readonly me: bigint }) {
  const out: ReactNode[] = [];
  let at = 0;
  for (const span of sound(text, spans)) {
    out.push(...withCode(text.slice(at, span.start), `t${at}`));
    const isMe = span.user === me || span.user === 0n;
    out.push(
      <bdi key={`m${span.start}`} className={isMe ? "mention is-me" : "mention"}>
        {text.slice(span.start, span.start + span.len)}
      </bdi>,
    );
    at = span.start + span.len;
  }
  out.push(...withCode(text.slice(at), `t${at}`));
  return <>{out}</>;
}
