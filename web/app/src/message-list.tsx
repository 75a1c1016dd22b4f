//! The messages of a chat: stays at the newest, reads older ones on the way up, tells what was read.

import type { ListLine, Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useAnnounced } from "./announcer.js";
import { Bubble, OutgoingBubble } from "./bubble.js";
import { Day, useDay } from "./day-line.js";
import { EntryBook, replyCounts, rootOf, rowOf } from "./entries.js";
import { useCalm, useClient, useLanguage, useWords } from "./hooks.js";
import { guessOf, type ListEntry } from "./list/guess.js";
import { ScrollPane } from "./list/scroll-pane.js";
import { type ReadMark, useJump } from "./list/use-jump.js";
import { useReading } from "./list/use-reading.js";
import { number } from "./time.js";
import { Icon } from "./views/icon.js";

/** Nearer to the top than this asks for older messages, pixels. */
const TOP_PX = 2_400;
/** A flood is drawn this often, milliseconds. */
const CALM_MS = 100;
/** The day stays on the screen this long after the last move, milliseconds. */
const DAY_SHOWN_MS = 1_200;

/** A message to be shown; a new object asks anew. */
export interface WantedMessage {
  readonly seq: bigint;
}

export interface MessageListProps {
  readonly timeline: Timeline;
  readonly line: ListLine | undefined;
  readonly title: string;
  readonly wanted: WantedMessage | undefined;
  readonly onReply: (row: MessageRow) => void;
  readonly onThread: (root: bigint) => void;
}

const HEAD: ListEntry = { type: "head", key: "head" };

