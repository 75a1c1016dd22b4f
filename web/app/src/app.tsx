//! The whole app: sign-in, or the list with the open conversation.

import { closeReason, errorCode } from "@tenon/wire";
import { useCallback, useEffect, useState } from "react";
import { account, enter, leave } from "./account.js";
import { Announcer } from "./announcer.js";
import { Chat } from "./chat.js";
import { neighbour } from "./conversations.js";
import { ClientProvider, go, useCalm, useClient, useRoute, useValue, useWords } from "./hooks.js";
import { type Shortcut, useEscape, useShortcuts } from "./keys.js";
import { NewChat } from "./new-chat.js";
import { Notices } from "./notices.js";
import { Notifier } from "./notifier.js";
import { PersonCards } from "./person-card.js";
import { Settings } from "./settings.js";
import { ShortcutsDialog } from "./shortcuts-dialog.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./sign-in.js";
import { Icon } from "./views/icon.js";

export function App() {
  const held = useValue(account);
  if (held.type === "out") return <SignIn wasEnded={held.wasEnded} onSession={enter} />;
  return (
    <ClientProvider value={held.client}>
      <House />
      <UnreadTitle />
      <Notifier />
      <Announcer />
    </ClientProvider>
  );
}

type Dialog = "chat" | "group" | "settings" | "keys" | undefined;

function House() {
  const client = useClient();
  const words = useWords();
  const open = useRoute();
  const [dialog, setDialog] = useState<Dialog>();
  useSessionEnd();
  useEscape(useCallback(() => go(undefined), []), open !== undefined);
  useShortcuts(
    useCallback(
      (shortcut: Shortcut) => {
        if (shortcut === "newChat") return setDialog("chat");
        if (shortcut === "newGroup") return setDialog("group");
        if (shortcut === "help") return setDialog("keys");
        if (shortcut === "search") return document.querySelector<HTMLInputElement>("[data-search]")?.focus();
        if (shortcut === "details") return document.querySelector<HTMLButtonElement>("[data-details]")?.click();
        const step = shortcut === "next" || shortcut === "nextUnread" ? 1 : -1;
        const next = neighbour(client.conversations.get(), open, step, shortcut.endsWith("Unread"));
        if (next !== undefined) go(next);
      },
      [client, open],
    ),
  );
  return (
    <div className="frame">
      <Notices />
      <div className={`house ${open === undefined ? "is-list" : "is-chat"}`}>
        <a
          className="skip"
          href="#chat"
          onClick={(event) => {
            event.preventDefault();
            document.querySelector<HTMLElement>(".composer textarea, .stage")?.focus();
          }}
        >
          {words("skipToChat")}
        </a>
        <Sidebar open={open} onNew={setDialog} onSettings={() => setDialog("settings")} />
        <main className="stage" tabIndex={-1}>
          {open === undefined ? (
            <div className="stage-empty">
              <span className="stage-mark">
                <Icon name="chat" size={40} />
              </span>
              <p>{words("pickChat")}</p>
              <button type="button" className="button is-small" onClick={() => setDialog("keys")}>
                {words("shortcuts")}
              </button>
            </div>
          ) : (
            <Chat key={`${client.device}/${open}`} conv={open} />
          )}
        </main>
        {(dialog === "chat" || dialog === "group") && <NewChat mode={dialog} onClose={() => setDialog(undefined)} />}
        <PersonCards />
        {dialog === "settings" && <Settings onClose={() => setDialog(undefined)} onKeys={() => setDialog("keys")} />}
        {dialog === "keys" && <ShortcutsDialog onClose={() => setDialog(undefined)} />}
      </div>
    </div>
  );
}

/** The server ended the session: back to sign-in. */
function useSessionEnd(): void {
  const state = useValue(useClient().connection);
  const isAuth = state.type === "stopped" && state.code >= errorCode.ticket_expired && state.code <= errorCode.account_disabled;
  const isEnded = isAuth || (state.type === "stopped" && state.reason === closeReason.SESSION_ENDED);
  useEffect(() => {
    if (isEnded) void leave(false);
  }, [isEnded]);
}

/** A flood changes the title this often, milliseconds. */
const TITLE_MS = 500;

/** The number of unread conversations stands in the tab's title and on the installed app's icon. */
function UnreadTitle() {
  const unread = useCalm(useClient().totals, TITLE_MS).loudLines;
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Tenon` : "Tenon";
    const app = navigator as Navigator & { setAppBadge?: (count: number) => Promise<void>; clearAppBadge?: () => Promise<void> };
    void (unread > 0 ? app.setAppBadge?.(unread) : app.clearAppBadge?.())?.catch(() => undefined);
  }, [unread]);
  return null;
}
