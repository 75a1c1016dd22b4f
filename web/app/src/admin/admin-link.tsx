//! The way to the administration, for those who may go it. Stands in the app's settings.

import { useCallback } from "react";
import { readMe } from "../first-run/api.js";
import { useLoad } from "../first-run/use-load.js";
import { heldSession } from "../held-session.js";
import { useWords } from "../hooks.js";
import { Icon } from "../views/icon.js";

export function AdminLink() {
  const words = useWords();
  const me = useLoad(useCallback((signal) => {
    const session = heldSession();
    return session === undefined ? Promise.resolve(undefined) : readMe(session.credential, signal);
  }, []));
  if (me.value?.role !== "admin") return null;
  return (
    <a className="panel-item" href="/admin">
      <Icon name="shield" />
      {words("administration")}
    </a>
  );
}
