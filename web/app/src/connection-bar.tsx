//! How the app stands to the server, told only while something is not as it should be.

import { closeReason, ErrorClass, classOf } from "@tenon/wire";
import { useEffect, useState } from "react";
import { useClient, useNow, useOnline, useValue, useWords } from "./hooks.js";
import { reloadFresh } from "./shell/shell.js";

/** Pauses shorter than this are not told. */
const QUIET_MS = 1_200;

export function ConnectionBar() {
  const client = useClient();
  const words = useWords();
  const state = useValue(client.connection);
  const isOnline = useOnline();
  const [since, setSince] = useState(0);
  useEffect(() => setSince(Date.now()), [state]);
  const isGood = state.type === "live" && isOnline;
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (isGood) return setShown(false);
    const timer = setTimeout(() => setShown(true), QUIET_MS);
    return () => clearTimeout(timer);
  }, [isGood]);
  const button = (label: string, act: () => void) => (
    <button type="button" className="bar-button" onClick={act}>
      {label}
    </button>
  );
  let content;
  if (!isOnline) content = words("offline");
  else if (state.type === "backoff") {
    content = (
      <>
        <Countdown until={since + state.waitMs} />
        {button(words("tryNow"), () => client.connectNow())}
      </>
    );
  } else if (state.type === "stopped") {
    const isUpgrade = classOf(state.code) === ErrorClass.UPGRADE;
    const isDisplaced = state.reason === closeReason.DISPLACED;
    content = (
      <>
        {words(isUpgrade ? "upgradeNeeded" : isDisplaced ? "stoppedElsewhere" : "storeFailed")}
        {isDisplaced ? button(words("useHere"), () => client.connectNow()) : button(words("reload"), () => void reloadFresh())}
      </>
    );
  } else content = words("connecting");
  return (
    <div className={`bar${isShown ? " is-shown" : ""}${isOnline && state.type !== "stopped" ? "" : " is-warn"}`} role="status" aria-live="polite">
      {isShown && (
        <>
          {state.type === "connecting" && isOnline && <span className="spinner" />}
          {content}
        </>
      )}
    </div>
  );
}

function Countdown({ until }: { readonly until: number }) {
  const words = useWords();
  const now = useNow(500);
  return <span>{words("reconnectIn", { n: Math.max(1, Math.ceil((until - now) / 1_000)) })}</span>;
}
