//! What a screen reader says although nobody moved to it: new messages of the open chat.

import { type TimelineView, Value } from "@tenon/client";
import { useEffect, useRef } from "react";
import { useClient, useValue, useWords } from "./hooks.js";
import { oneLine } from "./preview.js";

/** Between two announcements, milliseconds; what comes meanwhile is counted. */
const PACE_MS = 1_500;

const said = new Value("");

/** Says `text` once what is being said has ended. */
export const announce = (text: string): void => said.set(text);

/** The live region itself; there is one. */
export function Announcer() {
  return (
    <div className="sr-only" role="status" aria-live="polite" aria-atomic="true" data-announcer>
      {useValue(said)}
    </div>
  );
}

/** Says what others write in a chat from now on. */
export function useAnnounced(view: TimelineView, title: string): void {
  const client = useClient();
  const words = useWords();
  const mark = useRef<bigint>(undefined);
  const waiting = useRef<{ timer: ReturnType<typeof setTimeout>; from: bigint }>(undefined);
  const now = useRef({ view, title });
  now.current = { view, title };
  const last = view.rows.at(-1)?.seq ?? 0n;
  useEffect(() => {
    if (!view.isVerified) return;
    const from = mark.current;
    mark.current = last;
    if (from === undefined || last <= from || waiting.current !== undefined) return;
    const speak = () => {
      const held = waiting.current;
      waiting.current = undefined;
      const news = now.current.view.rows.filter((row) => row.seq > (held?.from ?? last) && row.sender !== client.me);
      const [one] = news;
      if (one === undefined) return;
      const name = client.people.person(one.sender).get().name;
      announce(news.length === 1 ? `${name}: ${oneLine(one, words)}` : words("announcedCount", { n: news.length, name: now.current.title }));
    };
    waiting.current = { timer: setTimeout(speak, PACE_MS), from };
  }, [client, words, view.isVerified, last]);
  useEffect(() => () => clearTimeout(waiting.current?.timer), []);
}
