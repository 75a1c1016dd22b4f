//! Bodies of messages: text in, text out.

import { Content, flag, type MentionSpan, type MessageRow, messageKind, Send, Text } from "@tenon/wire";
import { tryDecode } from "./numbers.js";

/** What a row shows. */
export type Shown =
  | { readonly type: "text"; readonly text: string; readonly spans: readonly MentionSpan[] }
  /** Content that this client does not draw; `text` is its one-line form, if it has one. */
  | { readonly type: "other"; readonly kind: number; readonly text: string }
  | { readonly type: "recalled" | "expired" | "unreadable" };

/** The content of a row, decoded. */
export function shownOf(row: Pick<MessageRow, "flags" | "kind" | "body">): Shown {
  if (row.flags & flag.RECALLED) return { type: "recalled" };
  if (row.flags & flag.EXPIRED) return { type: "expired" };
  const content = tryDecode(Content, row.body);
  if (content === undefined) return { type: "unreadable" };
  const { what, spans, fallback } = content;
  // A kind of a later version may say in plain text what it is.
  if (what === undefined) return fallback === "" ? { type: "unreadable" } : { type: "other", kind: row.kind, text: fallback };
  if (what.case === "text") return { type: "text", text: what.value.text, spans };
  if (what.case === "markdown") return { type: "text", text: [what.value.title, what.value.text].filter(Boolean).join("\n"), spans };
  if (what.case === "rich") {
    const text = what.value.blocks.map((block) => block.runs.map((run) => run.text || run.emoji).join("")).join("\n");
    return { type: "text", text, spans };
  }
  if (what.case === "notice" || what.case === "custom") return { type: "other", kind: row.kind, text: what.value.text || fallback };
  if (what.case === "file" || what.case === "image" || what.case === "voice" || what.case === "video") {
    return { type: "other", kind: row.kind, text: what.value.file?.name || fallback };
  }
  return { type: "other", kind: row.kind, text: fallback };
}

/** Somebody named in a text, in UTF-16 units. */
export interface Mention {
  readonly user: bigint;
  readonly start: number;
  readonly len: number;
}

/** A text message for `conv`; `user` 0 in a mention names everybody. */
export function textMessage(conv: bigint, text: string, mentions: readonly Mention[] = [], replySeq = 0n): Send {
  const spans = mentions.map((mention) => ({ ...mention }));
  const users = [...new Set(mentions.map((m) => m.user))].filter((user) => user !== 0n);
  return Send.of({
    conv,
    kind: messageKind.TEXT,
    body: Content.encode(Content.of({ what: { case: "text", value: Text.of({ text }) }, spans })),
    replySeq,
    mentions: users,
    flags: mentions.some((m) => m.user === 0n) ? flag.MENTION_ALL : 0,
  });
}
