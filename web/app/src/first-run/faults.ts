//! What a refusal of set-up or joining means to the person who caused it.

import type { Fault } from "./ask.js";
import type { FirstWord } from "./words.js";

/** A link that leads nowhere any more. */
export type DeadLink = "expired" | "used" | "revoked";

/** Why the link is dead; `undefined` if something else is wrong. */
export function deadLinkOf(fault: Fault): DeadLink | undefined {
  if (fault.code === "link_expired") return "expired";
  if (fault.code === "link_used") return "used";
  return fault.code === "link_revoked" ? "revoked" : undefined;
}

/** The words for a fault of a form. */
export function wordOfFault(fault: Fault): FirstWord {
  switch (fault.code) {
    case "name_taken":
      return "faultNameTaken";
    case "password_weak":
      return "faultPassword";
    case "unreachable":
      return "faultUnreachable";
    case "busy":
    case "overload":
      return "faultBusy";
    default:
      if (fault.status === 429) return "faultBusy";
      return fault.status === 400 || fault.status === 422 ? "faultBody" : "faultOther";
  }
}
