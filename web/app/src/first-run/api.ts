//! Set-up, invitations and the own account, as the server answers them. Ids are decimal text, times Unix milliseconds.

import type { Session } from "@tenon/client";
import { ask } from "./ask.js";

/** Role of a user in the organisation. */
export type Role = "member" | "admin";

/** What anybody may know of this server. */
export interface ServerFacts {
  readonly name: string;
  readonly version: string;
  /** `null` until it is set up. */
  readonly organisation: string | null;
  readonly is_demo: boolean;
  readonly needs_setup: boolean;
}

/** What a person chooses for an account. */
export interface NewAccount {
  readonly name: string;
  readonly display_name: string;
  readonly password: string;
  /** Name of the new device, at most 64 bytes. */
  readonly label: string;
}

/** An invitation as the invited sees it. */
export interface InvitationLook {
  /** May be empty. */
  readonly organisation: string;
  /** Display name of who made it; empty for the operator. */
  readonly invited_by: string;
  readonly role: Role;
  readonly expires_ms: number;
  readonly uses_left: number;
  /** Login name of the user that the link is bound to; absent in a link for somebody new. */
  readonly name?: string | null;
  readonly display_name?: string | null;
}

/** The own account. */
export interface Me {
  readonly user: string;
  readonly org: string;
  readonly name: string;
  readonly display_name: string;
  readonly role: Role;
  /** `null` on a server whose organisation never got a name. */
  readonly organisation: string | null;
  readonly is_demo: boolean;
}

/** An invitation just made; its link is told this once. */
export interface NewInvitation {
  readonly invitation: string;
  readonly link: string;
  readonly expires_ms: number;
}

/** What an invitation shall allow. */
export interface InvitationWish {
  readonly role: Role;
  /** 1 to 1000. */
  readonly uses: number;
  /** 60 to 2,592,000. */
  readonly valid_for_s: number;
}

/** `device_kind` of a browser. */
const KIND_WEB = 4;

type SignedIn = Omit<Session, "server">;

const sessionOf = ({ credential, user, device, org, name }: SignedIn): Session => ({ server: "", credential, user, device, org, name });

export const readServer = (signal?: AbortSignal): Promise<ServerFacts> => ask("/v1/server", signal ? { signal } : {});

/** Makes the organisation and its first administrator, who is signed in at once. */
export async function setUp(token: string, organisation: string, account: NewAccount): Promise<Session> {
  return sessionOf(await ask<SignedIn>("/v1/setup", { body: { token, organisation, ...account, device_kind: KIND_WEB } }));
}

export const lookAtInvitation = (token: string, signal?: AbortSignal): Promise<InvitationLook> => ask("/v1/invitations/look", { body: { token }, ...(signal ? { signal } : {}) });

/** Makes the account, or sets the password of the one the link is bound to; signs in. */
export async function acceptInvitation(token: string, account: NewAccount): Promise<Session> {
  return sessionOf(await ask<SignedIn>("/v1/invitations/accept", { body: { token, ...account, device_kind: KIND_WEB } }));
}

/** Replaces the own password: connections of other devices end, the devices stay. */
export const changePassword = (credential: string, old: string, fresh: string): Promise<void> => ask("/v1/me/password", { credential, body: { old, new: fresh } });

export const createInvitation = (credential: string, wish: InvitationWish): Promise<NewInvitation> => ask("/v1/admin/invitations", { credential, body: wish });

export const readMe = (credential: string, signal?: AbortSignal): Promise<Me> => ask("/v1/me", { credential, ...(signal ? { signal } : {}) });

/** Somebody as whom a visitor of a demonstration may look around. */
export interface DemoPerson {
  readonly who: "admin" | "member";
  readonly name: string;
  readonly display_name: string;
}

/** What a demonstration offers, and where its messages come from. */
export interface Demo {
  readonly people: readonly DemoPerson[];
  readonly source: string;
}

/** @throws Fault `absent` where there is no way in without a password */
export const readDemo = (signal: AbortSignal): Promise<Demo> => ask("/v1/demo", { signal });

/** Signs a visitor in. */
export async function enterDemo(who: DemoPerson["who"]): Promise<Session> {
  return sessionOf(await ask<SignedIn>("/v1/demo/sign-in", { body: { who } }));
}
