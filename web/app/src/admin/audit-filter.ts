//! Which entries of the audit are shown.

import type { Actor, AuditEntry } from "./api.js";

/** Subjects that can be shown alone. */
export const SUBJECTS = ["user", "invitation", "group", "device", "app", "server", "other"] as const;
export type Subject = (typeof SUBJECTS)[number];

/** The subject of an action: what stands before its point. */
export function subjectOf(action: string): Subject {
  const name = action.split(".")[0] ?? "";
  if (name === "setup" || name === "organisation") return "server";
  return SUBJECTS.find((subject) => subject === name) ?? "other";
}

/** Name of who did it; `undefined` = whoever runs the server. */
export const actorName = (actor: Actor): string | undefined => (typeof actor === "object" ? actor.name || actor.user : undefined);

/** True if `entry`, whose action is called `deed`, is about `subject` (all without one) and holds every word of `query`. */
export function isWanted(entry: AuditEntry, deed: string, subject: Subject | undefined, query: string): boolean {
  if (subject !== undefined && subjectOf(entry.action) !== subject) return false;
  const text = `${actorName(entry.actor) ?? "operator"} ${entry.action} ${deed} ${entry.target} ${entry.detail}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}
