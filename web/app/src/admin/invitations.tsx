//! Links with which new people join.

import { useCallback, useState } from "react";
import { useLoad } from "../first-run/use-load.js";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Confirm } from "../views/dialog.js";
import { Icon } from "../views/icon.js";
import type { InvitationRow, InvitationState } from "./api.js";
import { useDesk } from "./context.js";
import { NewInvitation } from "./new-invitation.js";
import { type Column, Empty, FaultLine, PageHead, Skeletons, Table, Tag, type Tone } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { useAdminWords } from "./words.js";

const TONES: Record<InvitationState, Tone> = { open: "good", used: "plain", expired: "plain", revoked: "bad" };

/** Who made it, if it was not a user. */
const OPERATOR = "operator";

/** Open ones first, then the newest. */
const inOrder = (a: InvitationRow, b: InvitationRow): number => Number(b.state === "open") - Number(a.state === "open") || b.created_ms - a.created_ms;

export function Invitations() {
  const words = useAdminWords();
  const { api } = useDesk();
  const loaded = useLoad(useCallback((signal) => api.invitations(signal), [api]));
  const { fault, run } = useDeeds();
  const [isMaking, setMaking] = useState(false);
  const [asked, setAsked] = useState<InvitationRow>();
  const withdraw = (row: InvitationRow) => {
    setAsked(undefined);
    run(() => api.revokeInvitation(row.invitation), loaded.again);
  };
  const columns = useColumns(setAsked);
  const rows = loaded.value;
  return (
    <>
      <PageHead title={words("invitations")} hint={words("inviteHint")}>
        <button type="button" className="button is-main" onClick={() => setMaking(true)}>
          <Icon name="plus" size={18} />
          {words("invite")}
        </button>
      </PageHead>
      {fault && <FaultLine fault={fault} />}
      {loaded.fault && <FaultLine fault={loaded.fault} onRetry={loaded.again} />}
      {rows === undefined && loaded.isLoading && <Skeletons />}
      {rows?.length === 0 && <Empty icon="link" title={words("noInvitations")} hint={words("noInvitationsHint")} />}
      {rows !== undefined && rows.length > 0 && <Table label={words("invitations")} columns={columns} rows={[...rows].sort(inOrder)} keyOf={(row) => row.invitation} isFaint={(row) => row.state !== "open"} />}
      {isMaking && <NewInvitation onMade={loaded.again} onClose={() => setMaking(false)} />}
      {asked && <Confirm title={words("withdrawTitle")} text={words("withdrawSure")} yes={words("withdraw")} no={words("cancel")} onNo={() => setAsked(undefined)} onYes={() => withdraw(asked)} />}
    </>
  );
}

/** Whom the link lets in: new people in a role, or one user with a new password. */
function Lets({ row }: { readonly row: InvitationRow }) {
  const words = useAdminWords();
  if (row.name !== null) return words("passwordOf", { name: row.name });
  return row.role === "admin" ? <Tag tone="accent">{words("admin")}</Tag> : words("member");
}

function useColumns(onWithdraw: (row: InvitationRow) => void): readonly Column<InvitationRow>[] {
  const words = useAdminWords();
  const language = useLanguage();
  return [
    { name: words("created"), cell: (row) => moment(row.created_ms, language) },
    { name: words("state"), cell: (row) => <Tag tone={TONES[row.state]}>{words(row.state)}</Tag> },
    { name: words("places"), cell: (row) => words("left", { left: row.uses_left, uses: row.uses }) },
    { name: words("lets"), cell: (row) => <Lets row={row} /> },
    { name: words("until"), cell: (row) => moment(row.expires_ms, language) },
    { name: words("by"), cell: (row) => (row.created_by === OPERATOR ? <em>{words("operator")}</em> : `@${row.created_by}`) },
    {
      name: words("withdraw"),
      isBare: true,
      cell: (row) =>
        row.state === "open" && (
          <button type="button" className="button is-small" onClick={() => onWithdraw(row)}>
            {words("withdraw")}
          </button>
        ),
    },
  ];
}
