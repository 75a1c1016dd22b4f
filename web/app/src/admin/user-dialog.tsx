//! One user: role, state, devices, and a link to set a password.

import { useState } from "react";
import { LinkCard } from "../first-run/link-card.js";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Avatar } from "../views/avatar.js";
import { Confirm, Dialog } from "../views/dialog.js";
import { type IconName, Icon } from "../views/icon.js";
import type { UserLink, UserRow } from "./api.js";
import { useDesk } from "./context.js";
import { FaultLine, Tag } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { UserDevices } from "./user-devices.js";
import { shownName, STATE_TONES } from "./users.js";
import { type AdminWord, useAdminWords } from "./words.js";

type Deed = "disable" | "enable" | "makeAdmin" | "makeMember" | "resetLink";

const SURE: Record<Exclude<Deed, "enable">, AdminWord> = { disable: "disableSure", makeAdmin: "makeAdminSure", makeMember: "makeMemberSure", resetLink: "resetSure" };
const ICONS: Record<Deed, IconName> = { disable: "ban", enable: "check", makeAdmin: "shield", makeMember: "shield", resetLink: "key" };

export interface UserDialogProps {
  readonly user: UserRow;
  readonly onChange: (user: UserRow) => void;
  readonly onClose: () => void;
}

export function UserDialog({ user, onChange, onClose }: UserDialogProps) {
  const words = useAdminWords();
  const [link, setLink] = useState<UserLink>();
  const name = shownName(user);
  return (
    <Dialog title={link ? words("resetLinkFor", { name }) : name} closeLabel={words("close")} onClose={onClose}>
      {link ? <PasswordLink name={name} link={link} /> : <Details user={user} onChange={onChange} onLink={setLink} />}
    </Dialog>
  );
}

/** A link that sets a password; shown once. */
export function PasswordLink({ name, link }: { readonly name: string; readonly link: UserLink }) {
  const words = useAdminWords();
  const language = useLanguage();
  return (
    <>
      <p>{words("resetLinkHint", { name })}</p>
      <LinkCard link={link.link} />
      {link.expires_ms !== undefined && <p className="centred">{words("validUntil", { time: moment(link.expires_ms, language) })}</p>}
    </>
  );
}

function Details({ user, onChange, onLink }: { readonly user: UserRow; readonly onChange: (user: UserRow) => void; readonly onLink: (link: UserLink) => void }) {
  const words = useAdminWords();
  const language = useLanguage();
  const { api, me, note } = useDesk();
  const { isBusy, fault, run } = useDeeds();
  const [asked, setAsked] = useState<Exclude<Deed, "enable">>();
  const name = shownName(user);

  const doIt = (deed: Deed) => {
    setAsked(undefined);
    if (deed === "resetLink") return run(() => api.resetLink(user.user), onLink);
    if (deed === "disable" || deed === "enable") {
      const state = deed === "enable" ? "active" : "disabled";
      return run(
        () => api.setState(user.user, state),
        () => {
          onChange({ ...user, state });
          note(words(deed === "enable" ? "enabledNote" : "disabledNote", { name }));
        },
      );
    }
    const role = deed === "makeAdmin" ? "admin" : "member";
    return run(
      () => api.setRole(user.user, role),
      () => {
        if (user.user === me.user) return location.reload();
        onChange({ ...user, role });
        note(words("roleNote", { name, role: words(role) }));
      },
    );
  };

  const deeds: readonly Deed[] = [...(user.state === "disabled" ? [] : (["resetLink"] as const)), user.role === "admin" ? "makeMember" : "makeAdmin", user.state === "disabled" ? "enable" : "disable"];
  const sure = asked && words(asked === "makeMember" && user.user === me.user ? "makeMemberSelf" : SURE[asked], { name });
  return (
    <>
      <div className="settings-me">
        <Avatar id={BigInt(user.user)} name={name} size={56} />
        <span>
          <strong>@{user.name}</strong>
          <small>
            {words("created")}: {moment(user.created_ms, language)}
          </small>
          <span className="tags">
            <Tag tone={STATE_TONES[user.state]}>{words(user.state)}</Tag>
            <Tag tone={user.role === "admin" ? "accent" : "plain"}>{words(user.role)}</Tag>
          </span>
        </span>
      </div>
      {user.state === "imported" && <p>{words("importedHint")}</p>}
      {fault && <FaultLine fault={fault} />}
      <div className="deeds">
        {deeds.map((deed) => (
          <button key={deed} type="button" className={`panel-item${deed === "disable" ? " is-danger" : ""}`} disabled={isBusy} onClick={() => (deed === "enable" ? doIt(deed) : setAsked(deed))}>
            <Icon name={ICONS[deed]} />
            {words(deed)}
          </button>
        ))}
      </div>
      <UserDevices key={user.state} user={user} onCount={(devices) => devices !== user.devices && onChange({ ...user, devices })} />
      {asked && <Confirm title={words(asked)} text={sure ?? ""} yes={words(asked)} no={words("cancel")} isMild={asked === "resetLink" || asked === "makeAdmin"} onNo={() => setAsked(undefined)} onYes={() => doIt(asked)} />}
    </>
  );
}
