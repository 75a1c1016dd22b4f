//! `/admin`: the house of the administrators, or why it stays shut.

import "../first-run/first-run.css";
import "./admin.css";

import { useCallback, useEffect, useMemo, useState } from "react";
import type { Me } from "../first-run/api.js";
import type { Fault } from "../first-run/ask.js";
import { Waiting } from "../first-run/notice.js";
import { takeSession } from "../first-run/session.js";
import { useTitle } from "../first-run/page.js";
import { useLoad } from "../first-run/use-load.js";
import { heldSession } from "../held-session.js";
import { SignIn } from "../sign-in.js";
import { type IconName, Icon } from "../views/icon.js";
import { AdminApi } from "./api.js";
import { Audit } from "./audit.js";
import { Broken, Ended, Refused } from "./closed.js";
import { type Desk, DeskProvider } from "./context.js";
import { Groups } from "./groups.js";
import { Invitations } from "./invitations.js";
import { Overview } from "./overview.js";
import { PAGES, type PageName, usePage } from "./route.js";
import { Users } from "./users.js";
import { useAdminWords } from "./words.js";

/** Who is signed in, else the door. */
export default function Admin() {
  const words = useAdminWords();
  const [session, setSession] = useState(heldSession);
  useTitle(words("title"));
  if (session === undefined) {
    return <SignIn wasEnded={false} onSession={(next) => void takeSession(next).then(() => setSession(next))} />;
  }
  return <Guard key={session.device} credential={session.credential} onSignIn={() => setSession(undefined)} />;
}

/** Lets administrators in; watches that they stay administrators. */
function Guard({ credential, onSignIn }: { readonly credential: string; readonly onSignIn: () => void }) {
  const [lost, setLost] = useState<Fault>();
  const api = useMemo(() => new AdminApi(credential, setLost), [credential]);
  const me = useLoad(useCallback((signal) => api.me(signal), [api]));
  if (lost?.isSignedOut || me.fault?.isSignedOut) return <Ended onSignIn={onSignIn} />;
  if (me.fault) return <Broken fault={me.fault} onRetry={me.again} />;
  if (me.value === undefined) return <Waiting />;
  if (me.value.role !== "admin" || lost) return <Refused me={me.value} />;
  return <House api={api} me={me.value} />;
}

/** Milliseconds for which a note stays. */
const NOTE_MS = 4_000;

function House({ api, me }: { readonly api: AdminApi; readonly me: Me }) {
  const words = useAdminWords();
  const page = usePage();
  const [said, setSaid] = useState("");
  const desk = useMemo<Desk>(() => ({ api, me, note: setSaid }), [api, me]);
  useTitle(`${words(page)} · ${words("title")}`);
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), NOTE_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <DeskProvider value={desk}>
      <div className="admin">
        <header className="admin-top">
          <a className="icon-button" href="/" aria-label={words("toChat")}>
            <Icon name="back" />
          </a>
          <span>
            <strong>{me.organisation || "Tenon"}</strong>
            <small>{words("title")}</small>
          </span>
        </header>
        <Menu page={page} me={me} />
        {/* Without a button in sight the keyboard still scrolls it. */}
        <main className="admin-main" tabIndex={0} aria-label={words(page)} key={page}>
          {me.is_demo && (
            <p className="demo">
              <Icon name="info" size={20} />
              {words("demo")}
            </p>
          )}
          <Content page={page} />
        </main>
        <p className={`admin-note${said ? " is-on" : ""}`} role="status">
          {said}
        </p>
      </div>
    </DeskProvider>
  );
}

const ICONS: Record<PageName, IconName> = { overview: "chart", users: "group", invitations: "link", groups: "chat", audit: "list" };

function Menu({ page, me }: { readonly page: PageName; readonly me: Me }) {
  const words = useAdminWords();
  return (
    <nav className="admin-menu" aria-label={words("pages")}>
      <header>
        <img src="/icon.svg" alt="" width={36} height={36} />
        <span>
          <strong>{me.organisation || "Tenon"}</strong>
          <small>{words("title")}</small>
        </span>
      </header>
      <ul>
        {PAGES.map((name) => (
          <li key={name}>
            <a href={`#/${name}`} aria-current={name === page ? "page" : undefined}>
              <Icon name={ICONS[name]} size={20} />
              <span>{words(name)}</span>
            </a>
          </li>
        ))}
      </ul>
      <a className="admin-back" href="/">
        <Icon name="back" size={20} />
        <span>{words("toChat")}</span>
      </a>
    </nav>
  );
}

function Content({ page }: { readonly page: PageName }) {
  switch (page) {
    case "overview":
      return <Overview />;
    case "users":
      return <Users />;
    case "invitations":
      return <Invitations />;
    case "groups":
      return <Groups />;
    case "audit":
      return <Audit />;
  }
}
