//! A poller as React state; it rests while the page is hidden.

import { useCallback, useEffect, useRef, useState } from "react";
import { type Beat, type Polled, Poller } from "./poll.js";

/** The last answer, the last fault, and a way not to wait. */
export function usePoll<T>(read: (signal: AbortSignal) => Promise<T>, beat: Beat): Polled<T> & { readonly askNow: () => void } {
  const [state, setState] = useState<Polled<T>>({ value: undefined, fault: undefined, nextTryMs: undefined });
  const held = useRef<Poller<T>>(undefined);
  useEffect(() => {
    const poller = new Poller(read, setState, beat);
    held.current = poller;
    const look = () => (document.visibilityState === "visible" ? poller.start() : poller.stop());
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      poller.stop();
    };
  }, [read, beat]);
  return { ...state, askNow: useCallback(() => held.current?.askNow(), []) };
}
