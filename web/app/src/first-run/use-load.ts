//! Something that a page reads from the server once, and again when asked.

import { useCallback, useEffect, useRef, useState } from "react";
import { type Fault, faultOf } from "./ask.js";

/** What is known of it now. While it is read again the old value stays. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly fault: Fault | undefined;
  readonly isLoading: boolean;
  /** Reads again. */
  readonly again: () => void;
  /** Puts a value that is known without reading. */
  readonly set: (value: T) => void;
}

/** Reads when the component appears and whenever `read` is another function; what comes late is thrown away. */
export function useLoad<T>(read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [value, set] = useState<T>();
  const [fault, setFault] = useState<Fault>();
  const [isLoading, setLoading] = useState(true);
  const running = useRef<AbortController>(undefined);
  const again = useCallback(() => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setLoading(true);
    setFault(undefined);
    read(controller.signal).then(
      (next) => {
        if (controller.signal.aborted) return;
        set(next);
        setLoading(false);
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setFault(faultOf(error));
        setLoading(false);
      },
    );
  }, [read]);
  useEffect(() => {
    again();
    return () => running.current?.abort();
  }, [again]);
  return { value, fault, isLoading, again, set };
}
