//! One message: who, what, when, how far it got, and what can be done with it.

import { type Outgoing, shownOf } from "@tenon/client";
import { flag, type MessageRow, messageKind } from "@tenon/wire";
import { type FocusEvent, type KeyboardEvent, memo, type PointerEvent, useState } from "react";
import { useClient, useLanguage, usePerson, useValue, useWords } from "./hooks.js";
import { useQuoted } from "./list/use-quoted.js";
import { showPerson } from "./person-card.js";
import { oneLine } from "./preview.js";
import { wordOfCode } from "./refusal.js";
import { clock, full } from "./time.js";
import { Avatar, hueOf } from "./views/avatar.js";
import { Icon } from "./views/icon.js";
import { MessageText } from "./message-text.js";
import { PersonName } from "./views/person-name.js";

/** What a bubble may ask of its chat. */
export interface BubbleActions {
  readonly onReply?: ((row: MessageRow) => void) | undefined;
  readonly onThread?: ((row: MessageRow) => void) | undefined;
  readonly onJump?: ((seq: bigint) => void) | undefined;
}

export interface BubbleProps extends BubbleActions {
  readonly conv: bigint;
  readonly row: MessageRow;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly isDirect: boolean;
  readonly isReadByPeer: boolean;
  readonly quoted: MessageRow | undefined;
  /** Replies at hand. */
  readonly replies: number;
  /** Later messages are not at hand: there may be more replies. */
  readonly hasMoreReplies?: boolean;
  readonly isLit: boolean;
  /** The message right above, of the same group, quotes the same. */
  readonly isQuoteAbove?: boolean;
  /** Answers to this message need no quote: they stand below it. */
  readonly thread?: bigint;
}

export const Bubble = memo(function Bubble(props: BubbleProps) {
  const { row, isFirst, isLast, isDirect, replies } = props;
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const sender = usePerson(row.sender);
  const isOwn = row.sender === client.me;
  const shown = shownOf(row);
  const isMention = (row.flags & (flag.MENTION_ME | flag.MENTION_ALL)) !== 0 && !isOwn;
  const name = isOwn ? words("you") : sender.name;
  const classes = ["msg", isOwn ? "is-own" : "", isFirst ? "is-first" : "", isLast ? "is-last" : "", isMention ? "is-mention" : "", props.isLit ? "is-lit" : ""];
  // What can be done is drawn for the one message in hand: a screen full of buttons would cost more than its texts.
  const [isActive, setActive] = useState(false);
  const onBlur = (event: FocusEvent<HTMLElement>) => {
    if (!event.currentTarget.contains(event.relatedTarget) && !event.currentTarget.matches(":hover")) setActive(false);
  };
  const onLeave = (event: PointerEvent<HTMLElement>) => {
    if (!event.currentTarget.contains(document.activeElement)) setActive(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
    if (event.key === "r") props.onReply?.(row);
    else if (event.key === "t") props.onThread?.(row);
    else if (event.key === "c" && shown.type === "text") void navigator.clipboard?.writeText(shown.text);
    else return;
    event.preventDefault();
  };
  return (
    <article data-testid="message" className={classes.filter(Boolean).join(" ")} data-seq={row.seq} tabIndex={-1} aria-label={`${name}, ${clock(Number(row.ts), language)}`} onKeyDown={onKeyDown} onFocus={() => setActive(true)} onBlur={onBlur} onPointerEnter={() => setActive(true)} onPointerLeave={onLeave}>
      {!isOwn && !isDirect && (
        <span className="msg-face">
          {isLast && (
            <button type="button" tabIndex={-1} aria-label={words("aboutPerson", { name: sender.name })} onClick={() => showPerson(row.sender)}>
              <Avatar id={row.sender} name={sender.name} size={34} />
            </button>
          )}
        </span>
      )}
      <div className="bubble">
        {isFirst && !isOwn && !isDirect && (
          <button type="button" className={`msg-name hue-${hueOf(row.sender)}`} tabIndex={-1} title={words("aboutPerson", { name: sender.name })} onClick={() => showPerson(row.sender)}>
            <PersonName person={sender} />
          </button>
        )}
        {row.replySeq > 0n && row.replySeq !== props.thread && !props.isQuoteAbove && <Quote conv={props.conv} seq={row.replySeq} row={props.quoted} onJump={props.onJump} />}
        <span className={shown.type === "text" ? "msg-text" : "msg-text is-dim"}>
          {shown.type === "text" ? <MessageText text={shown.text} spans={shown.spans} me={client.me} isMarkdown={row.kind === messageKind.MARKDOWN && shown.spans.length === 0} /> : <Other row={row} />}
          <span className="msg-meta" title={full(Number(row.ts), language)}>
            {(row.flags & flag.EDITED) !== 0 && <span>{words("edited")} </span>}
            <time dateTime={new Date(Number(row.ts)).toISOString()}>{clock(Number(row.ts), language)}</time>
            {isOwn && (
              <span className={props.isReadByPeer ? "tick is-read" : "tick"} role="img" aria-label={words(props.isReadByPeer ? "read" : "sent")}>
                <Icon name={props.isReadByPeer ? "ticks" : "check"} size={16} />
              </span>
            )}
          </span>
        </span>
        {replies > 0 && props.onThread && (
          <button type="button" className="msg-replies" onClick={() => props.onThread?.(row)}>
            <Icon name="thread" size={15} />
            {props.hasMoreReplies ? words("replies", { n: `${replies}+` }) : replies === 1 ? words("repliesOne") : words("replies", { n: replies })}
          </button>
        )}
        {isActive && <Actions row={row} text={shown.type === "text" ? shown.text : ""} onReply={props.onReply} onThread={props.onThread} />}
      </div>
    </article>
  );
});

function Other({ row }: { readonly row: MessageRow }) {
  const words = useWords();
  const shown = shownOf(row);
  return (
    <>
      <Icon name={shown.type === "other" ? "file" : shown.type === "recalled" || shown.type === "expired" ? "trash" : "info"} size={16} /> <bdi>{oneLine(row, words)}</bdi>
    </>
  );
}

function Quote({ conv, seq, row: held, onJump }: { readonly conv: bigint; readonly seq: bigint; readonly row: MessageRow | undefined; readonly onJump: BubbleActions["onJump"] }) {
  const words = useWords();
  const row = useQuoted(conv, seq, held);
  const sender = usePerson(row?.sender ?? 0n);
  return (
    <button type="button" className="quote" onClick={() => onJump?.(seq)} disabled={onJump === undefined}>
      <strong>{row ? <PersonName person={sender} /> : words("reply")}</strong>
      <bdi>{row ? oneLine(row, words) : "…"}</bdi>
    </button>
  );
}

function Actions({ row, text, onReply, onThread }: { readonly row: MessageRow; readonly text: string } & Pick<BubbleActions, "onReply" | "onThread">) {
  const words = useWords();
  const [isCopied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard?.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1_200);
    });
  };
  return (
    <span className="msg-actions">
      {onReply && (
        <button type="button" aria-label={words("reply")} title={words("reply")} onClick={() => onReply(row)}>
          <Icon name="reply" size={18} />
        </button>
      )}
      {onThread && (
        <button type="button" aria-label={words("openThread")} title={words("openThread")} onClick={() => onThread(row)}>
          <Icon name="thread" size={18} />
        </button>
      )}
      {text !== "" && (
        <button type="button" aria-label={words(isCopied ? "copied" : "copy")} title={words("copy")} onClick={copy}>
          <Icon name={isCopied ? "check" : "copy"} size={18} />
        </button>
      )}
    </span>
  );
}

