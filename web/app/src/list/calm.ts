//! A value that changes often, at the pace a person can follow.

import type { Readable } from "@tenon/client";

/** Follows `source`: the first change is told at once, those that come sooner than `ms` after it are told together. */
export function calm<T>(source: Readable<T>, ms: number): Readable<T> {
  const told = new Set<() => void>();
  let held = source.get();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let end: (() => void) | undefined;
  const take = () => {
    const next = source.get();
    if (Object.is(next, held)) return;
    held = next;
    for (const tell of [...told]) tell();
  };
  const changed = () => {
    if (timer !== undefined) return;
    take();
    timer = setTimeout(() => {
      timer = undefined;
      if (!Object.is(source.get(), held)) changed();
    }, ms);
  };
  // Nobody listens yet: the value must not be old.
  const get = () => (told.size > 0 ? held : (held = source.get()));
  return {
    get,
    getSnapshot: get,
    subscribe: (tell) => {
      if (told.size === 0) {
        held = source.get();
        end = source.subscribe(changed);
      }
      told.add(tell);
      return () => {
        told.delete(tell);
        if (told.size > 0) return;
        end?.();
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}
