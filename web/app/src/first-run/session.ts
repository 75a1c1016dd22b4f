//! The session that a link gave.

import { type Session, signOut } from "@tenon/client";
import { forget, heldSession, holdSession } from "../held-session.js";

/** Keeps `session` as the one of this browser; one held before is signed out and its rows go. */
export async function takeSession(session: Session): Promise<void> {
  const old = heldSession();
  holdSession(session);
  if (old === undefined || old.device === session.device) return;
  await signOut(old).catch(() => undefined);
  await forget(old);
}
