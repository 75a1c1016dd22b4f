//! What was on the screen of a window in front counts as read.

import type { ListLine } from "@tenon/client";
import { useEffect } from "react";
import { useClient } from "../hooks.js";
import type { ListEntry } from "./guess.js";
import type { ScrollPane } from "./scroll-pane.js";

/** The reader is told about at most this often, milliseconds. */
const PACE_MS = 400;

/** The highest message at or above an entry. */
function seqAt(entries: readonly ListEntry[], index: number): bigint {
  for (let i = Math.min(index, entries.length - 1); i >= 0; i--) {
    const entry = entries[i];
    if (entry?.type === "row") return entry.row.seq;
  }
  return 0n;
}

/** Moves the read mark with the last message on the screen, once the chat `isPlaced` where the reader left it. */
export function useReading(line: ListLine | undefined, pane: ScrollPane<ListEntry>, entries: readonly ListEntry[], isPlaced: boolean): void {
  const client = useClient();
  const conv = line?.conv ?? 0n;
  const unread = line?.unread ?? 0n;
  const isMarked = line?.summary?.markedUnread ?? false;
  useEffect(() => {
    if (!isPlaced) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const mark = () => {
      timer = undefined;
      const { isAtEnd, lastShown } = pane.get();
      const seq = seqAt(entries, isAtEnd ? entries.length - 1 : lastShown);
      if (conv !== 0n && seq > 0n && document.visibilityState === "visible" && document.hasFocus()) client.markRead(conv, seq);
    };
    const soon = () => (timer ??= setTimeout(mark, PACE_MS));
    if (pane.isAtEnd()) mark();
    else soon();
    const end = pane.subscribe(soon);
    addEventListener("focus", mark);
    document.addEventListener("visibilitychange", mark);
    return () => {
      clearTimeout(timer);
      end();
      removeEventListener("focus", mark);
      document.removeEventListener("visibilitychange", mark);
    };
  }, [client, conv, unread, isMarked, pane, entries, isPlaced]);
}
