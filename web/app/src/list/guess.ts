//! How high an entry of a chat will be, before it is drawn.

import type { Entry } from "../entries.js";

/** What a message list is made of. */
export type ListEntry = Entry | { readonly type: "head"; readonly key: "head" };

/** Bytes of a line of text in a bubble, about. */
const LINE_BYTES = 70;
/** Longer texts are folded. */
const LINES_MAX = 16;

const bubble = (bytes: number, isFirst: boolean): number => (isFirst ? 50 : 24) + 21 * Math.min(LINES_MAX, Math.max(1, Math.ceil(bytes / LINE_BYTES)));

/** A guess in pixels; the drawn height replaces it. */
export function guessOf(entry: ListEntry): number {
  if (entry.type === "head") return 48;
  if (entry.type === "day") return 46;
  if (entry.type === "new") return 38;
  if (entry.type === "outgoing") return bubble(entry.outgoing.send.body.length, entry.isFirst);
  return bubble(entry.row.body.length, entry.isFirst) + (entry.row.replySeq > 0n ? 52 : 0);
}
