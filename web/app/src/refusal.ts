//! What a refusal means to the person who caused it.

import { Refused } from "@tenon/client";
import { classOf, ErrorClass, errorCode, WireError } from "@tenon/wire";
import type { Word } from "./words.js";

/** The words for a wire code. */
export function wordOfCode(code: number): Word {
  if (code === errorCode.muted) return "refusedMuted";
  if (code === errorCode.not_member || code === errorCode.absent || code === errorCode.dissolved) return "refusedNotMember";
  if (code === errorCode.role_required || code === errorCode.policy) return "refusedRole";
  if (code === errorCode.too_large || code === errorCode.too_many) return "refusedTooLarge";
  return classOf(code) === ErrorClass.LIMIT ? "refusedRate" : "refusedOther";
}

/** The words for anything thrown while doing what the user asked. */
export const wordOf = (error: unknown): Word => (error instanceof Refused ? wordOfCode(error.code) : "somethingWrong");

/** The words for a sign-in that failed. */
export function wordOfSignIn(error: unknown): Word {
  if (!(error instanceof WireError)) return "serverUnreachable";
  if (error.code === "account_disabled" || error.code === "organisation_closed") return "accountDisabled";
  const errorClass = classOf(error.number);
  if (errorClass === ErrorClass.LIMIT || error.code === "busy" || error.code === "overload") return "serverBusy";
  return errorClass === ErrorClass.AUTH || errorClass === ErrorClass.REJECT ? "wrongPassword" : "somethingWrong";
}
