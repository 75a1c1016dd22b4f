//! Text of a message: links, mentions, line breaks. Never HTML of the sender.

import type { MentionSpan } from "@tenon/wire";
import type { ReactNode } from "react";

const LINK = /\bhttps?:\/\/[^\s<>"'，。！？、）】]+[^\s<>"'，。！？、）】.,!?;:)\]]/g;

function withLinks(text: string, key: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    out.push(text.slice(at, found.index));
    out.push(
      <a key={`${key}/${found.index}`} href={found[0]} target="_blank" rel="noopener noreferrer">
        {found[0]}
      </a>,
    );
    at = found.index + found[0].length;
  }
  out.push(text.slice(at));
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
    out.push(...withLinks(text.slice(at, span.start), `t${at}`));
    const isMe = span.user === me || span.user === 0n;
    out.push(
      <span key={`m${span.start}`} className={isMe ? "mention is-me" : "mention"}>
        {text.slice(span.start, span.start + span.len)}
      </span>,
    );
    at = span.start + span.len;
  }
  out.push(...withLinks(text.slice(at), `t${at}`));
  return <>{out}</>;
}
