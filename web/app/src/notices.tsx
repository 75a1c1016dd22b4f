//! Says when this browser keeps nothing, or has hardly any room left, or when a new version of the app is there.

import { useEffect, useState } from "react";
import { storage } from "./account.js";
import { useValue, useWords } from "./hooks.js";
import { isUpdateReady, reloadFresh } from "./shell/shell.js";
import { Icon } from "./views/icon.js";

/** Less than this left of what the browser allows is little, bytes. */
const LITTLE_BYTES = 20 * 1024 * 1024;
const LOOK_MS = 5 * 60_000;

/** True if hardly anything more can be kept. */
function useIsFull(): boolean {
  const [isFull, setFull] = useState(false);
  useEffect(() => {
    const look = () => {
      void navigator.storage?.estimate?.().then(
        ({ quota, usage }) => setFull(quota !== undefined && usage !== undefined && quota - usage < LITTLE_BYTES),
        () => undefined,
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return isFull;
}

/** What the user should know about the app itself, above everything else. */
export function Notices() {
  const words = useWords();
  const isUpdate = useValue(isUpdateReady);
  return (
    <>
      {isUpdate && (
        <div className="notice is-good" role="status">
          <Icon name="retry" size={20} />
          <p>{words("updateReady")}</p>
          <button type="button" className="button is-small" onClick={() => void reloadFresh()}>
            {words("reload")}
          </button>
        </div>
      )}
      <StorageNotice />
    </>
  );
}

function StorageNotice() {
  const words = useWords();
  const isMemory = useValue(storage) === "memory";
  const isFull = useIsFull();
  const [isDismissed, setDismissed] = useState(false);
  if (isDismissed || !(isMemory || isFull)) return null;
  return (
    <div className="notice" role="alert">
      <Icon name="warn" size={20} />
      <p>{words(isMemory ? "memoryOnly" : "storageFull")}</p>
      <button type="button" className="button is-small" onClick={() => setDismissed(true)}>
        {words("dismiss")}
      </button>
    </div>
  );
}
