//! The list of conversations with search.

import { type KeyboardEvent, useDeferredValue, useMemo, useState } from "react";
import type { ListLine } from "@tenon/client";
import { ConnectionBar } from "./connection-bar.js";
import { ConversationRow } from "./conversation-row.js";
import { go, useClient, useNow, usePerson, useValue, useWords } from "./hooks.js";
import { wordOf } from "./refusal.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";
import { VirtualList } from "./views/virtual-list.js";

const ROW_HEIGHT = 70;
const LIST_TICK_MS = 60_000;

export interface SidebarProps {
  readonly open: bigint | undefined;
  readonly onNew: (mode: "chat" | "group") => void;
  readonly onSettings: () => void;
}

export function Sidebar({ open, onNew, onSettings }: SidebarProps) {
  const client = useClient();
  const words = useWords();
  const lines = useValue(client.conversations);
  const isComplete = useValue(client.isListComplete);
  const me = usePerson(client.me);
  const now = useNow(LIST_TICK_MS);
  const [query, setQuery] = useState("");
  const wanted = useDeferredValue(query.trim().toLowerCase());
  const found = useMemo(() => (wanted === "" ? lines : lines.filter((line) => matches(line, wanted, client.people.person(line.meta?.peer ?? 0n).get()))), [lines, wanted, client]);
  const activeIndex = found.findIndex((line) => line.conv === open);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || found.length === 0) return;
    event.preventDefault();
    const from = Number((document.activeElement?.closest("li") as HTMLElement | null)?.getAttribute("aria-posinset") ?? 0) - 1;
    const next = found[Math.min(found.length - 1, Math.max(0, from + step))];
    if (next) document.querySelector<HTMLElement>(`[data-conv="${next.conv}"]`)?.focus();
  };

  return (
    <nav className="sidebar" aria-label={words("chats")} onKeyDown={onKeyDown}>
      <header className="sidebar-head">
        <button type="button" className="me-button" aria-label={words("settings")} title={words("settings")} onClick={onSettings}>
          <Avatar id={client.me} name={me.name} size={36} />
        </button>
        <h1>{words("chats")}</h1>
        <button type="button" className="icon-button" aria-label={words("newGroup")} title={words("newGroup")} onClick={() => onNew("group")}>
          <Icon name="group" />
        </button>
        <button type="button" className="icon-button is-accent" aria-label={words("newChat")} title={words("newChat")} onClick={() => onNew("chat")}>
          <Icon name="write" />
        </button>
      </header>
      <div className="search">
        <Icon name="search" size={18} />
        <input type="search" value={query} onChange={(e) => setQuery(e.target.value)} placeholder={words("search")} aria-label={words("search")} />
      </div>
      <ConnectionBar />
      {found.length > 0 ? (
        <VirtualList
          items={found}
          rowHeight={ROW_HEIGHT}
          label={words("chats")}
          activeIndex={activeIndex}
          keyOf={(line) => `${line.conv}`}
          row={(line) => <ConversationRow line={line} isOpen={line.conv === open} now={now} onOpen={go} />}
        />
      ) : wanted !== "" ? (
        <p className="sidebar-empty">{words("nothingFound")}</p>
      ) : isComplete ? (
        <div className="sidebar-empty">
          <Icon name="chat" size={40} />
          <strong>{words("noChats")}</strong>
          <span>{words("noChatsHint")}</span>
          <button type="button" className="button is-main" onClick={() => onNew("chat")}>
            {words("newChat")}
          </button>
        </div>
      ) : (
        <div className="skeletons" aria-hidden="true">
          {[0, 1, 2, 3, 4, 5].map((n) => (
            <span key={n} className="skeleton" />
          ))}
        </div>
      )}
      {wanted !== "" && <FindPerson name={query.trim()} onFound={() => setQuery("")} />}
    </nav>
  );
}

function matches(line: ListLine, wanted: string, peer: { readonly name: string; readonly login: string }): boolean {
  return [line.meta?.title ?? "", peer.name, peer.login].some((text) => text.toLowerCase().includes(wanted));
}

/** A search that is the login name of somebody begins a chat. */
function FindPerson({ name, onFound }: { readonly name: string; readonly onFound: () => void }) {
  const client = useClient();
  const words = useWords();
  const [fault, setFault] = useState<{ readonly name: string; readonly text: string }>();
  const begin = async () => {
    try {
      const [user] = await client.findUsers([name]);
      if (user === undefined) return setFault({ name, text: words("personUnknown", { name }) });
      go(await client.openDirect(user));
      onFound();
    } catch (error) {
      setFault({ name, text: words(wordOf(error)) });
    }
  };
  return (
    <div className="find">
      <button type="button" className="find-button" onClick={() => void begin()}>
        <Icon name="write" size={18} />
        {words("chatWith", { name })}
      </button>
      <p role="alert">{fault?.name === name ? fault.text : ""}</p>
    </div>
  );
}
