//! One line of a message, for the list and for quotes.

import { shownOf } from "@tenon/client";
import { type MessageRow, messageKind } from "@tenon/wire";
import { withoutMarks } from "./views/rich-text.js";
import { cut } from "./views/text-parts.js";
import type { Places, Word } from "./words.js";

/** Longer previews are cut before they are drawn: nobody sees more in one line. */
const UNITS_MAX = 280;

const tidy = (text: string): string => cut(text.slice(0, UNITS_MAX * 3).replace(/\s+/g, " ").trim(), UNITS_MAX);

/** The text of a row in one line. */
export function oneLine(row: Pick<MessageRow, "flags" | "kind" | "body">, words: (word: Word, places?: Places) => string): string {
  const shown = shownOf(row);
  if (shown.type === "text") return withoutMarks(tidy(shown.text));
  if (shown.type !== "other") return words(shown.type);
  if (shown.text.trim() !== "") return tidy(shown.text);
  if (shown.kind === messageKind.IMAGE) return words("image");
  if (shown.kind === messageKind.VOICE) return words("voice");
  if (shown.kind === messageKind.VIDEO) return words("video");
  return words(shown.kind === messageKind.FILE ? "attachment" : "unknownKind");
}
