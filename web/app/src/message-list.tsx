//! The messages of a chat: stays at the newest, reads older ones on the way up, tells what was read.

import type { ListLine, Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Bubble, OutgoingBubble } from "./bubble.js";
import { entriesOf, replyCounts, rootOf } from "./entries.js";
import { useClient, useLanguage, useNow, useValue, useWords } from "./hooks.js";
import { day } from "./time.js";
import { Icon } from "./views/icon.js";

/** Nearer to the end than this is at the end, pixels. */
const END_PX = 80;
/** Nearer to the top than this asks for older messages, pixels. */
const TOP_PX = 600;

export interface MessageListProps {
  readonly timeline: Timeline;
  readonly line: ListLine | undefined;
  readonly onReply: (row: MessageRow) => void;
  readonly onThread: (root: bigint) => void;
}

export function MessageList({ timeline, line, onReply, onThread }: MessageListProps) {
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const now = useNow(60_000);
  const view = useValue(timeline.view);
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  const newAbove = useNewAbove(line);
  const bySeq = useMemo(() => new Map(view.rows.map((row) => [row.seq, row])), [view.rows]);
  const replies = useMemo(() => replyCounts(view.rows), [view.rows]);
  const entries = useMemo(() => entriesOf(view.rows, view.outgoing, client.me, newAbove), [view.rows, view.outgoing, client, newAbove]);
  const scroll = useScroll(timeline, newAbove);
  useReading(line, view.rows.at(-1)?.seq ?? 0n, scroll.isAtEnd);
  const [lit, setLit] = useState(0n);
  const { boxRef } = scroll;

  const jump = useCallback(
    async (seq: bigint) => {
      const find = () => boxRef.current?.querySelector(`[data-seq="${seq}"]`);
      // A message far up is reached page by page; more than twenty pages is not worth a wait.
      for (let n = 0; n < 20 && !find() && !timeline.view.get().isFloor; n++) {
        await timeline.loadOlder();
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      find()?.scrollIntoView({ block: "center", behavior: "smooth" });
      setLit(seq);
      setTimeout(() => setLit(0n), 1_600);
    },
    [boxRef, timeline],
  );
  const onThreadOf = useCallback((row: MessageRow) => onThread(rootOf(row, new Map(timeline.view.get().rows.map((one) => [one.seq, one])))), [onThread, timeline]);
  const onJump = useCallback((seq: bigint) => void jump(seq), [jump]);

  const isEmpty = entries.length === 0;
  return (
    <div className="messages">
      <div ref={boxRef} className="messages-box" onScroll={scroll.onScroll} tabIndex={0} role="log" aria-live="polite" aria-busy={view.isLoading} aria-relevant="additions">
        <div ref={scroll.innerRef} className="messages-inner">
          {view.isLoading && (
            <div className="messages-note" role="status">
              <span className="spinner" />
              <span className="sr-only">{words("loadingMessages")}</span>
            </div>
          )}
          {isEmpty && !view.isLoading && <div className="messages-note is-hello">{words("noMessages")}</div>}
          {!isEmpty && view.isFloor && view.isVerified && <div className="messages-note">{words("beginning")}</div>}
          {entries.map((entry) => {
            if (entry.type === "day") {
              return (
                <div key={entry.key} className="day" role="separator">
                  <span>{day(entry.ms, now, language, { today: words("today"), yesterday: words("yesterday") })}</span>
                </div>
              );
            }
            if (entry.type === "new") {
              return (
                <div key={entry.key} className="new-line" role="separator">
                  <span>{words("newMessages")}</span>
                </div>
              );
            }
            if (entry.type === "outgoing") return <OutgoingBubble key={entry.key} outgoing={entry.outgoing} isFirst={entry.isFirst} isLast={entry.isLast} />;
            const { row } = entry;
            return (
              <Bubble
                key={entry.key}
                row={row}
                isFirst={entry.isFirst}
                isLast={entry.isLast}
                isDirect={isDirect}
                isReadByPeer={isDirect && (line?.peerReadSeq ?? 0n) >= row.seq}
                quoted={bySeq.get(row.replySeq)}
                replies={replies.get(row.seq) ?? 0}
                isLit={lit === row.seq}
                onReply={onReply}
                onThread={onThreadOf}
                onJump={onJump}
              />
            );
          })}
        </div>
      </div>
      {!scroll.isAtEnd && (
        <button type="button" className="to-end" aria-label={words("toBottom")} title={words("toBottom")} onClick={scroll.toEnd}>
          {line !== undefined && line.unread > 0n && <span className="badge">{line.unread > 99n ? "99+" : `${line.unread}`}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

/** The read mark as it was when the chat was opened, if something lay above it. */
function useNewAbove(line: ListLine | undefined): bigint | undefined {
  const held = useRef<{ readonly mark: bigint | undefined }>(undefined);
  if (held.current === undefined && line?.meta !== undefined) held.current = { mark: line.unread > 0n ? line.readSeq : undefined };
  return held.current?.mark;
}

/** Keeps the place: at the end while the user is there, else at the message on the screen. */
function useScroll(timeline: Timeline, newAbove: bigint | undefined) {
  const boxRef = useRef<HTMLDivElement>(null);
  const innerRef = useRef<HTMLDivElement>(null);
  const view = useValue(timeline.view);
  const [isAtEnd, setAtEnd] = useState(true);
  const sticks = useRef(true);
  const before = useRef({ first: 0n, height: 0, isPlaced: false });
  const firstSeq = view.rows[0]?.seq ?? 0n;

  useLayoutEffect(() => {
    const box = boxRef.current;
    if (box === null || (view.rows.length === 0 && view.outgoing.length === 0)) return;
    const held = before.current;
    const line = box.querySelector(".new-line");
    if (!held.isPlaced && newAbove !== undefined && line !== null && view.isVerified) {
      line.scrollIntoView({ block: "center" });
      sticks.current = box.scrollHeight - box.scrollTop - box.clientHeight < END_PX;
    } else if (held.isPlaced && firstSeq < held.first && !sticks.current) box.scrollTop += box.scrollHeight - held.height;
    else if (sticks.current) box.scrollTop = box.scrollHeight;
    before.current = { first: firstSeq, height: box.scrollHeight, isPlaced: held.isPlaced || view.isVerified };
    setAtEnd(sticks.current);
  }, [view, firstSeq, newAbove]);

  const ownCount = view.outgoing.length;
  useEffect(() => {
    if (ownCount === 0) return;
    sticks.current = true;
    boxRef.current?.scrollTo({ top: boxRef.current.scrollHeight });
  }, [ownCount]);

  useEffect(() => {
    const observer = new ResizeObserver(() => {
      const box = boxRef.current;
      if (box && sticks.current) box.scrollTop = box.scrollHeight;
    });
    if (boxRef.current) observer.observe(boxRef.current);
    if (innerRef.current) observer.observe(innerRef.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const box = boxRef.current;
    if (box === null) return;
    sticks.current = box.scrollHeight - box.scrollTop - box.clientHeight < END_PX;
    setAtEnd(sticks.current);
    if (box.scrollTop < TOP_PX && !view.isFloor && view.isVerified) void timeline.loadOlder();
  };
  // A first page that does not fill the screen asks for the next one.
  useEffect(onScroll, [view]);
  const toEnd = () => boxRef.current?.scrollTo({ top: boxRef.current.scrollHeight, behavior: "smooth" });
  return { boxRef, innerRef, isAtEnd, onScroll, toEnd };
}

/** The newest message counts as read while it is on the screen of a window in front. */
function useReading(line: ListLine | undefined, lastSeq: bigint, isAtEnd: boolean): void {
  const client = useClient();
  const conv = line?.conv ?? 0n;
  const unread = line?.unread ?? 0n;
  const isMarked = line?.summary?.markedUnread ?? false;
  useEffect(() => {
    const mark = () => {
      if (conv !== 0n && lastSeq > 0n && isAtEnd && document.visibilityState === "visible" && document.hasFocus()) client.markRead(conv, lastSeq);
    };
    mark();
    addEventListener("focus", mark);
    document.addEventListener("visibilitychange", mark);
    return () => {
      removeEventListener("focus", mark);
      document.removeEventListener("visibilitychange", mark);
    };
  }, [client, conv, lastSeq, unread, isMarked, isAtEnd]);
}
