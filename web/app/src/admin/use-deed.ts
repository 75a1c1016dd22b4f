//! Something an administrator does: once at a time, and what went wrong stays to be read.

import { useCallback, useEffect, useRef, useState } from "react";
import { type Fault, faultOf } from "../first-run/ask.js";

export interface Deeds {
  readonly isBusy: boolean;
  readonly fault: Fault | undefined;
  /** Does it, then `then` with its answer; nothing if another deed is under way. */
  readonly run: <T>(deed: () => Promise<T>, then: (answer: T) => void) => void;
}

export function useDeeds(): Deeds {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault>();
  const isRunning = useRef(false);
  const isHere = useRef(true);
  useEffect(() => {
    isHere.current = true;
    return () => {
      isHere.current = false;
    };
  }, []);
  const run = useCallback(<T>(deed: () => Promise<T>, then: (answer: T) => void) => {
    if (isRunning.current) return;
    isRunning.current = true;
    setBusy(true);
    setFault(undefined);
    const settle = (after: () => void) => {
      isRunning.current = false;
      if (!isHere.current) return;
      setBusy(false);
      after();
    };
    deed().then(
      (answer) => settle(() => then(answer)),
      (error: unknown) => settle(() => setFault(faultOf(error))),
    );
  }, []);
  return { isBusy, fault, run };
}