export function MessageList({ timeline, line, title, wanted, onReply, onThread }: MessageListProps) {
  const client = useClient();
  const words = useWords();
  const view = useCalm(timeline.view, CALM_MS);
  const language = useLanguage();
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  const newAbove = useNewAbove(line);
  const replies = useMemo(() => replyCounts(view.rows), [view.rows]);
  const [book] = useState(() => new EntryBook());
  const entries = useMemo<ListEntry[]>(
    () => [HEAD, ...book.take({ rows: view.rows, outgoing: view.outgoing, me: client.me, newAbove: newAbove?.seq, newAboveCnt: newAbove?.cnt ?? 0n, isFloor: view.isFloor })],
    [book, view, client, newAbove],
  );
  const [pane] = useState(() => new ScrollPane<ListEntry>(guessOf, (entry) => entry.type === "row" || entry.type === "outgoing"));
  pane.take(entries, view.isTip);
  const range = useSyncExternalStore(pane.subscribe, pane.range);
  const isAtEnd = useSyncExternalStore(pane.subscribe, pane.isAtEnd);
  const boxRef = useRef<HTMLDivElement>(null);
  const canvasRef = useRef<HTMLDivElement>(null);
  const paneRef = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const [box, canvas, drawn] = [boxRef.current, canvasRef.current, paneRef.current];
    return box && canvas && drawn ? pane.attach({ box, canvas, pane: drawn }) : undefined;
  }, [pane]);
  useLayoutEffect(() => pane.drawn());

  const { lit, jump, unread, isPlaced } = useJump({ timeline, view, pane, newAbove });
  useEffect(() => {
    if (wanted) jump(wanted.seq);
  }, [wanted, jump]);
  useOlder(timeline, pane, view);
  useNewer(timeline, pane, view);
  useEffect(() => timeline.follow(isAtEnd), [timeline, isAtEnd]);
  const toEnd = () => {
    if (view.isTip) pane.toEnd(true);
    else void timeline.toTip().then(() => pane.toEnd(false));
  };
  useReading(line, pane, entries, isPlaced);
  useAnnounced(view, title);
  useOwnToEnd(pane, view.outgoing.at(-1)?.local ?? 0n);
  const onThreadOf = useCallback((row: MessageRow) => onThread(rootOf(row, (seq) => rowOf(timeline.view.get().rows, seq))), [onThread, timeline]);

  const draw = (entry: ListEntry) => {
    if (entry.type === "head") return <Head key={entry.key} isLoading={view.isLoading} isEmpty={entries.length === 1} isBeginning={view.isFloor && view.isVerified} />;
    if (entry.type === "day") return <Day key={entry.key} ms={entry.ms} />;
    if (entry.type === "new") return <NewLine key={entry.key} />;
    if (entry.type === "outgoing") return <OutgoingBubble key={entry.key} outgoing={entry.outgoing} isFirst={entry.isFirst} isLast={entry.isLast} />;
    const { row } = entry;
    return (
      <Bubble
        key={entry.key}
        conv={timeline.conv}
        row={row}
        isFirst={entry.isFirst}
        isLast={entry.isLast}
        isDirect={isDirect}
        isReadByPeer={isDirect && (line?.peerReadSeq ?? 0n) >= row.seq}
        quoted={row.replySeq > 0n ? rowOf(view.rows, row.replySeq) : undefined}
        isQuoteAbove={!entry.isFirst && row.replySeq > 0n && rowOf(view.rows, row.seq - 1n)?.replySeq === row.replySeq}
        replies={replies.get(row.seq) ?? 0}
        hasMoreReplies={!view.isTip}
        isLit={lit === row.seq}
        onReply={onReply}
        onThread={onThreadOf}
        onJump={jump}
      />
    );
  };
  return (
    <div className="messages">
      <div ref={boxRef} className="messages-box" tabIndex={0} role="log" aria-live="off" aria-busy={view.isLoading} aria-label={words("messagesOf", { name: title })} onKeyDown={(event) => walk(event, boxRef.current)}>
        <div className="messages-inner">
          <div ref={canvasRef} className="messages-canvas">
            <div ref={paneRef} className="messages-pane">
              {entries.slice(range.from, range.to).map(draw)}
            </div>
          </div>
        </div>
      </div>
      <DayPill pane={pane} entries={entries} />
      {unread && (
        <span className="to-unread">
          <button type="button" onClick={unread.go}>
            <Icon name="up" size={17} />
            {unread.count === 1n ? words("newMessageOne") : words("newMessageCount", { n: number(Number(unread.count), language) })}
          </button>
          <button type="button" aria-label={words("close")} onClick={unread.dismiss}>
            <Icon name="close" size={16} />
          </button>
        </span>
      )}
      {!isAtEnd && (
        <button type="button" className="to-end" aria-label={words("toBottom")} title={words("toBottom")} onClick={toEnd}>
          {line !== undefined && line.unread > 0n && <span className="badge">{line.unread > 999n ? "999+" : `${line.unread}`}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function Head({ isLoading, isEmpty, isBeginning }: { readonly isLoading: boolean; readonly isEmpty: boolean; readonly isBeginning: boolean }) {
  const words = useWords();
  if (isEmpty && !isLoading) return <div className="messages-note is-hello">{words("noMessages")}</div>;
  return (
    <div className="messages-note">
      {isBeginning ? (
        words("beginning")
      ) : isLoading ? (
        <span role="status">
          <span className="spinner" />
          <span className="sr-only">{words("loadingMessages")}</span>
        </span>
      ) : null}
    </div>
  );
}

function NewLine() {
  const words = useWords();
  return (
    <div className="new-line" role="separator">
      <span>{words("newMessages")}</span>
    </div>
  );
}

const msOf = (entry: ListEntry | undefined): number =>
  entry?.type === "row" ? Number(entry.row.ts) : entry?.type === "outgoing" ? entry.outgoing.atMs : entry?.type === "day" ? entry.ms : 0;

/** The day of the first message on the screen, while the list moves. */
function DayPill({ pane, entries }: { readonly pane: ScrollPane<ListEntry>; readonly entries: readonly ListEntry[] }) {
  const first = useSyncExternalStore(pane.subscribe, () => pane.get().firstShown);
  const [isShown, setShown] = useState(false);
  const was = useRef(first);
  useEffect(() => {
    if (was.current === first) return;
    was.current = first;
    setShown(true);
    const timer = setTimeout(() => setShown(false), DAY_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [first]);
  const ms = msOf(entries[first]) || msOf(entries[first + 1]);
  const text = useDay(ms);
  return (
    <div className={isShown && ms > 0 && entries[first]?.type === "row" ? "day-pill is-shown" : "day-pill"} aria-hidden="true">
      <span>{ms > 0 ? text : ""}</span>
    </div>
  );
}

/** The read mark as it was when the chat was opened, if something lay above it. */
function useNewAbove(line: ListLine | undefined): ReadMark | undefined {
  const held = useRef<{ readonly mark: ReadMark | undefined }>(undefined);
  if (held.current === undefined && line?.meta !== undefined) held.current = { mark: line.unread > 0n ? { seq: line.readSeq, cnt: line.readCnt } : undefined };
  return held.current?.mark;
}

/** Reads the next page before the reader comes to the top of what is there. */
function useOlder(timeline: Timeline, pane: ScrollPane<ListEntry>, view: { readonly isFloor: boolean; readonly isVerified: boolean; readonly isLoading: boolean }): void {
  const isNear = useSyncExternalStore(pane.subscribe, () => pane.layout.topOf(pane.get().firstShown) < TOP_PX);
  useEffect(() => {
    if (isNear && !view.isFloor && view.isVerified && !view.isLoading) void timeline.loadOlder();
  }, [timeline, isNear, view]);
}

/** Reads the next page before the reader comes to the bottom of a window that was moved up. */
function useNewer(timeline: Timeline, pane: ScrollPane<ListEntry>, view: { readonly isTip: boolean; readonly isVerified: boolean; readonly isLoading: boolean }): void {
  const isNear = useSyncExternalStore(pane.subscribe, () => pane.layout.total - pane.layout.topOf(pane.get().lastShown) < TOP_PX);
  useEffect(() => {
    if (isNear && !view.isTip && view.isVerified && !view.isLoading) void timeline.loadNewer();
  }, [timeline, isNear, view]);
}

/** Who sends a message sees it. */
function useOwnToEnd(pane: ScrollPane<ListEntry>, lastLocal: bigint): void {
  const before = useRef(lastLocal);
  useEffect(() => {
    if (lastLocal > before.current) pane.toEnd(false);
    before.current = lastLocal;
  }, [pane, lastLocal]);
}

/** Arrow keys go from message to message. */
function walk(event: KeyboardEvent, box: HTMLElement | null): void {
  const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
  if (step === 0 || box === null || event.altKey || event.ctrlKey || event.metaKey) return;
  const all = [...box.querySelectorAll<HTMLElement>(".msg")];
  const held = all.findIndex((one) => one.contains(document.activeElement));
  const { bottom } = box.getBoundingClientRect();
  const next = held >= 0 ? all[held + step] : all.findLast((one) => one.getBoundingClientRect().top < bottom);
  if (next === undefined) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

