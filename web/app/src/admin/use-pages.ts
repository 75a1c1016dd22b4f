//! A list that comes in parts.

import { useCallback, useEffect, useRef, useState } from "react";
import { type Fault, faultOf } from "../first-run/ask.js";
import { gather, type Rows } from "./gather.js";

export interface Paged<T> {
  /** `undefined` until the first part came. */
  readonly rows: readonly T[] | undefined;
  readonly fault: Fault | undefined;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  /** Reads the next part; after a fault the same part again. */
  readonly more: () => void;
  /** Begins from the front; the old rows stay until the new ones are there. */
  readonly again: () => void;
  /** Changes rows that are known to have changed. */
  readonly change: (change: (rows: readonly T[]) => readonly T[]) => void;
}

/** Reads the first part at once, and again when `read` is another function. */
export function usePages<T>(read: (after: string | undefined, signal: AbortSignal) => Promise<Rows<T>>): Paged<T> {
  const [held, setHeld] = useState<Rows<T>>();
  const [fault, setFault] = useState<Fault>();
  const [isLoading, setLoading] = useState(true);
  const running = useRef<AbortController>(undefined);
  const load = useCallback(
    (after: string | undefined) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setLoading(true);
      setFault(undefined);
      const settle = (then: () => void) => {
        if (controller.signal.aborted) return;
        then();
        setLoading(false);
      };
      gather((next) => read(next, controller.signal), after).then(
        (part) => settle(() => setHeld((old) => (after === undefined ? part : { rows: [...(old?.rows ?? []), ...part.rows], next: part.next }))),
        (error: unknown) => settle(() => setFault(faultOf(error))),
      );
    },
    [read],
  );
  useEffect(() => {
    load(undefined);
    return () => running.current?.abort();
  }, [load]);
  const next = held?.next ?? undefined;
  return {
    rows: held?.rows,
    fault,
    isLoading,
    hasMore: next !== undefined,
    more: useCallback(() => load(next), [load, next]),
    again: useCallback(() => load(undefined), [load]),
    change: useCallback((change) => setHeld((old) => old && { ...old, rows: change(old.rows) }), []),
  };
}
