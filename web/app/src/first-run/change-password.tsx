//! The own password, changed by whoever knows the present one.

import "./first-run.css";

import { type FormEvent, useState } from "react";
import { heldSession } from "../held-session.js";
import { Dialog } from "../views/dialog.js";
import { changePassword } from "./api.js";
import { type Fault, faultOf } from "./ask.js";
import { passwordFault } from "./checks.js";
import { wordOfFault } from "./faults.js";
import { PasswordField } from "./fields.js";
import { FormFault, useWait } from "./form-fault.js";
import { focusFault } from "./page.js";
import { type FirstWord, useFirstWords } from "./words.js";

/** A wrong password is refused like any proof that does not fit. */
const wordOf = (fault: Fault): FirstWord => (fault.code === "proof_invalid" || fault.code === "ticket_invalid" ? "faultOldPassword" : wordOfFault(fault));

export default function ChangePassword({ onClose }: { readonly onClose: () => void }) {
  const words = useFirstWords();
  const session = heldSession();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [isTried, setTried] = useState(false);
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const [fault, setFault] = useState<Fault>();
  const wait = useWait(fault);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    setFault(undefined);
    if (session === undefined || old === "" || passwordFault(fresh)) return focusFault(event.currentTarget);
    setState("busy");
    try {
      await changePassword(session.credential, old, fresh);
      setState("done");
    } catch (error) {
      setFault(faultOf(error));
      setState("idle");
    }
  };
  return (
    <Dialog title={words("changePassword")} closeLabel={words("close")} onClose={onClose}>
      {state === "done" ? (
        <p role="status">{words("changed")}</p>
      ) : (
        <form className="door-form" noValidate onSubmit={(event) => void submit(event)}>
          <input className="sr-only" value={session?.name ?? ""} autoComplete="username" readOnly tabIndex={-1} aria-hidden="true" />
          <label className="field">
            <span>{words("oldPassword")}</span>
            <input type="password" value={old} onChange={(event) => setOld(event.target.value)} autoComplete="current-password" aria-required aria-invalid={isTried && old === ""} data-focus />
          </label>
          <PasswordField label={words("newPassword")} value={fresh} onChange={setFresh} known={[session?.name ?? ""]} isTried={isTried} />
          <p className="door-small">{words("changeHint")}</p>
          <FormFault fault={fault} wordOf={wordOf} />
          <button className="button is-main is-wide" disabled={state === "busy" || wait > 0}>
            {words("change")}
          </button>
        </form>
      )}
    </Dialog>
  );
}
