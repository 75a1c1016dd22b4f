//! The signed-in device as this browser keeps it. Nothing here connects: pages without the chat use it too.

import { LocalStores, type Session } from "@tenon/client";
import { dropDrafts } from "./drafts.js";
import { keep, kept } from "./preferences.js";

/** Where the session stands in the browser's storage; other tabs watch it. */
export const SESSION_KEY = "tenon.session";

/** Name of the database with the rows of a session. */
export const databaseOf = (session: Session): string => `tenon/${session.user}/${session.device}`;

/** The session of this browser; `undefined` if nobody is signed in. */
export function heldSession(): Session | undefined {
  const text = kept(SESSION_KEY);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as Session;
  } catch {
    return undefined;
  }
}

/** Keeps a session over restarts of the browser; `undefined` ends that. */
export function holdSession(session: Session | undefined): void {
  keep(SESSION_KEY, session === undefined ? undefined : JSON.stringify(session));
}

/** Removes the rows and drafts of a session that is over. */
export async function forget(session: Session): Promise<void> {
  await new LocalStores(databaseOf(session)).destroy().catch(() => undefined);
  dropDrafts(session.user);
}
