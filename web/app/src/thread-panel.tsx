//! A message and everything that answers it.

import type { ListLine, Timeline } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { useEffect, useMemo, useRef, useState } from "react";
import { Bubble, OutgoingBubble } from "./bubble.js";
import { Composer } from "./composer.js";
import { entriesOf, rootOf, rowOf } from "./entries.js";
import { useCalm, useClient, useWords } from "./hooks.js";
import { Icon } from "./views/icon.js";

/** A flood is drawn this often, milliseconds. */
const CALM_MS = 200;

export interface ThreadPanelProps {
  readonly timeline: Timeline;
  readonly line: ListLine | undefined;
  readonly root: bigint;
  readonly onClose: () => void;
}

export function ThreadPanel({ timeline, line, root, onClose }: ThreadPanelProps) {
  const client = useClient();
  const words = useWords();
  const view = useCalm(timeline.view, CALM_MS);
  const [fetched, setFetched] = useState<MessageRow>();
  const [replyTo, setReplyTo] = useState<MessageRow>();
  const end = useRef<HTMLDivElement>(null);
  const { conv } = timeline;
  const held = rowOf(view.rows, root);
  useEffect(() => {
    let isCurrent = true;
    if (held === undefined) void client.message(conv, root).then((row) => isCurrent && setFetched(row), () => undefined);
    return () => {
      isCurrent = false;
    };
  }, [client, conv, root, held]);
  const first = held ?? fetched;
  const rows = useMemo(() => {
    const answers = view.rows.filter((row) => row.replySeq >= root);
    return answers.filter((row) => row.seq !== root && rootOf(row, (seq) => rowOf(answers, seq)) === root);
  }, [view.rows, root]);
  const outgoing = view.outgoing.filter((one) => one.send.replySeq === root || rows.some((row) => row.seq === one.send.replySeq));
  const all = useMemo(() => (first ? [first, ...rows] : rows), [first, rows]);
  const count = rows.length + outgoing.length;
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [count]);
  const speakers = useMemo(() => [...new Set(all.map((row) => row.sender).reverse())], [all]);
  const isDirect = line?.meta !== undefined && line.meta.peer !== 0n;
  return (
    <aside className="panel is-thread" aria-label={words("thread")}>
      <header className="panel-head">
        <h2>{words("thread")}</h2>
        <button type="button" className="icon-button" aria-label={words("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="messages-box" tabIndex={0} role="log">
        <div className="messages-inner">
          {entriesOf(all, outgoing, client.me, undefined).map((entry) => {
            if (entry.type === "outgoing") return <OutgoingBubble key={entry.key} outgoing={entry.outgoing} isFirst isLast />;
            if (entry.type !== "row") return null;
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
                quoted={rowOf(all, row.replySeq)}
                thread={root}
                replies={0}
                isLit={false}
                onReply={row.seq === root ? undefined : setReplyTo}
              />
            );
          })}
          <div ref={end} />
        </div>
      </div>
      <Composer conv={conv} line={line} title="" thread={root} replyTo={replyTo} speakers={speakers} onReplyDone={() => setReplyTo(undefined)} />
    </aside>
  );
}
