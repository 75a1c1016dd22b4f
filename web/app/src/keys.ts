//! The keyboard: which keys do what, and who hears Escape.

import { useEffect } from "react";
import type { Word } from "./words.js";

/** What a key asks of the whole app. */
export type Shortcut = "search" | "next" | "previous" | "nextUnread" | "previousUnread" | "newChat" | "newGroup" | "details" | "help";

/** The part of a key event that decides. */
export type Pressed = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/** The shortcut of a key; `isWriting` = the key goes into a field, where letters are text. */
export function shortcutOf(event: Pressed, isWriting: boolean): Shortcut | undefined {
  const { key, code, altKey, shiftKey } = event;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && altKey) return code === "KeyN" ? "newChat" : code === "KeyG" ? "newGroup" : code === "KeyI" ? "details" : undefined;
  if (isCommand) return key.toLowerCase() === "k" ? "search" : key === "/" ? "help" : undefined;
  if (altKey) {
    if (key === "ArrowDown") return shiftKey ? "nextUnread" : "next";
    return key === "ArrowUp" ? (shiftKey ? "previousUnread" : "previous") : undefined;
  }
  if (isWriting) return undefined;
  return key === "/" ? "search" : key === "?" ? "help" : undefined;
}

/** The list that the help dialog shows. */
export const keyHelp: readonly { readonly title: Word; readonly keys: readonly (readonly [keys: string, word: Word])[] }[] = [
  {
    title: "keysAnywhere",
    keys: [
      ["Mod K", "keySearch"],
      ["Alt ↑ ↓", "keyNextChat"],
      ["Alt Shift ↑ ↓", "keyNextUnread"],
      ["Mod Alt N", "keyNewChat"],
      ["Mod Alt G", "keyNewGroup"],
      ["Mod Alt I", "keyDetails"],
      ["Esc", "keyClose"],
      ["Mod /", "keyHelp"],
    ],
  },
  {
    title: "keysList",
    keys: [
      ["↑ ↓", "keyMove"],
      ["Home End", "keyEnds"],
      ["Enter", "keyOpen"],
    ],
  },
  {
    title: "keysChat",
    keys: [
      ["↑ ↓", "keyWalk"],
      ["R", "keyReply"],
      ["T", "keyThread"],
      ["C", "keyCopy"],
      ["End", "keyEnd"],
    ],
  },
  {
    title: "keysWriting",
    keys: [
      ["Enter", "keySend"],
      ["Shift Enter", "keyLine"],
      ["@", "keyMention"],
      ["↑", "keyLastMessage"],
    ],
  },
];

/** True if keys pressed there are text. */
export const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

const closers: (() => void)[] = [];

/** Escape calls `close` of what was opened last. Dialogs hear it by themselves. */
export function useEscape(close: () => void, isActive: boolean): void {
  useEffect(() => {
    if (!isActive) return;
    closers.push(close);
    return () => {
      const at = closers.lastIndexOf(close);
      if (at >= 0) closers.splice(at, 1);
    };
  }, [close, isActive]);
}

/** Hears the keys of the whole page. */
export function useShortcuts(act: (shortcut: Shortcut) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
      if (event.key === "Escape") return closers.at(-1)?.();
      const shortcut = shortcutOf(event, isField(event.target));
      if (shortcut === undefined) return;
      event.preventDefault();
      act(shortcut);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [act]);
}
