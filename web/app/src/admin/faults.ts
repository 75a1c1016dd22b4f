//! What a refusal means to an administrator.

import type { Fault } from "../first-run/ask.js";
import type { AdminWord } from "./words.js";

/** The words for a fault. */
export function wordOfFault(fault: Fault): AdminWord {
  switch (fault.code) {
    case "last_admin":
      return "faultLastAdmin";
    case "name_taken":
      return "faultNameTaken";
    case "unreachable":
      return "faultUnreachable";
    case "not_member":
    case "absent":
    case "target_unknown":
      return "faultAbsent";
    case "role_required":
      return "faultRole";
    case "too_many":
      return "faultTooMany";
    case "busy":
    case "overload":
      return "faultBusy";
    default:
      if (fault.isSignedOut) return "faultSignedOut";
      if (fault.status === 429) return "faultBusy";
      return fault.status === 400 || fault.status === 422 ? "faultBody" : "faultOther";
  }
}
