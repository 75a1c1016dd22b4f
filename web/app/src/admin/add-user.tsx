//! A user made by an administrator: the account is there at once, the password is set with a link.

import { type FormEvent, useState } from "react";
import type { Role } from "../first-run/api.js";
import { loginFault, nameFault } from "../first-run/checks.js";
import { TextField } from "../first-run/fields.js";
import { focusFault } from "../first-run/page.js";
import { Dialog } from "../views/dialog.js";
import type { UserLink } from "./api.js";
import { useDesk } from "./context.js";
import { Choice, FaultLine } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { PasswordLink } from "./user-dialog.js";
import { useAdminWords } from "./words.js";

export function AddUser({ onAdded, onClose }: { readonly onAdded: () => void; readonly onClose: () => void }) {
  const words = useAdminWords();
  const { api } = useDesk();
  const { isBusy, fault, run } = useDeeds();
  const [display, setDisplay] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("member");
  const [isTried, setTried] = useState(false);
  const [link, setLink] = useState<UserLink>();
  const faults = [nameFault(display), loginFault(name)];
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    if (faults.some(Boolean)) return focusFault(event.currentTarget);
    run(
      () => api.addUser(name.trim(), display.trim(), role),
      (answer) => {
        setLink(answer);
        onAdded();
      },
    );
  };
  if (link) {
    return (
      <Dialog title={words("userAdded", { name: display.trim() })} closeLabel={words("close")} onClose={onClose}>
        <PasswordLink name={display.trim()} link={link} />
      </Dialog>
    );
  }
  return (
    <Dialog title={words("addUser")} closeLabel={words("close")} onClose={onClose}>
      <form className="dialog-form" noValidate onSubmit={submit}>
        <p className="quiet">{words("addUserHint")}</p>
        <TextField label={words("name")} value={display} onChange={setDisplay} autoComplete="off" fault={faults[0]} isTried={isTried} isFirst />
        <TextField label={words("loginName")} value={name} onChange={setName} autoComplete="off" fault={faults[1]} isTried={isTried} isCode />
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
        <button className="button is-main is-wide" disabled={isBusy}>
          {words("addUser")}
        </button>
      </form>
    </Dialog>
  );
}
