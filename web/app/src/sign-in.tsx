//! Sign-in with login name and password.

import { type Session, signIn } from "@tenon/client";
import { type FormEvent, lazy, Suspense, useState } from "react";
import { deviceLabel } from "./device-label.js";
import { readServer } from "./first-run/api.js";
import { useLoad } from "./first-run/use-load.js";
import { useWords } from "./hooks.js";
import { wordOfSignIn } from "./refusal.js";
import type { Word } from "./words.js";
import { Icon } from "./views/icon.js";

const DemoDoor = lazy(() => import("./first-run/demo-door.js"));

export interface SignInProps {
  /** This device was signed out elsewhere, which is said. */
  readonly wasEnded: boolean;
  readonly onSession: (session: Session) => void;
}

export function SignIn({ wasEnded, onSession }: SignInProps) {
  const words = useWords();
  const server = useLoad(readServer);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [isShown, setShown] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Word | undefined>(wasEnded ? "signedOutNote" : undefined);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFault(undefined);
    try {
      onSession(await signIn("", { name: name.trim(), password, label: deviceLabel() }));
    } catch (error) {
      setFault(wordOfSignIn(error));
      setBusy(false);
    }
  };

  return (
    <main className="door">
      <form className="door-card" onSubmit={(event) => void submit(event)}>
        <img src="/icon.svg" alt="" width={64} height={64} />
        <h1>{server.value?.organisation || words("appName")}</h1>
        <p className="door-hint">{words(server.value?.needs_setup ? "notSetUp" : "signInHint")}</p>
        {server.value?.is_demo && (
          <Suspense>
            <DemoDoor onSession={onSession} />
          </Suspense>
        )}
        <label className="field">
          <span>{words("loginName")}</span>
          <input value={name} onChange={(e) => setName(e.target.value)} autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus />
        </label>
        <label className="field">
          <span>{words("password")}</span>
          <span className="field-with">
            <input type={isShown ? "text" : "password"} value={password} onChange={(e) => setPassword(e.target.value)} autoComplete="current-password" required />
            <button type="button" className="icon-button" aria-label={words("showPassword")} aria-pressed={isShown} onClick={() => setShown(!isShown)}>
              <Icon name={isShown ? "eyeOff" : "eye"} />
            </button>
          </span>
        </label>
        <p className="door-fault" role="alert">
          {fault && words(fault)}
        </p>
        <button className="button is-main is-wide" disabled={isBusy || name.trim() === "" || password === ""}>
          {words(isBusy ? "signingIn" : "signIn")}
        </button>
      </form>
    </main>
  );
}
