//! The account on this browser: appearance, language, devices, sign-out.

import type { Device } from "@tenon/client";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { leave } from "./account.js";
import { AdminLink } from "./admin/admin-link.js";
import { useClient, useLanguage, usePerson, useValue, useWords } from "./hooks.js";
import { chosenLanguage, isNotifying, type Theme, theme } from "./preferences.js";
import { wordOf } from "./refusal.js";
import { installOffer } from "./shell/shell.js";
import { short } from "./time.js";
import { Avatar } from "./views/avatar.js";
import { Confirm, Dialog } from "./views/dialog.js";
import { Icon } from "./views/icon.js";
import type { Language, Word } from "./words.js";

const ChangePassword = lazy(() => import("./first-run/change-password.js"));

export function Settings({ onClose, onKeys }: { readonly onClose: () => void; readonly onKeys: () => void }) {
  const client = useClient();
  const words = useWords();
  const me = usePerson(client.me);
  const [isLeaving, setLeaving] = useState(false);
  const [isChanging, setChanging] = useState(false);
  return (
    <Dialog title={words("settings")} closeLabel={words("close")} onClose={onClose}>
      <div className="settings-me">
        <Avatar id={client.me} name={me.name} size={64} />
        <span>
          <strong>{me.name}</strong>
          <small>{me.login && `@${me.login}`}</small>
        </span>
      </div>
      <Choices<Theme>
        label={words("theme")}
        value={useValue(theme)}
        options={[["system", words("themeSystem")], ["light", words("themeLight")], ["dark", words("themeDark")]]}
        onChange={(next) => theme.set(next)}
      />
      <Choices<Language | "auto">
        label={words("language")}
        value={useValue(chosenLanguage)}
        options={[["auto", words("themeSystem")], ["en", "English"], ["zh", "中文"]]}
        onChange={(next) => chosenLanguage.set(next)}
      />
      <Notifications />
      <Devices />
      <Install />
      <button type="button" className="panel-item" onClick={onKeys}>
        <Icon name="keyboard" />
        {words("shortcuts")}
      </button>
      <button type="button" className="panel-item" onClick={() => setChanging(true)}>
        <Icon name="key" />
        {words("changePassword")}
      </button>
      <AdminLink />
      <button type="button" className="panel-item is-danger" onClick={() => setLeaving(true)}>
        <Icon name="exit" />
        {words("signOut")}
      </button>
      {isChanging && (
        <Suspense>
          <ChangePassword onClose={() => setChanging(false)} />
        </Suspense>
      )}
      {isLeaving && (
        <Confirm
          title={words("signOut")}
          text={`${words("signOutHere")} ${words("unsentLost")}`}
          yes={words("signOut")}
          no={words("cancel")}
          onNo={() => setLeaving(false)}
          onYes={() => void leave(true)}
        />
      )}
    </Dialog>
  );
}

interface ChoicesProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly onChange: (value: T) => void;
}

function Choices<T extends string>({ label, value, options, onChange }: ChoicesProps<T>) {
  return (
    <fieldset className="choices">
      <legend>{label}</legend>
      {options.map(([option, text]) => (
        <label key={option} className={option === value ? "is-on" : ""}>
          <input type="radio" name={label} checked={option === value} onChange={() => onChange(option)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function Install() {
  const words = useWords();
  const offer = useValue(installOffer);
  if (offer === undefined) return null;
  const install = () => void offer.prompt().then(() => installOffer.set(undefined), () => undefined);
  return (
    <button type="button" className="panel-item" onClick={install}>
      <Icon name="install" />
      {words("install")}
    </button>
  );
}

function Notifications() {
  const words = useWords();
  const isOn = useValue(isNotifying);
  const [isBlocked, setBlocked] = useState(() => "Notification" in globalThis && Notification.permission === "denied");
  if (!("Notification" in globalThis)) return null;
  const change = async (next: "on" | "off") => {
    const isAllowed = next === "on" && (await Notification.requestPermission()) === "granted";
    setBlocked(next === "on" && !isAllowed);
    isNotifying.set(isAllowed);
  };
  return (
    <>
      <Choices<"on" | "off">
        label={words("notifications")}
        value={isOn ? "on" : "off"}
        options={[["off", words("notificationsOff")], ["on", words("notificationsOn")]]}
        onChange={(next) => void change(next)}
      />
      {isBlocked && <p role="alert">{words("notificationsBlocked")}</p>}
    </>
  );
}

/** Devices that are shown until all are asked for; a long list would push everything below out of sight. */
const DEVICES_SHOWN = 4;

/** Names of device kinds by number. */
const KINDS: readonly Word[] = ["app", "phone", "tablet", "desktop", "webBrowser", "app"];

function Devices() {
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const [devices, setDevices] = useState<Device[]>();
  const [asked, setAsked] = useState<Device>();
  const [fault, setFault] = useState<Word>();
  const [isWhole, setWhole] = useState(false);
  const read = useCallback(() => {
    client.devices().then(setDevices, (error: unknown) => setFault(wordOf(error)));
  }, [client]);
  useEffect(read, [read]);
  const remove = (device: Device) => {
    setAsked(undefined);
    client.removeDevice(device.id).then(
      () => setDevices((held) => held?.filter((one) => one.id !== device.id)),
      (error: unknown) => setFault(wordOf(error)),
    );
  };
  const nameOf = (device: Device) => device.name || words(KINDS[device.kind] ?? "app");
  const stateOf = (device: Device) => {
    if (device.isOwn) return words("thisDevice");
    if (device.isOnline) return words("activeNow");
    return words("lastSeen", { time: short(Number(device.lastSeenMs), Date.now(), language, { yesterday: words("yesterday") }) });
  };
  return (
    <section className="panel-section">
      <h3>{words("devices")}</h3>
      <p className="panel-fault" role="alert">
        {fault && words(fault)}
      </p>
      <ul className="people">
        {devices === undefined && !fault && <li className="skeleton" />}
        {devices?.slice(0, isWhole ? undefined : DEVICES_SHOWN).map((device) => (
          <li key={`${device.id}`}>
            <span className="person is-still">
              <span className={`avatar is-plain${device.isOnline ? " is-online" : ""}`}>
                <Icon name={device.kind === 1 || device.kind === 2 ? "phone" : "laptop"} size={20} />
              </span>
              <span>
                <strong>{nameOf(device)}</strong>
                <small>
                  {words(KINDS[device.kind] ?? "app")} · {stateOf(device)}
                </small>
              </span>
            </span>
            {!device.isOwn && (
              <button type="button" className="button is-small" aria-label={words("signOutDevice", { name: nameOf(device) })} onClick={() => setAsked(device)}>
                {words("signOut")}
              </button>
            )}
          </li>
        ))}
      </ul>
      {!isWhole && devices !== undefined && devices.length > DEVICES_SHOWN && (
        <button type="button" className="button is-small" onClick={() => setWhole(true)}>
          {words("allDevices", { n: devices.length })}
        </button>
      )}
      {asked && (
        <Confirm
          title={words("signOutDevice", { name: nameOf(asked) })}
          text={words("signOutSure", { name: nameOf(asked) })}
          yes={words("signOut")}
          no={words("cancel")}
          onNo={() => setAsked(undefined)}
          onYes={() => remove(asked)}
        />
      )}
    </section>
  );
}
