//! Sign-in over HTTP: a password becomes a device with a credential, a credential becomes tickets.

import { errorCode, type ErrorText, WireError } from "@tenon/wire";

/** A signed-in device, as the app keeps it. Ids are decimal text. */
export interface Session {
  readonly server: string;
  readonly credential: string;
  readonly user: string;
  readonly device: string;
  readonly org: string;
  readonly name: string;
}

/** What a person signs in with. */
export interface Login {
  readonly name: string;
  readonly password: string;
  /** Name of the new device, at most 64 bytes. */
  readonly label: string;
}

/** `device_kind` of a browser. */
const KIND_WEB = 4;

interface TicketBody extends Omit<Session, "server"> {
  readonly ticket: string;
}

interface RefusedBody {
  readonly code?: string;
  readonly message?: string;
}

async function post(server: string, path: string, credential: string | undefined, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (credential !== undefined) headers["authorization"] = `Bearer ${credential}`;
  const response = await fetch(`${server}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (response.ok) return response;
  const refused = (await response.json().catch(() => ({}))) as RefusedBody;
  const known = refused.code !== undefined && refused.code in errorCode;
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  throw new WireError(known ? (refused.code as ErrorText) : "degraded", refused.message ?? `HTTP ${response.status}`, seconds > 0 ? seconds * 1_000 : 0);
}

/** Signs in. @throws WireError with the code of the refusal; TypeError if the server cannot be reached */
export async function signIn(server: string, login: Login): Promise<Session> {
  const response = await post(server, "/v1/login", undefined, { ...login, device_kind: KIND_WEB });
  const { credential, user, device, org, name } = (await response.json()) as TicketBody;
  return { server, credential, user, device, org, name };
}

/** A fresh ticket. @throws WireError of class AUTH if the session is over */
export async function freshTicket(session: Session): Promise<Uint8Array> {
  const response = await post(session.server, "/v1/ticket", session.credential, {});
  const { ticket } = (await response.json()) as TicketBody;
  return Uint8Array.from(atob(ticket), (c) => c.charCodeAt(0));
}

/** Removes this device from the account. */
export async function signOut(session: Session): Promise<void> {
  await post(session.server, "/v1/logout", session.credential, {});
}

/** Where the WebSocket of a server is. */
export function socketUrl(server: string, page: string): string {
  const url = new URL("/v1/connect", new URL(server || page, page));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
