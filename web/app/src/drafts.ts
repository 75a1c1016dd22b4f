//! What was begun to be written: kept in this browser, shown in the list.

import { type Mention, Value } from "@tenon/client";
import { keep, kept } from "./preferences.js";

/** A text with the people it names. */
export interface Draft {
  readonly text: string;
  readonly names: readonly { readonly user: bigint; readonly label: string }[];
}

const NONE: Draft = { text: "", names: [] };
const values = new Map<string, Value<Draft>>();

/** The place of a draft: a conversation, or a thread in it. */
export const draftKey = (me: bigint, conv: bigint, thread?: bigint): string => `tenon.draft/${me}/${conv}${thread === undefined ? "" : `/${thread}`}`;

function read(key: string): Draft {
  const text = kept(key);
  if (text === null) return NONE;
  try {
    const held = JSON.parse(text) as { readonly text: string; readonly names: readonly (readonly [user: string, label: string])[] };
    return { text: held.text, names: held.names.map(([user, label]) => ({ user: BigInt(user), label })) };
  } catch {
    // Drafts of earlier versions are plain text.
    return { text, names: [] };
  }
}

/** The draft of a place, watched. */
export function draftOf(key: string): Value<Draft> {
  const value = values.get(key) ?? new Value(read(key));
  values.set(key, value);
  return value;
}

/** Keeps a draft; one without text is forgotten. */
export function putDraft(key: string, draft: Draft): void {
  const isEmpty = draft.text.trim() === "";
  keep(key, isEmpty ? undefined : JSON.stringify({ text: draft.text, names: draft.names.map(({ user, label }) => [`${user}`, label]) }));
  draftOf(key).set(isEmpty ? NONE : draft);
}

/** Forgets the drafts of an account. */
export function dropDrafts(me: string): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(`tenon.draft/${me}/`)) keep(key, undefined);
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
  values.clear();
}

/** Every place where a chosen name still stands in the text. */
export function mentionsIn(text: string, chosen: readonly { readonly user: bigint; readonly label: string }[]): Mention[] {
  const out: Mention[] = [];
  for (const { user, label } of [...chosen].sort((a, b) => b.label.length - a.label.length)) {
    const name = `@${label}`;
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
      const overlaps = out.some((m) => at < m.start + m.len && m.start < at + name.length);
      if (!overlaps) out.push({ user, start: at, len: name.length });
    }
  }
  return out.sort((a, b) => a.start - b.start);
}
