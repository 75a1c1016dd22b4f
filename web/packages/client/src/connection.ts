//! How the client stands to the server, as an app shows it: one state, one reason, never both guessed from a text.

import { classOf, closeReason, ErrorClass, errorCode } from "@tenon/wire";
import type { ConnectionState } from "./engine/speech.js";

/** Why the state is what it is. */
export type ConnectionReason =
  | "none"
  /** The device has no network. */
  | "no_network"
  /** The server does not answer. */
  | "unreachable"
  /** The server asked for a pause: overload, a limit, a restart. */
  | "server_busy"
  /** The session was ended, or this device was removed. */
  | "signed_out"
  | "account_disabled"
  /** A newer link of the same device took over. */
  | "displaced"
  /** Client and server have no protocol version in common: one of them is too old for the other. */
  | "proto_unsupported"
  /** The server requires a newer client. */
  | "upgrade_required"
  /** The two disagree about the protocol; the client comes back after a pause. */
  | "protocol_error"
  /** The local store failed and there is no other. */
  | "store_failed"
  /** The app stopped it. */
  | "by_app";

/** The connection of an account. */
export interface Connection {
  /** `rebasing`: the link is up and the list is being read anew. `stopped`: does not come back by itself. */
  readonly state: "offline" | "connecting" | "live" | "rebasing" | "backoff" | "stopped";
  readonly reason: ConnectionReason;
  /** Wire code behind the reason; 0 = none. */
  readonly code: number;
  /** For developers; not shown to people. */
  readonly text: string;
  /** When this state began, Unix milliseconds. */
  readonly sinceMs: number;
  /** When the next try is due, Unix milliseconds, in `backoff` only. */
  readonly retryAtMs: number | undefined;
}

/** What a connection is before anything happened. */
export const newConnection = (nowMs: number): Connection => ({ state: "connecting", reason: "none", code: 0, text: "", sinceMs: nowMs, retryAtMs: undefined });

/** Facts beside the engine's state. */
export interface Around {
  readonly isOnline: boolean;
  readonly isListComplete: boolean;
  readonly nowMs: number;
}

/** The connection as it is now; `before` stays the same object if nothing changed. */
export function connectionOf(engine: ConnectionState, around: Around, before: Connection): Connection {
  const next = describe(engine, around);
  const isSame = next.state === before.state && next.reason === before.reason && next.code === before.code && next.retryAtMs === before.retryAtMs;
  if (isSame) return before;
  return { ...next, sinceMs: next.state === before.state ? before.sinceMs : around.nowMs };
}

function describe(engine: ConnectionState, { isOnline, isListComplete, nowMs }: Around): Omit<Connection, "sinceMs"> {
  const none = { code: 0, text: "", retryAtMs: undefined };
  switch (engine.type) {
    case "offline":
      return { ...none, state: "offline", reason: "by_app" };
    case "connecting":
      return isOnline ? { ...none, state: "connecting", reason: "none" } : { ...none, state: "offline", reason: "no_network" };
    case "live":
      return { ...none, state: isListComplete ? "live" : "rebasing", reason: "none" };
    case "backoff": {
      if (!isOnline) return { ...none, state: "offline", reason: "no_network", text: engine.text };
      return { state: "backoff", reason: reasonOf(engine.code, 0), code: engine.code, text: engine.text, retryAtMs: nowMs + engine.waitMs };
    }
    case "stopped":
      return { ...none, state: "stopped", reason: reasonOf(engine.code, engine.reason, "store_failed"), code: engine.code, text: engine.text };
  }
}

function reasonOf(code: number, close: number, otherwise: ConnectionReason = "unreachable"): ConnectionReason {
  if (close === closeReason.DISPLACED) return "displaced";
  if (code === errorCode.account_disabled) return "account_disabled";
  if (code === errorCode.proto_unsupported) return "proto_unsupported";
  if (close === closeReason.SESSION_ENDED) return "signed_out";
  if (close === closeReason.UPGRADE_REQUIRED) return "upgrade_required";
  switch (classOf(code)) {
    case ErrorClass.AUTH:
      return "signed_out";
    case ErrorClass.UPGRADE:
      return "upgrade_required";
    case ErrorClass.RETRY:
    case ErrorClass.LIMIT:
    case ErrorClass.ROUTE:
      return "server_busy";
    case ErrorClass.CLIENT:
    case ErrorClass.RESYNC:
    case ErrorClass.REJECT:
      return "protocol_error";
    default:
      return otherwise;
  }
}
