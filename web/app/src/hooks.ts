//! Values of the client as React state, words, time, routes.

import { Client, type ListLine, type Person, type Readable, Value } from "@tenon/client";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { calm } from "./list/calm.js";
import { chosenLanguage, languageOf } from "./preferences.js";
import { type Language, type Places, say, type Word } from "./words.js";

/** The present value; the component is drawn again when it changes. */
export const useValue = <T>(value: Readable<T>): T => useSyncExternalStore(value.subscribe, value.get, value.get);

/** Like `useValue`, but changes that follow each other within `ms` are drawn together. */
export const useCalm = <T>(value: Readable<T>, ms: number): T => useValue(useMemo(() => calm(value, ms), [value, ms]));

const ClientContext = createContext<Client | undefined>(undefined);
export const ClientProvider = ClientContext.Provider;

/** The client of the signed-in account. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === undefined) throw new Error("no client above this component");
  return client;
}

export const useLanguage = (): Language => languageOf(useValue(chosenLanguage));

/** Speaks the language in force. */
export function useWords(): (word: Word, places?: Places) => string {
  const language = useLanguage();
  return useCallback((word, places) => say(language, word, places), [language]);
}

/** A user's name, and the rest of what is known. */
export const usePerson = (user: bigint): Person => useValue(useClient().people.person(user));

/** Title of a conversation: the group's, or the peer's name. */
export function useTitle(line: ListLine | undefined): string {
  const words = useWords();
  const person = usePerson(line?.meta?.peer ?? 0n);
  if (line?.meta === undefined) return "…";
  return line.meta.title || person.name || words(line.meta.peer === 0n ? "group" : "direct");
}

/** Where the user is: `#/` or `#/c/<conversation>`. */
const route = new Value<bigint | undefined>(undefined);

const readRoute = (): void => {
  const found = /^#\/c\/(\d+)$/.exec(location.hash);
  route.set(found?.[1] === undefined ? undefined : BigInt(found[1]));
};

/** The open conversation. */
export function useRoute(): bigint | undefined {
  useEffect(() => {
    readRoute();
    addEventListener("hashchange", readRoute);
    return () => removeEventListener("hashchange", readRoute);
  }, []);
  return useValue(route);
}

/** Opens a conversation, or the list. */
export function go(conv: bigint | undefined): void {
  location.hash = conv === undefined ? "#/" : `#/c/${conv}`;
}

/** Now, drawn again every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Seconds until a moment, at least 0; drawn again every second until then. */
export function useSecondsUntil(untilMs: number): number {
  const [now, setNow] = useState(Date.now);
  const isOver = now >= untilMs;
  useEffect(() => {
    setNow(Date.now());
    if (Date.now() >= untilMs) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [untilMs, isOver]);
  return Math.max(0, Math.ceil((untilMs - now) / 1_000));
}

/** True while the browser says there is a network. */
export function useOnline(): boolean {
  return useSyncExternalStore(
    (told) => {
      addEventListener("online", told);
      addEventListener("offline", told);
      return () => {
        removeEventListener("online", told);
        removeEventListener("offline", told);
      };
    },
    () => navigator.onLine,
  );
}

const narrow = globalThis.matchMedia?.("(max-width: 760px)");

/** True while list and chat are two screens. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (told) => {
      narrow?.addEventListener("change", told);
      return () => narrow?.removeEventListener("change", told);
    },
    () => narrow?.matches ?? false,
  );
}
