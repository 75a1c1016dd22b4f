//! Where a user is signed in, and an end to it from afar.

import { useCallback, useState } from "react";
import { useLoad } from "../first-run/use-load.js";
import { moment } from "../first-run/when.js";
import { useLanguage } from "../hooks.js";
import { Confirm } from "../views/dialog.js";
import { Icon } from "../views/icon.js";
import type { DeviceRow, UserRow } from "./api.js";
import { useDesk } from "./context.js";
import { FaultLine } from "./parts.js";
import { useDeeds } from "./use-deed.js";
import { type AdminWord, useAdminWords } from "./words.js";

/** Device kinds by number and by name. */
const KINDS: readonly (readonly [name: string, word: AdminWord])[] = [
  ["", "kindApp"],
  ["phone", "kindPhone"],
  ["pad", "kindTablet"],
  ["desktop", "kindDesktop"],
  ["web", "kindWeb"],
  ["app", "kindApp"],
];

/** The words for a kind of device. */
export function wordOfKind(kind: number | string): AdminWord {
  const found = KINDS.find(([name], number) => name === kind || number === Number(kind));
  return found?.[1] ?? "kindApp";
}

export function UserDevices({ user, onCount }: { readonly user: UserRow; readonly onCount: (devices: number) => void }) {
  const words = useAdminWords();
  const { api } = useDesk();
  const loaded = useLoad(useCallback((signal) => api.devices(user.user, signal), [api, user.user]));
  const { isBusy, fault, run } = useDeeds();
  const [asked, setAsked] = useState<DeviceRow>();
  const nameOf = (device: DeviceRow) => device.label || words(wordOfKind(device.device_kind));
  const signOut = (device: DeviceRow) => {
    setAsked(undefined);
    run(
      () => api.revokeDevice(user.user, device.device),
      () => {
        const left = (loaded.value ?? []).filter((one) => one.device !== device.device);
        loaded.set(left);
        onCount(left.length);
      },
    );
  };
  return (
    <section className="panel-section">
      <h3>{words("devices")}</h3>
      {loaded.value === undefined && !loaded.fault && <span className="skeleton" />}
      {loaded.fault && <FaultLine fault={loaded.fault} onRetry={loaded.again} />}
      {fault && <FaultLine fault={fault} />}
      {loaded.value?.length === 0 && <p className="quiet">{words("deviceNone")}</p>}
      <ul className="people">
        {loaded.value?.map((device) => (
          <DeviceLine key={device.device} device={device} name={nameOf(device)} isBusy={isBusy} onSignOut={() => setAsked(device)} />
        ))}
      </ul>
      {asked && <Confirm title={words("signOutDevice", { name: nameOf(asked) })} text={words("signOutSure", { name: nameOf(asked) })} yes={words("signOut")} no={words("cancel")} onNo={() => setAsked(undefined)} onYes={() => signOut(asked)} />}
    </section>
  );
}

interface DeviceLineProps {
  readonly device: DeviceRow;
  readonly name: string;
  readonly isBusy: boolean;
  readonly onSignOut: () => void;
}

function DeviceLine({ device, name, isBusy, onSignOut }: DeviceLineProps) {
  const words = useAdminWords();
  const language = useLanguage();
  const word = wordOfKind(device.device_kind);
  const time = words("deviceSince", { time: moment(device.created_ms, language) });
  return (
    <li>
      <span className="person is-still">
        <span className={`avatar is-plain${device.is_connected ? " is-online" : ""}`}>
          <Icon name={word === "kindPhone" || word === "kindTablet" ? "phone" : "laptop"} size={20} />
        </span>
        <span>
          <strong>{name}</strong>
          <small>
            {words(word)} · {device.is_connected ? words("deviceOnline") : time}
          </small>
        </span>
      </span>
      <button type="button" className="button is-small" disabled={isBusy} aria-label={words("signOutDevice", { name })} onClick={onSignOut}>
        {words("signOut")}
      </button>
    </li>
  );
}
