//! The whole app: sign-in, or the list with the open conversation.

import { closeReason, errorCode } from "@tenon/wire";
import { useEffect, useState } from "react";
import { account, enter, leave } from "./account.js";
import { Chat } from "./chat.js";
import { ClientProvider, go, useClient, useRoute, useValue, useWords } from "./hooks.js";
import { NewChat } from "./new-chat.js";
import { Settings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./sign-in.js";
import { Icon } from "./views/icon.js";

export function App() {
  const held = useValue(account);
  if (held.type === "out") return <SignIn wasEnded={held.wasEnded} onSession={enter} />;
  return (
    <ClientProvider value={held.client}>
      <House />
    </ClientProvider>
  );
}

type Dialog = "chat" | "group" | "settings" | undefined;

function House() {
  const client = useClient();
  const words = useWords();
  const open = useRoute();
  const [dialog, setDialog] = useState<Dialog>();
  useSessionEnd();
  useUnreadTitle();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null && !event.defaultPrevented) go(undefined);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className={`house ${open === undefined ? "is-list" : "is-chat"}`}>
      <Sidebar open={open} onNew={setDialog} onSettings={() => setDialog("settings")} />
      <main className="stage">
        {open === undefined ? (
          <div className="stage-empty">
            <Icon name="chat" size={44} />
            <p>{words("pickChat")}</p>
          </div>
        ) : (
          <Chat key={`${client.device}/${open}`} conv={open} />
        )}
      </main>
      {(dialog === "chat" || dialog === "group") && <NewChat mode={dialog} onClose={() => setDialog(undefined)} />}
      {dialog === "settings" && <Settings onClose={() => setDialog(undefined)} />}
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

/** The number of unread conversations stands in the tab's title. */
function useUnreadTitle(): void {
  const lines = useValue(useClient().conversations);
  const unread = lines.filter((line) => line.unread > 0n && line.summary?.notify !== 2).length;
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Tenon` : "Tenon";
  }, [unread]);
}
