//! The form of an invitation, then its link.

import { type FormEvent, useId, useState } from "react";
import type { NewInvitation as Made, Role } from "../first-run/api.js";
import { LinkCard } from "../first-run/link-card.js";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Dialog } from "../views/dialog.js";
import { useDesk } from "./context.js";
import { Choice, FaultLine } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { type Say, useAdminWords } from "./words.js";

/** Most people one link lets in. */
const USES_MAX = 1000;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
/** How long a link may be valid, in seconds. */
const SPANS = [HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S] as const;

/** The number of uses that a text means; `undefined` if it is none from 1 to 1000. */
export function usesOf(text: string): number | undefined {
  const clean = text.trim();
  if (!/^\d{1,4}$/.test(clean)) return undefined;
  const uses = Number(clean);
  return uses >= 1 && uses <= USES_MAX ? uses : undefined;
}

function spanText(seconds: number, words: Say): string {
  const [n, one, many] = seconds < DAY_S ? ([seconds / HOUR_S, "hoursOne", "hours"] as const) : ([seconds / DAY_S, "daysOne", "days"] as const);
  return n === 1 ? words(one) : words(many, { n });
}

export function NewInvitation({ onMade, onClose }: { readonly onMade: () => void; readonly onClose: () => void }) {
  const words = useAdminWords();
  const language = useLanguage();
  const [made, setMade] = useState<Made>();
  return (
    <Dialog title={words(made ? "inviteReady" : "invite")} closeLabel={words("close")} onClose={onClose}>
      {made ? (
        <>
          <p>{words("inviteOnce")}</p>
          <LinkCard link={made.link} />
          <p className="centred">{words("validUntil", { time: moment(made.expires_ms, language) })}</p>
        </>
      ) : (
        <Form
          onMade={(next) => {
            setMade(next);
            onMade();
          }}
        />
      )}
    </Dialog>
  );
}

function Form({ onMade }: { readonly onMade: (made: Made) => void }) {
  const words = useAdminWords();
  const { api } = useDesk();
  const { isBusy, fault, run } = useDeeds();
  const note = useId();
  const [role, setRole] = useState<Role>("member");
  const [text, setText] = useState("1");
  const [validFor, setValidFor] = useState(7 * DAY_S);
  const uses = usesOf(text);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (uses !== undefined) run(() => api.invite({ role, uses, valid_for_s: validFor }), onMade);
  };
  return (
    <form className="dialog-form" noValidate onSubmit={submit}>
      <div className="field">
        <label className="field">
          <span>{words("uses")}</span>
          <input value={text} inputMode="numeric" onChange={(event) => setText(event.target.value)} aria-invalid={uses === undefined} aria-describedby={note} data-focus />
        </label>
        <small id={note} className="is-fault">
          {uses === undefined && words("usesFault")}
        </small>
      </div>
      <Choice<`${number}`> label={words("validFor")} value={`${validFor}`} options={SPANS.map((span) => [`${span}`, spanText(span, words)] as const)} onChange={(span) => setValidFor(Number(span))} />
      <Choice<Role>
        label={words("role")}
        value={role}
        options={[
          ["member", words("member")],
          ["admin", words("admin")],
        ]}
        onChange={setRole}
      />
      {fault && <FaultLine fault={fault} />}
      <button className="button is-main is-wide" disabled={isBusy || uses === undefined}>
        {words("create")}
      </button>
    </form>
  );
}
