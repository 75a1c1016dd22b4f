//! The line above the messages of a day.

import { useLanguage, useNow, useWords } from "./hooks.js";
import { day } from "./time.js";

/** A day in words. */
export function useDay(ms: number): string {
  const words = useWords();
  return day(ms, useNow(60_000), useLanguage(), { today: words("today"), yesterday: words("yesterday") });
}

/** A day between messages. */
export function Day({ ms }: { readonly ms: number }) {
  return (
    <div className="day" role="separator">
      <span>{useDay(ms)}</span>
    </div>
  );
}
