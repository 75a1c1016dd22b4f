//! The administration of an organisation over HTTP. Ids are decimal text, times Unix milliseconds.

import { createInvitation, type InvitationWish, type Me, type NewInvitation, readMe, type Role } from "../first-run/api.js";
import { ask, Fault, withQuery } from "../first-run/ask.js";

/** One second of the server's life. */
export interface Sample {
  readonly at_ms: number;
  readonly messages_per_s: number;
  readonly deliveries_per_s: number;
  /** `null` when nothing was acknowledged. */
  readonly ack_p99_us: number | null;
  readonly connections: number;
}

/** A conversation among the busiest of the last minute. */
export interface HotConversation {
  readonly conversation: string;
  readonly title: string;
  readonly kind: string;
  readonly messages_per_min: number;
}

/** The server now. */
export interface Overview {
  readonly uptime_s: number;
  readonly users: number;
  readonly devices: number;
  readonly groups: number;
  readonly connections: number;
  readonly messages_total: number;
  readonly deliveries_total: number;
  readonly messages_per_s: number;
  readonly deliveries_per_s: number;
  /** Of the last 10 s; `null` when nothing was acknowledged. */
  readonly ack_p50_us: number | null;
  readonly ack_p99_us: number | null;
  readonly data_bytes: number;
  readonly disk_free_bytes: number;
  /** At most 10, the busiest first. */
  readonly hot: readonly HotConversation[];
  /** At most 120, one a second, the newest last. */
  readonly series: readonly Sample[];
}

export type UserState = "active" | "disabled" | "imported";

export interface UserRow {
  readonly user: string;
  readonly name: string;
  readonly display_name: string;
  readonly role: Role;
  readonly state: UserState;
  readonly devices: number;
  readonly created_ms: number;
}

/** A part of a list; `next` asks for the part after it, `null` at the end. */
export interface Page {
  readonly next: string | null;
}

export interface UserPage extends Page {
  readonly users: readonly UserRow[];
}

/** A one-time link to set a password. */
export interface UserLink {
  readonly link: string;
  readonly expires_ms?: number;
}

export type InvitationState = "open" | "used" | "expired" | "revoked";

export interface InvitationRow {
  readonly invitation: string;
  readonly role: Role;
  readonly uses_left: number;
  readonly uses: number;
  readonly expires_ms: number;
  /** Login name, or `operator`. */
  readonly created_by: string;
  readonly created_ms: number;
  readonly state: InvitationState;
  /** Login name of the user whose password the link sets; `null` for a link that makes accounts. */
  readonly name: string | null;
}

export interface GroupRow {
  readonly conversation: string;
  readonly title: string;
  readonly members: number;
  readonly mode: "queue" | "pull";
  readonly created_ms: number;
  readonly last_message_ms: number | null;
}

export interface GroupPage extends Page {
  readonly groups: readonly GroupRow[];
}

export interface MemberRow {
  readonly user: string;
  readonly name: string;
  readonly role: string;
}

export interface MemberPage extends Page {
  readonly members: readonly MemberRow[];
}

export interface DeviceRow {
  readonly device: string;
  readonly user: string;
  readonly name: string;
  readonly label: string;
  readonly device_kind: number | string;
  readonly created_ms: number;
  readonly is_connected: boolean;
}

/** A user, or whoever runs the server. */
export type Actor = { readonly user: string; readonly name: string } | "operator";

export interface AuditEntry {
  readonly entry: string;
  readonly at_ms: number;
  readonly actor: Actor;
  /** Subject and deed: `user.disable`. */
  readonly action: string;
  readonly target: string;
  readonly detail: string;
}

export interface AuditPage extends Page {
  readonly entries: readonly AuditEntry[];
}

/** What part of a list is asked for. */
export interface Part {
  readonly query?: string;
  readonly after?: string | undefined;
  readonly limit?: number;
}

/** Rows of a list asked for at once. */
const LIMIT = 50;

/** The questions of an administrator. Every one throws `Fault`. */
export class AdminApi {
  constructor(
    private readonly credential: string,
    /** The server says that this is no session, or no administrator, any more. */
    private readonly onLost: (fault: Fault) => void = () => undefined,
  ) {}

  me(signal: AbortSignal): Promise<Me> {
    return readMe(this.credential, signal);
  }

  overview(signal: AbortSignal): Promise<Overview> {
    return this.read("/v1/admin/overview", {}, signal);
  }

  users({ query, after, limit = LIMIT }: Part, signal?: AbortSignal): Promise<UserPage> {
    return this.read("/v1/admin/users", { query, after, limit }, signal);
  }

  addUser(name: string, display_name: string, role: Role): Promise<UserLink & { readonly user: string }> {
    return this.write("users", { name, display_name, role });
  }

  setState(user: string, state: "active" | "disabled"): Promise<void> {
    return this.write("users/state", { user, state });
  }

  setRole(user: string, role: Role): Promise<void> {
    return this.write("users/role", { user, role });
  }

  /** A link with which the user sets a new password. */
  resetLink(user: string): Promise<UserLink> {
    return this.write("users/link", { user });
  }

  async invitations(signal: AbortSignal): Promise<readonly InvitationRow[]> {
    const { invitations } = await this.read<{ invitations: readonly InvitationRow[] }>("/v1/admin/invitations", {}, signal);
    return invitations;
  }

  invite(wish: InvitationWish): Promise<NewInvitation> {
    return this.watched(createInvitation(this.credential, wish));
  }

  revokeInvitation(invitation: string): Promise<void> {
    return this.write("invitations/revoke", { invitation });
  }

  groups({ query, after, limit = LIMIT }: Part, signal?: AbortSignal): Promise<GroupPage> {
    return this.read("/v1/admin/groups", { query, after, limit }, signal);
  }

  members(conversation: string, { after, limit = LIMIT }: Part, signal?: AbortSignal): Promise<MemberPage> {
    return this.read("/v1/admin/groups/members", { conversation, after, limit }, signal);
  }

  addMember(conversation: string, user: string): Promise<void> {
    return this.write("groups/add", { conversation, user });
  }

  removeMember(conversation: string, user: string): Promise<void> {
    return this.write("groups/remove", { conversation, user });
  }

  async devices(user: string, signal: AbortSignal): Promise<readonly DeviceRow[]> {
    const { devices } = await this.read<{ devices: readonly DeviceRow[] }>("/v1/admin/devices", { user }, signal);
    return devices;
  }

  revokeDevice(user: string, device: string): Promise<void> {
    return this.write("devices/revoke", { user, device });
  }

  audit({ before, limit = LIMIT }: { readonly before?: string | undefined; readonly limit?: number }, signal?: AbortSignal): Promise<AuditPage> {
    return this.read("/v1/admin/audit", { before, limit }, signal);
  }

  private read<T>(path: string, query: Readonly<Record<string, string | number | undefined>>, signal?: AbortSignal): Promise<T> {
    return this.watched(ask<T>(withQuery(path, query), { credential: this.credential, ...(signal ? { signal } : {}) }));
  }

  private write<T>(path: string, body: unknown): Promise<T> {
    return this.watched(ask<T>(`/v1/admin/${path}`, { credential: this.credential, body }));
  }

  private async watched<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof Fault && (error.isSignedOut || error.isRefusedRole)) this.onLost(error);
      throw error;
    }
  }
}
