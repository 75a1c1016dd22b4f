//! Markdown on the screen. Bare addresses in it are links, as in every text.

import { Fragment, type ReactNode } from "react";
import { type Block, type Inline, markdown } from "./markdown.js";
import { withLinks } from "./rich-text.js";

const drawn = (parts: readonly Inline[]): ReactNode[] => parts.map((part, index) => <Fragment key={index}>{one(part)}</Fragment>);

function one(part: Inline): ReactNode {
  switch (part.type) {
    case "text":
      return withLinks(part.text, "l");
    case "code":
      return <code>{part.text}</code>;
    case "bold":
      return <strong>{drawn(part.parts)}</strong>;
    case "italic":
      return <em>{drawn(part.parts)}</em>;
    case "strike":
      return <s>{drawn(part.parts)}</s>;
    case "link":
      return (
        <a href={part.href} title={part.href} target="_blank" rel="noopener noreferrer">
          {drawn(part.parts)}
        </a>
      );
  }
}

function block(held: Block): ReactNode {
  switch (held.type) {
    case "paragraph":
      return <p>{drawn(held.parts)}</p>;
    case "quote":
      return <blockquote>{drawn(held.parts)}</blockquote>;
    case "heading":
      // The page has its own headings; this one is only strong.
      return <p className={held.level <= 2 ? "md-head is-large" : "md-head"}>{drawn(held.parts)}</p>;
    case "rule":
      return <hr />;
    case "code":
      return (
        <pre dir="ltr">
          <code>{held.text}</code>
        </pre>
      );
    case "list": {
      const items = held.items.map((item, index) => <li key={index}>{drawn(item)}</li>);
      return held.isOrdered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
  }
}

export function MarkdownText({ text }: { readonly text: string }) {
  return (
    <>
      {markdown(text).map((held, index) => (
        <Fragment key={index}>{block(held)}</Fragment>
      ))}
    </>
  );
}
