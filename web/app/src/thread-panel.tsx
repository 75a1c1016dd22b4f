//! A message and everything that answers it.

import type { ListLine, Outgoing, Thread, ThreadView, Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { Bubble, OutgoingBubble } from "./bubble.js";
import { Composer } from "./composer.js";
import { Day } from "./day-line.js";
import { entriesOf, rowOf } from "./entries.js";
import { useCalm, useClient, useLanguage, useWords } from "./hooks.js";
import { full, number } from "./time.js";
import { Icon } from "./views/icon.js";

/** A flood is drawn this often, milliseconds. */
const CALM_MS = 200;
/** Nearer to the end than this the reader follows what comes, pixels. */
const END_PX = 60;

export interface ThreadPanelProps {
  readonly timeline: Timeline;
  readonly line: ListLine | undefined;
  readonly root: bigint;
  /** Shows a message in the chat. */
  readonly onShow: (seq: bigint) => void;
  readonly onClose: () => void;
}

export function ThreadPanel(props: ThreadPanelProps) {
  const { timeline, root } = props;
  const words = useWords();
  const [thread, setThread] = useState<Thread>();
  useEffect(() => {
    const opened = timeline.openThread(root);
    setThread(opened);
    return () => opened.close();
  }, [timeline, root]);
  return (
    <aside className="panel is-thread" aria-label={words("thread")}>
      {thread ? <Opened key={`${root}`} {...props} thread={thread} /> : <Head onClose={props.onClose} />}
    </aside>
  );
}

interface HeadProps {
  readonly count?: number;
  readonly isAll?: boolean;
  readonly onShow?: () => void;
  readonly onClose: () => void;
}

function Head({ count = 0, isAll = true, onShow, onClose }: HeadProps) {
  const words = useWords();
  const language = useLanguage();
  const replies = count === 1 ? words("repliesOne") : words("replies", { n: number(count, language) });
  return (
    <header className="panel-head">
      <div>
        <h2>{words("thread")}</h2>
        {count > 0 && <small>{count === 1 && isAll ? replies : words("replies", { n: `${number(count, language)}${isAll ? "" : "+"}` })}</small>}
      </div>
      <span className="panel-head-buttons">
        {onShow && (
          <button type="button" className="icon-button" aria-label={words("showInChat")} title={words("showInChat")} onClick={onShow}>
            <Icon name="jump" />
          </button>
        )}
        <button type="button" className="icon-button" aria-label={words("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </span>
    </header>
  );
}

function Opened({ timeline, line, thread, onShow, onClose }: ThreadPanelProps & { readonly thread: Thread }) {
  const client = useClient();
  const words = useWords();
  const view = useCalm(thread.view, CALM_MS);
  const [replyTo, setReplyTo] = useState<MessageRow>();
  const box = useRef<HTMLDivElement>(null);
  const { conv } = timeline;
  const { root, rootSeq, rows, outgoing, state, lookedTo } = view;
  const all = useMemo(() => (root ? [root, ...rows] : rows), [root, rows]);
  useFollow(box, all.length + outgoing.length, outgoing.at(-1)?.local ?? 0n);
  const speakers = useMemo(() => [...new Set(all.map((row) => row.sender).reverse())], [all]);
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  const isFound = (row: MessageRow) => state === "all" || row.seq <= lookedTo || row.seq === rootSeq;
  const draw = (some: readonly MessageRow[], sent: readonly Outgoing[]) =>
    entriesOf(some, sent, client.me, undefined).map((entry) => {
      if (entry.type === "outgoing") return <OutgoingBubble key={entry.key} outgoing={entry.outgoing} isFirst isLast />;
      if (entry.type === "day") return <Day key={entry.key} ms={entry.ms} />;
      if (entry.type !== "row") return null;
      const { row } = entry;
      return (
        <Bubble
          key={entry.key}
          conv={conv}
          row={row}
          isFirst={entry.isFirst}
          isLast={entry.isLast}
          isDirect={isDirect}
          isReadByPeer={isDirect && (line?.peerReadSeq ?? 0n) >= row.seq}
          quoted={rowOf(all, row.replySeq)}
          thread={rootSeq}
          replies={0}
          isLit={false}
          onReply={row.seq === rootSeq ? undefined : setReplyTo}
        />
      );
    });
  return (
    <>
      <Head count={rows.length} isAll={state === "all"} onClose={onClose} {...(root && { onShow: () => onShow(rootSeq) })} />
      <div ref={box} className="messages-box" tabIndex={0} role="log" aria-busy={state === "looking"} aria-label={words("thread")}>
        <div className="messages-inner">
          {root === undefined && state !== "looking" && state !== "failed" && <p className="messages-note">{words("threadRootGone")}</p>}
          {draw(all.filter(isFound), state === "all" ? outgoing : [])}
          <Further view={view} thread={thread} />
          {state !== "all" && draw(all.filter((row) => !isFound(row)), outgoing)}
        </div>
      </div>
      <Composer conv={conv} line={line} title="" thread={rootSeq} replyTo={replyTo} speakers={speakers} onReplyDone={() => setReplyTo(undefined)} />
    </>
  );
}

/** How far the replies were looked for; it stands where what is not known begins. */
function Further({ view, thread }: { readonly view: ThreadView; readonly thread: Thread }) {
  const words = useWords();
  const language = useLanguage();
  const { state, rows, outgoing, lookedToMs } = view;
  if (state === "all") return rows.length + outgoing.length > 0 ? null : <p className="messages-note">{words("threadEmpty")}</p>;
  if (state === "looking") {
    return (
      <p className="thread-further" role="status">
        <span className="spinner" />
        {words("threadLooking")}
      </p>
    );
  }
  const when = lookedToMs > 0 ? full(lookedToMs, language) : "";
  return (
    <p className="thread-further" role="status">
      <span>{state === "failed" ? words("threadFailed") : words("threadLookedTo", { when })}</span>
      <button type="button" className="button is-small" onClick={() => void thread.look()}>
        {words(state === "failed" ? "retry" : "threadFurther")}
      </button>
    </p>
  );
}

/** Keeps a reader who is at the end there, and takes one who sends to it. */
function useFollow(box: RefObject<HTMLDivElement | null>, count: number, lastLocal: bigint): void {
  const isAtEnd = useRef(true);
  const sent = useRef(lastLocal);
  useEffect(() => {
    const at = box.current;
    if (at === null) return;
    const look = () => {
      isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < END_PX;
    };
    at.addEventListener("scroll", look, { passive: true });
    return () => at.removeEventListener("scroll", look);
  }, [box]);
  useEffect(() => {
    const isOwn = lastLocal > sent.current;
    sent.current = lastLocal;
    if (box.current && (isAtEnd.current || isOwn)) box.current.scrollTop = box.current.scrollHeight;
  }, [box, count, lastLocal]);
}
