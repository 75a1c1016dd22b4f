//! One line of the list: title, newest message, time, unread.

import type { ListLine } from "@tenon/client";
import { memo } from "react";
import { draftKey, draftOf } from "./drafts.js";
import { useClient, useLanguage, usePerson, useTitle, useValue, useWords } from "./hooks.js";
import { oneLine } from "./preview.js";
import { short } from "./time.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";

export interface ConversationRowProps {
  readonly line: ListLine;
  readonly isOpen: boolean;
  readonly now: number;
  /** The one row of the list that Tab comes to. */
  readonly isStop: boolean;
  readonly onOpen: (conv: bigint) => void;
}

export const ConversationRow = memo(function ConversationRow({ line, isOpen, isStop, now, onOpen }: ConversationRowProps) {
  const words = useWords();
  const language = useLanguage();
  const client = useClient();
  const title = useTitle(line);
  const last = useValue(client.preview(line.conv));
  const sender = usePerson(last?.sender ?? 0n);
  const held = useValue(draftOf(draftKey(client.me, line.conv))).text;
  const draft = isOpen ? "" : held.slice(0, 200).replace(/\s+/g, " ");
  const isDirect = line.meta !== undefined && line.meta.peer !== 0n;
  const text = last ? oneLine(last, words) : "";
  const prefix = last === undefined || isDirect ? "" : last.sender === client.me ? `${words("you")}: ` : sender.name ? `${sender.name}: ` : "";
  const unread = Number(line.unread);
  const isMentioned = unread > 0 && line.mentionSeq > line.readSeq;
  const isMuted = line.summary?.notify === 2;
  const time = line.sortTs > 0n ? short(Number(line.sortTs), now, language, { yesterday: words("yesterday") }) : "";
  // What is seen comes first and in its order, so that speech control finds it.
  const spoken = [title, time, prefix + text, unread > 0 ? words("unreadCount", { n: unread }) : "", isMentioned ? words("mentioned") : ""].filter(Boolean).join(", ");
  const isReadByPeer = isDirect && last !== undefined && last.sender === client.me && line.peerReadSeq >= last.seq;
  return (
    <button type="button" data-testid="conversation" className={`row${isOpen ? " is-open" : ""}`} aria-current={isOpen ? "page" : undefined} aria-label={spoken} data-conv={line.conv} tabIndex={isStop ? 0 : -1} onClick={() => onOpen(line.conv)}>
      <Avatar id={isDirect ? (line.meta?.peer ?? line.conv) : line.conv} name={title} size={50} />
      <span className="row-body">
        <span className="row-line">
          <bdi className="row-title">{title}</bdi>
          {isMuted && <Icon name="mute" size={14} />}
          <span className="row-time">
            {last?.sender === client.me && isDirect && (
              <span className={isReadByPeer ? "tick is-read" : "tick"}>
                <Icon name={isReadByPeer ? "ticks" : "check"} size={15} />
              </span>
            )}
            {time}
          </span>
        </span>
        <span className="row-line">
          <span className="row-text">
            {draft !== "" ? (
              <>
                <span className="row-draft">{words("draft")} </span>
                <bdi>{draft}</bdi>
              </>
            ) : (
              <>
                {prefix !== "" && <bdi className="row-sender">{prefix}</bdi>}
                <bdi>{text}</bdi>
              </>
            )}
          </span>
          {isMentioned && <span className="badge is-mention">@</span>}
          {unread > 0 ? (
            <span data-testid="unread" className={isMuted ? "badge is-quiet" : "badge"}>{unread > 99 ? "99+" : unread}</span>
          ) : line.summary?.markedUnread ? (
            <span className="badge is-dot" />
          ) : (
            line.summary?.pinned && <Icon name="pin" size={15} />
          )}
        </span>
      </span>
    </button>
  );
});
