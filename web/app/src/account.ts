//! Which account is signed in on this browser, and its client.

import { Client, LocalStores, type Session, Value, signOut } from "@tenon/client";
import { databaseOf, forget, heldSession, holdSession, SESSION_KEY } from "./held-session.js";

/** Why nobody is signed in: never was, or this device was signed out elsewhere. */
export type Account = { readonly type: "out"; readonly wasEnded: boolean } | { readonly type: "in"; readonly session: Session; readonly client: Client };

/** Where this browser keeps the rows: for good, or only while the page is open because it refuses to store. */
export const storage = new Value<"disk" | "memory">("disk");

function begin(session: Session): Account {
  const client = new Client({ session, stores: new LocalStores(databaseOf(session)) });
  void navigator.storage?.persist?.();
  // Where the browser refuses, everything is read from the server each time, and the user is told.
  client.storage.subscribe(() => storage.set(client.storage.get().type));
  return { type: "in", session, client };
}

function restored(): Account {
  const session = heldSession();
  return session === undefined ? { type: "out", wasEnded: false } : begin(session);
}

export const account = new Value<Account>(restored());

/** A sign-in succeeded. */
export function enter(session: Session): void {
  holdSession(session);
  account.set(begin(session));
}

/** Leaves the account: rows and credential of this browser go. `isAsked` = the user wanted it, so the server hears of it. */
export async function leave(isAsked: boolean): Promise<void> {
  const held = account.get();
  if (held.type === "out") return;
  holdSession(undefined);
  account.set({ type: "out", wasEnded: !isAsked });
  if (isAsked) await signOut(held.session).catch(() => undefined);
  await held.client.close(true).catch(() => undefined);
  await forget(held.session);
}

// Signing in or out in one tab holds for all.
addEventListener("storage", (event) => {
  if (event.key === SESSION_KEY) location.reload();
});
