//! Why the administration stays shut: not an administrator, or not signed in any more.

import { useState } from "react";
import type { Me } from "../first-run/api.js";
import type { Fault } from "../first-run/ask.js";
import { Door } from "../first-run/door.js";
import { forget, heldSession, holdSession } from "../held-session.js";
import { type IconName, Icon } from "../views/icon.js";
import { wordOfFault } from "./faults.js";
import { useAdminWords } from "./words.js";

const Sign = ({ icon }: { readonly icon: IconName }) => (
  <span className="door-sign">
    <Icon name={icon} size={34} />
  </span>
);

/** The user is no administrator. */
export function Refused({ me }: { readonly me: Me }) {
  const words = useAdminWords();
  return (
    <Door title={words("refusedTitle")} hint={words("refusedHint", { name: me.display_name || me.name, organisation: me.organisation || "Tenon" })} picture={<Sign icon="shield" />}>
      <a className="button is-main is-wide" href="/">
        {words("toChat")}
      </a>
    </Door>
  );
}

/** The credential of this browser is not accepted any more. */
export function Ended({ onSignIn }: { readonly onSignIn: () => void }) {
  const words = useAdminWords();
  const [isBusy, setBusy] = useState(false);
  const leave = async () => {
    setBusy(true);
    const session = heldSession();
    holdSession(undefined);
    if (session) await forget(session);
    onSignIn();
  };
  return (
    <Door title={words("endedTitle")} hint={words("endedHint")} picture={<Sign icon="exit" />}>
      <button type="button" className="button is-main is-wide" disabled={isBusy} onClick={() => void leave()}>
        {words("signInAgain")}
      </button>
    </Door>
  );
}

/** The server did not say who is asking. */
export function Broken({ fault, onRetry }: { readonly fault: Fault; readonly onRetry: () => void }) {
  const words = useAdminWords();
  return (
    <Door title={words("brokenTitle")} hint={words(wordOfFault(fault), { code: fault.code })} picture={<Sign icon="warn" />}>
      <button type="button" className="button is-main is-wide" onClick={onRetry}>
        {words("retry")}
      </button>
      <a className="button is-wide" href="/">
        {words("toChat")}
      </a>
    </Door>
  );
}
