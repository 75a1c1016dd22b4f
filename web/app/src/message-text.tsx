//! The text of a message: folded if it is long, large if it is only a picture.

import type { MentionSpan } from "@tenon/wire";
import { useState } from "react";
import { useWords } from "./hooks.js";
import { MarkdownText } from "./views/markdown-text.js";
import { RichText } from "./views/rich-text.js";
import { folded, isJumbo } from "./views/text-parts.js";

export interface MessageTextProps {
  readonly text: string;
  readonly spans: readonly MentionSpan[];
  readonly me: bigint;
  /** An app wrote it with marks. */
  readonly isMarkdown?: boolean;
}

export function MessageText({ text, spans, me, isMarkdown = false }: MessageTextProps) {
  const words = useWords();
  const [isWhole, setWhole] = useState(false);
  const short = folded(text);
  const isLong = short.length < text.length;
  const shown = isWhole ? text : short;
  return (
    <>
      {isMarkdown ? (
        <div className="text is-markdown" dir="auto">
          <MarkdownText text={shown} />
        </div>
      ) : (
        <span className={isJumbo(text) ? "text is-jumbo" : "text"} dir="auto">
          <RichText text={shown} spans={spans} me={me} />
          {isLong && !isWhole && "…"}
        </span>
      )}
      {isLong && (
        <button type="button" className="text-more" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {words(isWhole ? "showLess" : "showMore")}
        </button>
      )}
    </>
  );
}
