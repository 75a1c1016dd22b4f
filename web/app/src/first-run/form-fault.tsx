//! Why a form was not accepted; of too many tries also when the next one is welcome.

import { useSecondsUntil } from "../hooks.js";
import { Countdown } from "../views/countdown.js";
import type { Fault } from "./ask.js";
import { wordOfFault } from "./faults.js";
import { type FirstWord, useFirstWords } from "./words.js";

/** Seconds until the form may be sent again. */
export const useWait = (fault: Fault | undefined): number => useSecondsUntil(fault?.status === 429 ? fault.retryAtMs : 0);

export interface FormFaultProps {
  readonly fault: Fault | undefined;
  readonly wordOf?: (fault: Fault) => FirstWord;
}

export function FormFault({ fault, wordOf = wordOfFault }: FormFaultProps) {
  const words = useFirstWords();
  const wait = useWait(fault);
  // Once the pause is over there is nothing to say any more.
  const hasPaused = fault?.status === 429 && fault.retryAtMs > 0;
  return (
    <p className="door-fault" role="alert">
      {fault && wait > 0 && <Countdown text={(n) => words("faultBusyFor", { n })} wait={wait} first={Math.ceil(fault.afterMs / 1_000)} />}
      {fault && !hasPaused && words(wordOf(fault), { code: fault.code })}
    </p>
  );
}