/** A message on its way, or one that was refused. */
export const OutgoingBubble = memo(function OutgoingBubble({ outgoing, isFirst, isLast }: { readonly outgoing: Outgoing; readonly isFirst: boolean; readonly isLast: boolean }) {
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const isLive = useValue(client.connection).type === "live";
  const shown = shownOf(outgoing.send);
  const isFailed = outgoing.failedCode !== undefined;
  const isPlaced = outgoing.seq > 0n;
  const state = isFailed ? "failed" : isPlaced ? "sent" : isLive ? "sending" : "waitingToSend";
  return (
    <article data-testid="message" className={`msg is-own${isFirst ? " is-first" : ""}${isLast ? " is-last" : ""}${isFailed ? " is-failed" : ""}`} aria-label={`${words("you")}, ${words(state)}`}>
      <div className="bubble">
        <span className="msg-text">
          {shown.type === "text" ? <MessageText text={shown.text} spans={shown.spans} me={client.me} /> : words("attachment")}
          <span className="msg-meta">
            <time>{clock(outgoing.atMs, language)}</time>
            <span className="tick" role="img" aria-label={words(state)} title={words(state)}>
              <Icon name={isFailed ? "warn" : isPlaced ? "check" : "clock"} size={16} />
            </span>
          </span>
        </span>
      </div>
      {isFailed && (
        <span className="msg-fault" role="alert">
          {words("failed")}: {words(wordOfCode(outgoing.failedCode ?? 0))}
          <button type="button" onClick={() => void client.retry(outgoing.local)}>
            <Icon name="retry" size={15} />
            {words("retry")}
          </button>
          <button type="button" onClick={() => void client.discard(outgoing.local)}>
            <Icon name="trash" size={15} />
            {words("discard")}
          </button>
        </span>
      )}
    </article>
  );
});
