//! Ways through a chat: to the message that was answered, to the first one that is new.

import type { Timeline, TimelineView } from "@tenon/client";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import type { ListEntry } from "./guess.js";
import type { ScrollPane } from "./scroll-pane.js";

/** Pages that are read to come to a message. */
const PAGES_MAX = 40;
/** Pages that are read unasked to open a chat at what is new. */
const OPENING_PAGES_MAX = 4;
/** A message that was jumped to shines this long, milliseconds. */
const LIT_MS = 1_600;

export interface JumpOf {
  readonly timeline: Timeline;
  readonly view: TimelineView;
  readonly pane: ScrollPane<ListEntry>;
  /** The read mark when the chat was opened, if anything lay above it. */
  readonly newAbove: bigint | undefined;
}

/** The way up to what is new, while it lies above the screen. */
export interface UnreadAbove {
  readonly count: bigint;
  readonly go: () => void;
  readonly dismiss: () => void;
}

const nextFrame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

/** Reads pages until `isThere` or nothing lies above. */
async function readUntil(timeline: Timeline, isThere: () => boolean, pages: number): Promise<void> {
  for (let n = 0; n < pages && !isThere() && !timeline.view.get().isFloor; n++) {
    await timeline.loadOlder();
    await nextFrame();
  }
}

export function useJump({ timeline, view, pane, newAbove }: JumpOf) {
  const [lit, setLit] = useState(0n);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const jump = useCallback(
    (seq: bigint) => {
      const reaches = () => (timeline.view.get().rows[0]?.seq ?? seq) <= seq;
      void (async () => {
        await readUntil(timeline, reaches, PAGES_MAX);
        // The list draws a changed timeline within a tenth of a second.
        for (let n = 0; n < 12 && !pane.toKey(`seq/${seq}`, 0.4); n++) await nextFrame();
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
  const first = view.rows[0]?.seq ?? 0n;
  const isReached = newAbove !== undefined && first > 0n && (view.isFloor || first <= newAbove + 1n);
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
  const go = () => {
    void readUntil(timeline, () => (timeline.view.get().rows[0]?.seq ?? 0n) <= (newAbove ?? 0n) + 1n, PAGES_MAX).then(async () => {
      for (let n = 0; n < 12 && !pane.toKey("new", 0.25); n++) await nextFrame();
      setFar(false);
    });
  };
  const unread = isFar && isAbove && newAbove !== undefined ? { count: (view.rows.at(-1)?.seq ?? 0n) - newAbove, go, dismiss: () => setFar(false) } : undefined;
  return { isPlaced: isDone, unread };
}
