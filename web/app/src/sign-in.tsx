//! Sign-in with login name and password.

import { type Session, signIn } from "@tenon/client";
import { WireError } from "@tenon/wire";
import { type FormEvent, lazy, Suspense, useState } from "react";
import { deviceLabel } from "./device-label.js";
import { readServer } from "./first-run/api.js";
import { useLoad } from "./first-run/use-load.js";
import { useSecondsUntil, useWords } from "./hooks.js";
import { wordOfSignIn } from "./refusal.js";
import type { Word } from "./words.js";
import { Countdown } from "./views/countdown.js";
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
  const [retry, setRetry] = useState({ atMs: 0, first: 0 });
  const wait = useSecondsUntil(retry.atMs);

  /** The pause is that of one account. */
  const changeName = (next: string) => {
    setName(next);
    if (retry.atMs === 0) return;
    setRetry({ atMs: 0, first: 0 });
    setFault(undefined);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFault(undefined);
    try {
      onSession(await signIn("", { name: name.trim(), password, label: deviceLabel() }));
    } catch (error) {
      const afterMs = error instanceof WireError ? error.afterMs : 0;
      setRetry({ atMs: afterMs > 0 ? Date.now() + afterMs : 0, first: Math.ceil(afterMs / 1_000) });
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
          <input value={name} onChange={(e) => changeName(e.target.value)} autoComplete="username" autoCapitalize="none" spellCheck={false} required autoFocus />
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
          {wait > 0 ? <Countdown text={(n) => words("serverBusyFor", { n })} wait={wait} first={retry.first} /> : fault && retry.atMs === 0 && words(fault)}
        </p>
        <button className="button is-main is-wide" disabled={isBusy || wait > 0 || name.trim() === "" || password === ""}>
          {words(isBusy ? "signingIn" : "signIn")}
        </button>
      </form>
    </main>
  );
}
