//! The groups of the organisation.

import { useCallback, useState } from "react";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Avatar } from "../views/avatar.js";
import type { GroupRow } from "./api.js";
import { useDesk } from "./context.js";
import { GroupDialog } from "./group-dialog.js";
import { count } from "./numbers.js";
import { type Column, Empty, PagedTable, PageHead, SearchBox } from "./parts.js";
import { usePages } from "./use-pages.js";
import { useAdminWords } from "./words.js";

export function Groups() {
  const words = useAdminWords();
  const { api } = useDesk();
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState<string>();
  const read = useCallback(
    async (after: string | undefined, signal: AbortSignal) => {
      const { groups, next } = await api.groups({ query, after }, signal);
      return { rows: groups, next };
    },
    [api, query],
  );
  const paged = usePages(read);
  const columns = useColumns(setOpen);
  const opened = paged.rows?.find((row) => row.conversation === open);
  const grow = (by: number) => paged.change((rows) => rows.map((row) => (row.conversation === open ? { ...row, members: row.members + by } : row)));
  return (
    <>
      <PageHead title={words("groups")}>
        <SearchBox label={words("groupsSearch")} onQuery={setQuery} />
      </PageHead>
      <PagedTable label={words("groups")} columns={columns} paged={paged} keyOf={(row) => row.conversation} onRow={(row) => setOpen(row.conversation)} empty={<Empty icon="group" title={words(query ? "nothing" : "noGroups")} />} />
      {opened && <GroupDialog group={opened} onGrow={grow} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function useColumns(onOpen: (conversation: string) => void): readonly Column<GroupRow>[] {
  const words = useAdminWords();
  const language = useLanguage();
  const titleOf = (row: GroupRow) => row.title || words("untitled");
  return [
    {
      name: words("name"),
      cell: (row) => (
        <button type="button" className="cell-person" aria-label={words("openGroup", { name: titleOf(row) })} onClick={() => onOpen(row.conversation)}>
          <Avatar id={BigInt(row.conversation)} name={titleOf(row)} size={36} />
          <strong>{titleOf(row)}</strong>
        </button>
      ),
    },
    { name: words("members"), isNumber: true, cell: (row) => count(row.members, language) },
    { name: words("mode"), cell: (row) => words(row.mode === "pull" ? "modePull" : "modeQueue") },
    { name: words("lastMessage"), cell: (row) => (row.last_message_ms ? moment(row.last_message_ms, language) : words("never")) },
    { name: words("created"), cell: (row) => moment(row.created_ms, language) },
  ];
}
