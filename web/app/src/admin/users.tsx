//! The people of the organisation.

import { useCallback, useState } from "react";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Avatar } from "../views/avatar.js";
import { Icon } from "../views/icon.js";
import { AddUser } from "./add-user.js";
import type { UserRow, UserState } from "./api.js";
import { useDesk } from "./context.js";
import { type Column, Empty, PagedTable, PageHead, SearchBox, Tag, type Tone } from "./parts.js";
import { usePages } from "./use-pages.js";
import { UserDialog } from "./user-dialog.js";
import { useAdminWords } from "./words.js";

/** Tones of the states. */
export const STATE_TONES: Record<UserState, Tone> = { active: "good", disabled: "bad", imported: "warn" };

/** Display name; the login name if there is none. */
export const shownName = (user: { readonly name: string; readonly display_name: string }): string => user.display_name || user.name;

export function Users() {
  const words = useAdminWords();
  const { api } = useDesk();
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState<string>();
  const [isAdding, setAdding] = useState(false);
  const read = useCallback(
    async (after: string | undefined, signal: AbortSignal) => {
      const { users, next } = await api.users({ query, after }, signal);
      return { rows: users, next };
    },
    [api, query],
  );
  const paged = usePages(read);
  const columns = useColumns(setOpen);
  const opened = paged.rows?.find((row) => row.user === open);
  const change = (next: UserRow) => paged.change((rows) => rows.map((row) => (row.user === next.user ? next : row)));
  return (
    <>
      <PageHead title={words("users")}>
        <SearchBox label={words("usersSearch")} onQuery={setQuery} />
        <button type="button" className="button is-main" onClick={() => setAdding(true)}>
          <Icon name="plus" size={18} />
          {words("addUser")}
        </button>
      </PageHead>
      <PagedTable label={words("users")} columns={columns} paged={paged} keyOf={(row) => row.user} onRow={(row) => setOpen(row.user)} isFaint={(row) => row.state === "disabled"} empty={<Empty icon="group" title={words(query ? "nothing" : "noUsers")} />} />
      {opened && <UserDialog user={opened} onChange={change} onClose={() => setOpen(undefined)} />}
      {isAdding && <AddUser onAdded={paged.again} onClose={() => setAdding(false)} />}
    </>
  );
}

function useColumns(onOpen: (user: string) => void): readonly Column<UserRow>[] {
  const words = useAdminWords();
  const language = useLanguage();
  const { me } = useDesk();
  return [
    {
      name: words("name"),
      cell: (row) => (
        <button type="button" className="cell-person" aria-label={words("openUser", { name: shownName(row) })} onClick={() => onOpen(row.user)}>
          <Avatar id={BigInt(row.user)} name={shownName(row)} size={36} />
          <span>
            <strong>
              {shownName(row)}
              {row.user === me.user && <em> ({words("you")})</em>}
            </strong>
            <small>@{row.name}</small>
          </span>
        </button>
      ),
    },
    { name: words("role"), cell: (row) => (row.role === "admin" ? <Tag tone="accent">{words("admin")}</Tag> : words("member")) },
    { name: words("state"), cell: (row) => <Tag tone={STATE_TONES[row.state]}>{words(row.state)}</Tag> },
    { name: words("devices"), isNumber: true, cell: (row) => row.devices },
    { name: words("created"), cell: (row) => moment(row.created_ms, language) },
  ];
}
