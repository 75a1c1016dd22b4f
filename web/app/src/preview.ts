//! One line of a message, for the list and for quotes.

import { shownOf } from "@tenon/client";
import { type MessageRow, messageKind } from "@tenon/wire";
import type { Places, Word } from "./words.js";

/** The text of a row in one line. */
export function oneLine(row: Pick<MessageRow, "flags" | "kind" | "body">, words: (word: Word, places?: Places) => string): string {
  const shown = shownOf(row);
  if (shown.type === "text") return shown.text.replace(/\s+/g, " ").trim();
  if (shown.type !== "other") return words(shown.type);
  if (shown.text !== "") return shown.text;
  if (shown.kind === messageKind.IMAGE) return words("image");
  if (shown.kind === messageKind.VOICE) return words("voice");
  return words(shown.kind === messageKind.VIDEO ? "video" : "attachment");
}
