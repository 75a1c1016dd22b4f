//! `/join#TOKEN`: an invited person makes an account; a link bound to a user sets that user's password.

import { type FormEvent, useCallback, useState } from "react";
import { deviceLabel } from "../device-label.js";
import { heldSession } from "../held-session.js";
import { useLanguage } from "../hooks.js";
import { acceptInvitation, type InvitationLook, lookAtInvitation } from "./api.js";
import { type Fault, faultOf } from "./ask.js";
import { loginFault, nameFault, passwordFault, tokenOf } from "./checks.js";
import { Door } from "./door.js";
import { type DeadLink, deadLinkOf, wordOfFault } from "./faults.js";
import { PasswordField, TextField } from "./fields.js";
import { FormFault, useWait } from "./form-fault.js";
import { Notice, Waiting } from "./notice.js";
import { focusFault, useNewLink, useTitle } from "./page.js";
import { takeSession } from "./session.js";
import { useLoad } from "./use-load.js";
import { moment } from "./when.js";
import { type FirstWord, useFirstWords } from "./words.js";

const DEAD: Record<DeadLink, readonly [title: FirstWord, text: FirstWord]> = {
  expired: ["joinExpired", "joinExpiredHint"],
  used: ["joinUsed", "joinUsedHint"],
  revoked: ["joinRevoked", "joinRevokedHint"],
};

export function Join() {
  const words = useFirstWords();
  const token = tokenOf(location.hash);
  const look = useLoad<InvitationLook | undefined>(useCallback((signal) => (token === "" ? Promise.resolve(undefined) : lookAtInvitation(token, signal)), [token]));
  const [refused, setRefused] = useState<Fault>();
  useNewLink();
  useTitle(words("joinTitle", { organisation: look.value?.organisation || "Tenon" }));
  const isSignedIn = heldSession() !== undefined;
  const fault = refused ?? look.fault;
  const dead = fault && deadLinkOf(fault);
  if (token === "") return <Notice icon="link" title={words("joinNoToken")} text={words("joinNoTokenHint")} isSignedIn={isSignedIn} />;
  if (dead) return <Notice icon="clock" title={words(DEAD[dead][0])} text={words(DEAD[dead][1])} isSignedIn={isSignedIn} />;
  if (fault) {
    const text = words(wordOfFault(fault), { code: fault.code });
    return <Notice icon="warn" title={words("join")} text={text} onRetry={look.again} isSignedIn={isSignedIn} />;
  }
  if (look.value === undefined) return <Waiting />;
  return <Form token={token} look={look.value} onRefused={setRefused} />;
}

interface FormProps {
  readonly token: string;
  readonly look: InvitationLook;
  readonly onRefused: (fault: Fault) => void;
}

function Form({ token, look, onRefused }: FormProps) {
  const words = useFirstWords();
  const language = useLanguage();
  const bound = look.name ?? undefined;
  const [name, setName] = useState(bound ?? "");
  const [display, setDisplay] = useState(look.display_name ?? "");
  const [password, setPassword] = useState("");
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault>();
  const wait = useWait(fault);
  const held = heldSession();
  const faults = bound === undefined ? [loginFault(name), nameFault(display), passwordFault(password)] : [undefined, undefined, passwordFault(password)];

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    setFault(undefined);
    if (faults.some(Boolean)) return focusFault(event.currentTarget);
    setBusy(true);
    try {
      await takeSession(await acceptInvitation(token, { name: name.trim(), display_name: display.trim(), password, label: deviceLabel() }));
      location.replace("/");
    } catch (error) {
      const found = faultOf(error);
      if (deadLinkOf(found)) return onRefused(found);
      setFault(found);
      setBusy(false);
    }
  };

  return (
    <Door title={bound === undefined ? words("joinTitle", { organisation: look.organisation || "Tenon" }) : words("resetTitle")} hint={<Invited look={look} />}>
      <form className="door-form" noValidate onSubmit={(event) => void submit(event)}>
        {bound === undefined ? (
          <>
            <TextField label={words("displayName")} hint={words("displayHint")} value={display} onChange={setDisplay} autoComplete="name" fault={faults[1]} isTried={isTried} isFirst />
            <TextField label={words("loginName")} hint={words("loginHint")} value={name} onChange={setName} autoComplete="username" fault={faults[0]} isTried={isTried} isCode />
          </>
        ) : (
          // Password managers look for the name beside the new password.
          <input className="sr-only" value={bound} autoComplete="username" readOnly tabIndex={-1} aria-hidden="true" />
        )}
        <PasswordField label={words(bound === undefined ? "password" : "newPassword")} value={password} onChange={setPassword} known={[look.organisation, name, display]} isTried={isTried} isFirst={bound !== undefined} />
        {held && <p className="door-note">{words("replaces", { name: held.name })}</p>}
        <FormFault fault={fault} />
        <button className="button is-main is-wide" disabled={isBusy || wait > 0}>
          {words(isBusy ? "joining" : bound === undefined ? "join" : "resetSave")}
        </button>
      </form>
      <p className="door-small">{words("joinUntil", { time: moment(look.expires_ms, language) })}</p>
    </Door>
  );
}

/** Who invites, or whose password is set. */
function Invited({ look }: { readonly look: InvitationLook }) {
  const words = useFirstWords();
  if (look.name != null) {
    return (
      <>
        {words("resetHint", { organisation: look.organisation || "Tenon" })}
        <strong className="door-name">
          {look.display_name || look.name} <small>@{look.name}</small>
        </strong>
        {words("resetNote")}
      </>
    );
  }
  return (
    <>
      {look.invited_by ? words("joinHint", { name: look.invited_by }) : words("joinHintNobody")}
      {look.role === "admin" && <strong className="door-role">{words("joinAdmin")}</strong>}
    </>
  );
}
