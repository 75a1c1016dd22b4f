//! One conversation: header, messages, composer, and the panel beside them.

import type { Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { useEffect, useState } from "react";
import { Composer } from "./composer.js";
import { go, useClient, useTitle, useValue, useWords } from "./hooks.js";
import { InfoPanel } from "./info-panel.js";
import { MessageList } from "./message-list.js";
import { ThreadPanel } from "./thread-panel.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";

type Panel = { readonly type: "info" } | { readonly type: "thread"; readonly root: bigint };

/** The timeline of a conversation while the component is on the screen. */
function useTimeline(conv: bigint): Timeline | undefined {
  const client = useClient();
  const [timeline, setTimeline] = useState<Timeline>();
  useEffect(() => {
    setTimeline(client.openTimeline(conv));
    return () => client.closeTimeline(conv);
  }, [client, conv]);
  return timeline;
}

export function Chat({ conv }: { readonly conv: bigint }) {
  const client = useClient();
  const words = useWords();
  const line = useValue(client.conversation(conv));
  const isComplete = useValue(client.isListComplete);
  const title = useTitle(line);
  const timeline = useTimeline(conv);
  const [replyTo, setReplyTo] = useState<MessageRow>();
  const [panel, setPanel] = useState<Panel>();
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  const count = line?.meta?.memberCount ?? 0;
  const subtitle = isDirect ? words("direct") : count === 1 ? words("memberCountOne") : words("memberCount", { n: count });
  const togglePanel = () => setPanel(panel?.type === "info" ? undefined : { type: "info" });
  return (
    <div className={panel ? "chat has-panel" : "chat"}>
      <section className="chat-main" aria-label={title}>
        <header className="chat-head">
          <button type="button" className="icon-button only-narrow" aria-label={words("back")} onClick={() => go(undefined)}>
            <Icon name="back" />
          </button>
          <button type="button" className="chat-title" onClick={togglePanel} aria-expanded={panel?.type === "info"} aria-label={`${title}, ${words("details")}`}>
            <Avatar id={isDirect ? (line?.meta?.peer ?? conv) : conv} name={title} size={40} />
            <span>
              <strong>{title}</strong>
              <small>{line?.meta ? subtitle : ""}</small>
            </span>
          </button>
          <button type="button" className="icon-button" aria-label={words("details")} title={words("details")} aria-pressed={panel?.type === "info"} onClick={togglePanel}>
            <Icon name="info" />
          </button>
        </header>
        {timeline && <MessageList key={`${conv}`} timeline={timeline} line={line} onReply={setReplyTo} onThread={(root) => setPanel({ type: "thread", root })} />}
        {line === undefined && isComplete ? (
          <p className="chat-closed">{words("refusedNotMember")}</p>
        ) : (
          <Composer conv={conv} line={line} title={title} replyTo={replyTo} onReplyDone={() => setReplyTo(undefined)} />
        )}
      </section>
      {panel?.type === "info" && line && <InfoPanel line={line} title={title} onClose={() => setPanel(undefined)} />}
      {panel?.type === "thread" && timeline && <ThreadPanel key={`${panel.root}`} timeline={timeline} line={line} root={panel.root} onClose={() => setPanel(undefined)} />}
    </div>
  );
}
