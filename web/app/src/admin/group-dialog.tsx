//! The members of a group: who they are, one more, one less.

import { useCallback, useState } from "react";
import { useLoad } from "../first-run/use-load.js";
import { Avatar } from "../views/avatar.js";
import { Confirm, Dialog } from "../views/dialog.js";
import type { GroupRow, MemberRow, UserRow } from "./api.js";
import { useDesk } from "./context.js";
import { FaultLine, SearchBox } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { type Paged, usePages } from "./use-pages.js";
import { shownName } from "./users.js";
import { type AdminWord, useAdminWords } from "./words.js";

/** People offered while a name is typed. */
const OFFERED_MAX = 6;

const ROLES: Readonly<Record<string, AdminWord>> = { owner: "owner", admin: "admin" };

export interface GroupDialogProps {
  readonly group: GroupRow;
  /** The number of members changed by this much. */
  readonly onGrow: (by: number) => void;
  readonly onClose: () => void;
}

export function GroupDialog({ group, onGrow, onClose }: GroupDialogProps) {
  const words = useAdminWords();
  const { api, note } = useDesk();
  const { isBusy, fault, run } = useDeeds();
  const [asked, setAsked] = useState<MemberRow>();
  const read = useCallback(
    async (after: string | undefined, signal: AbortSignal) => {
      const { members, next } = await api.members(group.conversation, { after }, signal);
      return { rows: members, next };
    },
    [api, group.conversation],
  );
  const paged = usePages(read);
  const add = (user: UserRow) =>
    run(
      () => api.addMember(group.conversation, user.user),
      () => {
        onGrow(1);
        paged.again();
        note(words("memberAdded", { name: shownName(user) }));
      },
    );
  const remove = (member: MemberRow) => {
    setAsked(undefined);
    run(
      () => api.removeMember(group.conversation, member.user),
      () => {
        onGrow(-1);
        paged.change((rows) => rows.filter((row) => row.user !== member.user));
        note(words("memberRemoved", { name: member.name }));
      },
    );
  };
  return (
    <Dialog title={group.title || words("untitled")} closeLabel={words("close")} onClose={onClose}>
      <AddMember members={paged.rows ?? []} isBusy={isBusy} onAdd={add} />
      {fault && <FaultLine fault={fault} />}
      <Members paged={paged} total={group.members} isBusy={isBusy} onRemove={setAsked} />
      {asked && <Confirm title={words("removeMember", { name: asked.name })} text={words("removeSure", { name: asked.name })} yes={words("remove")} no={words("cancel")} onNo={() => setAsked(undefined)} onYes={() => remove(asked)} />}
    </Dialog>
  );
}

interface AddMemberProps {
  readonly members: readonly MemberRow[];
  readonly isBusy: boolean;
  readonly onAdd: (user: UserRow) => void;
}

function AddMember({ members, isBusy, onAdd }: AddMemberProps) {
  const words = useAdminWords();
  const [query, setQuery] = useState("");
  return (
    <section className="add-member" aria-label={words("addMember")}>
      <h3>{words("addMember")}</h3>
      <SearchBox label={words("addMemberHint")} onQuery={setQuery} />
      {query !== "" && <Offered query={query} members={members} isBusy={isBusy} onAdd={onAdd} />}
    </section>
  );
}

function Offered({ query, members, isBusy, onAdd }: AddMemberProps & { readonly query: string }) {
  const words = useAdminWords();
  const { api } = useDesk();
  const found = useLoad(useCallback((signal) => api.users({ query, limit: OFFERED_MAX }, signal), [api, query]));
  if (found.fault) return <FaultLine fault={found.fault} onRetry={found.again} />;
  const held = new Set(members.map((member) => member.user));
  const users = found.value?.users.filter((user) => !held.has(user.user) && user.state !== "disabled");
  return (
    <ul className="people" aria-live="polite">
      {users === undefined && <li className="skeleton" />}
      {users?.length === 0 && <li className="quiet">{words("nothing")}</li>}
      {users?.map((user) => (
        <li key={user.user}>
          <span className="person is-still">
            <Avatar id={BigInt(user.user)} name={shownName(user)} size={36} />
            <span>
              <strong>{shownName(user)}</strong>
              <small>@{user.name}</small>
            </span>
          </span>
          <button type="button" className="button is-small is-main" disabled={isBusy} aria-label={words("addToGroup", { name: shownName(user) })} onClick={() => onAdd(user)}>
            {words("add")}
          </button>
        </li>
      ))}
    </ul>
  );
}

interface MembersProps {
  readonly paged: Paged<MemberRow>;
  readonly total: number;
  readonly isBusy: boolean;
  readonly onRemove: (member: MemberRow) => void;
}

function Members({ paged, total, isBusy, onRemove }: MembersProps) {
  const words = useAdminWords();
  const { rows, fault, isLoading, hasMore, more } = paged;
  return (
    <section className="panel-section" aria-busy={isLoading}>
      <h3>
        {words("members")} · {total}
      </h3>
      {rows === undefined && isLoading && <span className="skeleton" />}
      <ul className="people">
        {rows?.map((member) => {
          const role = ROLES[member.role];
          return (
            <li key={member.user}>
              <span className="person is-still">
                <Avatar id={BigInt(member.user)} name={member.name} size={36} />
                <span>
                  <strong>{member.name}</strong>
                  {role && <small>{words(role)}</small>}
                </span>
              </span>
              <button type="button" className="button is-small" disabled={isBusy} aria-label={words("removeMember", { name: member.name })} onClick={() => onRemove(member)}>
                {words("remove")}
              </button>
            </li>
          );
        })}
      </ul>
      {fault && <FaultLine fault={fault} onRetry={more} />}
      {hasMore && !fault && (
        <button type="button" className="button is-small more" disabled={isLoading} onClick={more}>
          {words(isLoading ? "loading" : "more")}
        </button>
      )}
    </section>
  );
}
