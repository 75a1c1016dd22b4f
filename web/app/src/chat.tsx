//! One conversation: header, messages, composer, and the panel beside them.

import type { Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ConnectionBar } from "./connection-bar.js";
import { Composer, type ComposerProps } from "./composer.js";
import { go, useCalm, useClient, useLanguage, useNarrow, useTitle, useValue, useWords } from "./hooks.js";
import { InfoPanel } from "./info-panel.js";
import { useEscape } from "./keys.js";
import { MessageList, type WantedMessage } from "./message-list.js";
import { ThreadPanel } from "./thread-panel.js";
import { number } from "./time.js";
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

/** On a narrow screen a panel covers the chat: the way back of the browser closes it and leaves the chat open. */
function useBack(close: () => void, isOn: boolean): void {
  const isHere = useRef(false);
  useEffect(() => {
    if (!isOn) return;
    isHere.current = true;
    if (!isPanelStep()) history.pushState({ isPanel: true }, "");
    addEventListener("popstate", close);
    return () => {
      removeEventListener("popstate", close);
      isHere.current = false;
      // Closed by its button: its step of the history goes with it, unless the panel is here again at once.
      queueMicrotask(() => !isHere.current && isPanelStep() && history.back());
    };
  }, [close, isOn]);
}

const isPanelStep = (): boolean => (history.state as { readonly isPanel?: boolean } | null)?.isPanel === true;

/** How many of the newest messages say who speaks, and how often that is looked at. */
const SPEAKING_ROWS = 200;
const SPEAKING_MS = 2_000;

/** Who spoke last, latest first. */
function useSpeakers(timeline: Timeline): readonly bigint[] {
  const { rows } = useCalm(timeline.view, SPEAKING_MS);
  return useMemo(() => [...new Set(rows.slice(-SPEAKING_ROWS).map((row) => row.sender).reverse())], [rows]);
}

export function Chat({ conv }: { readonly conv: bigint }) {
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const isNarrow = useNarrow();
  const line = useValue(client.conversation(conv));
  const isComplete = useValue(client.isListComplete);
  const title = useTitle(line);
  const timeline = useTimeline(conv);
  const [replyTo, setReplyTo] = useState<MessageRow>();
  const [panel, setPanel] = useState<Panel>();
  const [wanted, setWanted] = useState<WantedMessage>();
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  const count = line?.meta?.memberCount ?? 0;
  const subtitle = isDirect ? words("direct") : count === 1 ? words("memberCountOne") : words("memberCount", { n: number(count, language) });
  const main = useRef<HTMLElement>(null);
  const openThread = useCallback((root: bigint) => setPanel({ type: "thread", root }), []);
  const dropReply = useCallback(() => setReplyTo(undefined), []);
  const closePanel = useCallback(() => setPanel(undefined), []);
  const show = (seq: bigint) => {
    if (isNarrow) closePanel();
    setWanted({ seq });
  };
  const toMessages = useCallback(() => {
    const last = [...(main.current?.querySelectorAll<HTMLElement>(".msg") ?? [])].at(-1);
    (last ?? main.current?.querySelector<HTMLElement>(".messages-box"))?.focus();
  }, []);
  useEscape(closePanel, panel !== undefined);
  useBack(closePanel, isNarrow && panel !== undefined);
  const togglePanel = () => setPanel(panel?.type === "info" ? undefined : { type: "info" });
  return (
    <div className={panel ? "chat has-panel" : "chat"}>
      <section ref={main} className="chat-main" aria-label={title}>
        <header className="chat-head">
          <button type="button" className="icon-button only-narrow" aria-label={words("back")} onClick={() => go(undefined)}>
            <Icon name="back" />
          </button>
          <button type="button" className="chat-title" onClick={togglePanel} aria-expanded={panel?.type === "info"} aria-label={[title, line?.meta ? subtitle : "", words("details")].filter(Boolean).join(", ")}>
            <Avatar id={isDirect ? (line?.meta?.peer ?? conv) : conv} name={title} size={40} />
            <span>
              <strong>
                <bdi>{title}</bdi>
              </strong>
              <small>{line?.meta ? subtitle : ""}</small>
            </span>
          </button>
          <button type="button" className="icon-button" aria-label={words("details")} title={words("details")} aria-pressed={panel?.type === "info"} onClick={togglePanel} data-details>
            <Icon name="info" />
          </button>
        </header>
        {isNarrow && (
          <div className="chat-bar">
            <ConnectionBar />
          </div>
        )}
        {timeline ? <MessageList key={`${conv}`} timeline={timeline} line={line} title={title} wanted={wanted} onReply={setReplyTo} onThread={openThread} /> : <div className="messages" />}
        {line === undefined && isComplete ? (
          <p className="chat-closed">{words("refusedNotMember")}</p>
        ) : (
          timeline && <Writing conv={conv} timeline={timeline} line={line} title={title} replyTo={replyTo} onReplyDone={dropReply} onUp={toMessages} />
        )}
      </section>
      {panel?.type === "info" && line && <InfoPanel line={line} title={title} onClose={closePanel} />}
      {panel?.type === "thread" && timeline && <ThreadPanel key={`${panel.root}`} timeline={timeline} line={line} root={panel.root} onShow={show} onClose={closePanel} />}
    </div>
  );
}

type WritingProps = Omit<ComposerProps, "speakers" | "thread"> & { readonly timeline: Timeline };

function Writing({ timeline, ...props }: WritingProps) {
  return <Composer {...props} speakers={useSpeakers(timeline)} onSent={() => void timeline.toTip()} />;
}
