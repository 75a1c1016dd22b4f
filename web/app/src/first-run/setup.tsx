//! `/setup#TOKEN`: the organisation, its first administrator, and an invitation for the others.

import { type FormEvent, useCallback, useState } from "react";
import { deviceLabel } from "../device-label.js";
import { heldSession } from "../held-session.js";
import { useLanguage } from "../hooks.js";
import { type NewInvitation, createInvitation, readServer, setUp } from "./api.js";
import { type Fault, faultOf } from "./ask.js";
import { loginFault, nameFault, ORGANISATION_BYTES_MAX, passwordFault, tokenOf } from "./checks.js";
import { Door } from "./door.js";
import { deadLinkOf, wordOfFault } from "./faults.js";
import { PasswordField, TextField } from "./fields.js";
import { FormFault, useWait } from "./form-fault.js";
import { LinkCard } from "./link-card.js";
import { Notice, Waiting } from "./notice.js";
import { focusFault, useNewLink, useTitle } from "./page.js";
import { takeSession } from "./session.js";
import { Icon } from "../views/icon.js";
import { useLoad } from "./use-load.js";
import { moment } from "./when.js";
import { useFirstWords } from "./words.js";

/** The first invitation: enough for a team, and for a week. */
const FIRST_INVITATION = { role: "member", uses: 25, valid_for_s: 7 * 86_400 } as const;

export function Setup() {
  const words = useFirstWords();
  const token = tokenOf(location.hash);
  const server = useLoad(readServer);
  const [done, setDone] = useState<{ organisation: string; credential: string }>();
  const [refused, setRefused] = useState<Fault>();
  useNewLink();
  useTitle(words("setupTitle"));
  if (done) return <Invite {...done} />;
  const isSignedIn = heldSession() !== undefined;
  const dead = refused && deadLinkOf(refused);
  if (dead === "used") return <Notice icon="check" title={words("setupUsed")} text={words("setupUsedHint")} isSignedIn={isSignedIn} />;
  if (dead) return <Notice icon="clock" title={words("setupExpired")} text={words("setupExpiredHint")} isSignedIn={isSignedIn} />;
  if (server.fault) {
    const text = words(wordOfFault(server.fault), { code: server.fault.code });
    return <Notice icon="warn" title={words("setupTitle")} text={text} onRetry={server.again} isSignedIn={isSignedIn} />;
  }
  if (server.value === undefined) return <Waiting />;
  if (!server.value.needs_setup) {
    const organisation = server.value.organisation || "Tenon";
    return <Notice icon="check" title={words("setupNotNeeded")} text={words("setupNotNeededHint", { organisation })} isSignedIn={isSignedIn} />;
  }
  if (token === "") return <Notice icon="link" title={words("setupNoToken")} text={words("setupNoTokenHint")} isSignedIn={isSignedIn} />;
  return <Form token={token} onDone={setDone} onRefused={setRefused} />;
}

interface FormProps {
  readonly token: string;
  readonly onDone: (done: { organisation: string; credential: string }) => void;
  readonly onRefused: (fault: Fault) => void;
}

function Form({ token, onDone, onRefused }: FormProps) {
  const words = useFirstWords();
  const [organisation, setOrganisation] = useState("");
  const [name, setName] = useState("");
  const [display, setDisplay] = useState("");
  const [password, setPassword] = useState("");
  const [isTried, setTried] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault>();
  const wait = useWait(fault);
  const faults = [nameFault(organisation, ORGANISATION_BYTES_MAX), loginFault(name), nameFault(display), passwordFault(password)];

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    setFault(undefined);
    if (faults.some(Boolean)) return focusFault(event.currentTarget);
    setBusy(true);
    try {
      const account = { name: name.trim(), display_name: display.trim(), password, label: deviceLabel() };
      const session = await setUp(token, organisation.trim(), account);
      await takeSession(session);
      // The token is spent; the address should not keep it.
      history.replaceState(null, "", "/setup");
      onDone({ organisation: organisation.trim(), credential: session.credential });
    } catch (error) {
      const found = faultOf(error);
      if (deadLinkOf(found)) return onRefused(found);
      setFault(found);
      setBusy(false);
    }
  };

  return (
    <Door title={words("setupTitle")} hint={words("setupHint")}>
      <form className="door-form" noValidate onSubmit={(event) => void submit(event)}>
        <TextField label={words("organisation")} value={organisation} onChange={setOrganisation} placeholder={words("organisationExample")} autoComplete="organization" fault={faults[0]} isTried={isTried} isFirst />
        <h2>{words("yourAccount")}</h2>
        <TextField label={words("displayName")} hint={words("displayHint")} value={display} onChange={setDisplay} autoComplete="name" fault={faults[2]} isTried={isTried} />
        <TextField label={words("loginName")} hint={words("loginHint")} value={name} onChange={setName} autoComplete="username" fault={faults[1]} isTried={isTried} isCode />
        <PasswordField label={words("password")} value={password} onChange={setPassword} known={[organisation, name, display]} isTried={isTried} />
        <FormFault fault={fault} />
        <button className="button is-main is-wide" disabled={isBusy || wait > 0}>
          {words(isBusy ? "creating" : "create")}
        </button>
      </form>
    </Door>
  );
}

function Invite({ organisation, credential }: { readonly organisation: string; readonly credential: string }) {
  const words = useFirstWords();
  const language = useLanguage();
  const invitation = useLoad<NewInvitation>(useCallback(() => createInvitation(credential, FIRST_INVITATION), [credential]));
  const picture = (
    <span className="door-sign is-good">
      <Icon name="check" size={34} />
    </span>
  );
  return (
    <Door title={words("inviteTitle", { organisation })} hint={words("inviteHint")} picture={picture}>
      {invitation.isLoading && <span className="skeleton is-qr" />}
      {invitation.value && (
        <>
          <LinkCard link={invitation.value.link} />
          <p className="door-small">{words("inviteValid", { uses: FIRST_INVITATION.uses, time: moment(invitation.value.expires_ms, language) })}</p>
        </>
      )}
      {invitation.fault && (
        <p className="door-fault" role="alert">
          {words("inviteFailed")}{" "}
          <button type="button" className="button is-small" onClick={invitation.again}>
            {words("retry")}
          </button>
        </p>
      )}
      <a className="button is-main is-wide" href="/">
        {words("toChat")}
      </a>
      <a className="button is-wide" href="/admin">
        {words("toAdmin")}
      </a>
    </Door>
  );
}
