//! The list of conversations with search.

import type { ListLine } from "@tenon/client";
import { type KeyboardEvent, useDeferredValue, useMemo, useRef, useState } from "react";
import { ConnectionBar } from "./connection-bar.js";
import { ConversationRow } from "./conversation-row.js";
import { findLines, isUnread, searchable } from "./conversations.js";
import { go, useCalm, useClient, useNarrow, useNow, usePerson, useValue, useWords } from "./hooks.js";
import { wordOf } from "./refusal.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";
import { VirtualList } from "./views/virtual-list.js";

const ROW_HEIGHT = 72;
const LIST_TICK_MS = 60_000;
/** A flood moves the list this often, milliseconds. */
const CALM_MS = 150;

export interface SidebarProps {
  readonly open: bigint | undefined;
  readonly onNew: (mode: "chat" | "group") => void;
  readonly onSettings: () => void;
}

export function Sidebar({ open, onNew, onSettings }: SidebarProps) {
  const client = useClient();
  const words = useWords();
  const lines = useCalm(client.conversations, CALM_MS);
  const totals = useCalm(client.totals, CALM_MS);
  const me = usePerson(client.me);
  const now = useNow(LIST_TICK_MS);
  const isNarrow = useNarrow();
  const [query, setQuery] = useState("");
  const [isUnreadOnly, setUnreadOnly] = useState(false);
  const wanted = useDeferredValue(query.trim());
  const shown = useUnreadFilter(lines, isUnreadOnly && wanted === "", open);
  const isSearching = query.trim() !== "";
  const all = useMemo(() => (isSearching ? searchable(lines, client) : []), [isSearching, lines, client]);
  const found = useMemo(() => (wanted === "" ? shown : findLines(all, wanted)), [wanted, shown, all]);
  // While the rest of the list is being read its place is kept, so that nothing moves when it comes.
  const size = found === lines ? Math.max(found.length, totals.lines) : found.length;
  const activeIndex = useMemo(() => found.findIndex((line) => line.conv === open), [found, open]);
  const nav = useRef<HTMLElement>(null);

  const onSearchKey = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown") {
      event.preventDefault();
      nav.current?.querySelector<HTMLElement>(".virtual li button")?.focus();
    } else if (event.key === "Enter" && found[0]) {
      go(found[0].conv);
      setQuery("");
    } else if (event.key === "Escape" && query !== "") {
      event.preventDefault();
      setQuery("");
    }
  };
  return (
    <nav ref={nav} className="sidebar" aria-label={words("chats")}>
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
      <div className="search" role="search">
        <Icon name="search" size={18} />
        <input type="search" value={query} onChange={(e) => setQuery(e.target.value)} onKeyDown={onSearchKey} placeholder={words("search")} aria-label={words("search")} autoComplete="off" data-search />
        {query !== "" && (
          <button type="button" className="search-clear" aria-label={words("clearSearch")} onClick={() => setQuery("")}>
            <Icon name="close" size={16} />
          </button>
        )}
      </div>
      {wanted === "" && <Filter isUnreadOnly={isUnreadOnly} count={totals.unreadLines} onChange={setUnreadOnly} />}
      {!(isNarrow && open !== undefined) && <ConnectionBar />}
      <span className="sr-only" role="status">
        {wanted === "" ? "" : words("searchResults", { n: found.length })}
      </span>
      {found.length > 0 ? (
        <VirtualList
          items={found}
          size={size}
          rowHeight={ROW_HEIGHT}
          label={words("chats")}
          activeIndex={activeIndex}
          keyOf={(line) => `${line.conv}`}
          row={(line, isStop) => <ConversationRow line={line} isOpen={line.conv === open} isStop={isStop} now={now} onOpen={go} />}
        />
      ) : (
        <Nothing isSearch={wanted !== ""} isFiltered={isUnreadOnly} onNew={() => onNew("chat")} />
      )}
      {wanted !== "" && <FindPerson name={query.trim()} onFound={() => setQuery("")} />}
    </nav>
  );
}

/** Unread lines only; what was open while it was read stays until another chat is opened. */
function useUnreadFilter(lines: readonly ListLine[], isOn: boolean, open: bigint | undefined): readonly ListLine[] {
  return useMemo(() => (isOn ? lines.filter((line) => isUnread(line) || line.conv === open) : lines), [lines, isOn, open]);
}

function Filter({ isUnreadOnly, count, onChange }: { readonly isUnreadOnly: boolean; readonly count: number; readonly onChange: (isUnreadOnly: boolean) => void }) {
  const words = useWords();
  return (
    <div className="filter" role="group" aria-label={words("chats")}>
      <button type="button" aria-pressed={!isUnreadOnly} onClick={() => onChange(false)}>
        {words("allChats")}
      </button>
      <button type="button" aria-pressed={isUnreadOnly} onClick={() => onChange(true)}>
        {words("unreadOnly")}
        {count > 0 && <small>{count > 999 ? "999+" : count}</small>}
      </button>
    </div>
  );
}

function Nothing({ isSearch, isFiltered, onNew }: { readonly isSearch: boolean; readonly isFiltered: boolean; readonly onNew: () => void }) {
  const words = useWords();
  const isComplete = useValue(useClient().isListComplete);
  if (isSearch) return <p className="sidebar-empty">{words("nothingFound")}</p>;
  if (isFiltered) {
    return (
      <div className="sidebar-empty">
        <Icon name="ticks" size={40} />
        <strong>{words("noUnread")}</strong>
      </div>
    );
  }
  if (!isComplete) {
    return (
      <div className="skeletons" aria-hidden="true">
        {[0, 1, 2, 3, 4, 5].map((n) => (
          <span key={n} className="skeleton" />
        ))}
      </div>
    );
  }
  return (
    <div className="sidebar-empty">
      <Icon name="chat" size={40} />
      <strong>{words("noChats")}</strong>
      <span>{words("noChatsHint")}</span>
      <button type="button" className="button is-main" onClick={onNew}>
        {words("newChat")}
      </button>
    </div>
  );
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
        <bdi>{words("chatWith", { name })}</bdi>
      </button>
      <p role="alert">{fault?.name === name ? fault.text : ""}</p>
    </div>
  );
}
