//! Ways through a chat: to the message that was answered, to the first one that is new.

import type { Timeline, TimelineView } from "@tenon/client";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import { reachesMark } from "../entries.js";
import type { ListEntry } from "./guess.js";
import type { ScrollPane } from "./scroll-pane.js";

/** Frames that an entry is waited for. */
const FRAMES_MAX = 20;
/** Pages that are read unasked to open a chat at what is new. */
const OPENING_PAGES_MAX = 4;
/** A message that was jumped to shines this long, milliseconds. */
const LIT_MS = 1_600;

export interface JumpOf {
  readonly timeline: Timeline;
  readonly view: TimelineView;
  readonly pane: ScrollPane<ListEntry>;
  /** The read mark when the chat was opened, if anything lay above it. */
  readonly newAbove: ReadMark | undefined;
}

/** Up to where a chat was read: a place, and what was counted there. */
export interface ReadMark {
  readonly seq: bigint;
  readonly cnt: bigint;
}

/** The way up to what is new, while it lies above the screen. */
export interface UnreadAbove {
  readonly count: bigint;
  readonly go: () => void;
  readonly dismiss: () => void;
}

const nextFrame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

/** Shows an entry that the list draws in a moment: it takes a changed timeline within a tenth of a second. */
async function show(pane: ScrollPane<ListEntry>, key: string, share: number): Promise<void> {
  for (let n = 0; n < FRAMES_MAX && !pane.toKey(key, share); n++) await nextFrame();
}

export function useJump({ timeline, view, pane, newAbove }: JumpOf) {
  const [lit, setLit] = useState(0n);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const jump = useCallback(
    (seq: bigint) => {
      void (async () => {
        if (!(await timeline.jumpTo(seq))) return;
        await show(pane, `seq/${seq}`, 0.4);
        setLit(seq);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setLit(0n), LIT_MS);
      })();
    },
    [timeline, pane],
  );
  return { lit, jump, ...useOpening({ timeline, view, pane, newAbove }) };
}

/** A chat opens where the reader left it; if that is far up, he is shown the way instead. */
function useOpening({ timeline, view, pane, newAbove }: JumpOf): { readonly isPlaced: boolean; readonly unread: UnreadAbove | undefined } {
  const [isDone, setDone] = useState(newAbove === undefined);
  const [isFar, setFar] = useState(false);
  const isReached = newAbove !== undefined && reachesMark(view.rows, { newAbove: newAbove.seq, newAboveCnt: newAbove.cnt, isFloor: view.isFloor });
  const pages = useRef(0);
  useLayoutEffect(() => {
    if (isDone || newAbove === undefined || !view.isVerified || view.isLoading) return;
    if (isReached) {
      pane.toKey("new", 0.25);
      setDone(true);
    } else if (pages.current < OPENING_PAGES_MAX) {
      pages.current += 1;
      void timeline.loadOlder();
    } else {
      setFar(true);
      setDone(true);
    }
  }, [isDone, newAbove, isReached, view, pane, timeline]);
  const isAbove = useSyncExternalStore(pane.subscribe, () => {
    if (!isFar) return false;
    const index = pane.layout.indexOf("new");
    return index < 0 ? !isReached : index < pane.get().firstShown;
  });
  const last = view.rows.at(-1);
  const count = newAbove === undefined ? 0n : (last?.cnt ?? 0n) - newAbove.cnt;
  const go = () => {
    if (newAbove === undefined) return;
    // Above the mark of somebody who never read may lie an archive; no more is new than what was counted.
    const atMost = (last?.seq ?? 0n) - count + 1n;
    void timeline.jumpTo(newAbove.seq === 0n && atMost > 1n ? atMost : newAbove.seq + 1n).then(async (isThere) => {
      if (!isThere) return;
      await show(pane, "new", 0.25);
      setFar(false);
    });
  };
  const unread = isFar && isAbove && newAbove !== undefined ? { count, go, dismiss: () => setFar(false) } : undefined;
  return { isPlaced: isDone, unread };
}
