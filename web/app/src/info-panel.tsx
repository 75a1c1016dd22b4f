//! What a conversation is: name, members, the user's own settings for it.

import type { ListLine } from "@tenon/client";
import { role } from "@tenon/wire";
import { useState } from "react";
import { go, useClient, useLanguage, usePerson, useValue, useWords } from "./hooks.js";
import { MemberList } from "./members/member-list.js";
import { PersonPicker } from "./person-picker.js";
import { wordOf } from "./refusal.js";
import { number } from "./time.js";
import { Avatar } from "./views/avatar.js";
import { Confirm, Dialog } from "./views/dialog.js";
import { Icon } from "./views/icon.js";
import type { Word } from "./words.js";

export interface InfoPanelProps {
  readonly line: ListLine;
  readonly title: string;
  readonly onClose: () => void;
}

type Ask = { readonly type: "leave" | "add" | "rename" } | { readonly type: "remove"; readonly user: bigint; readonly name: string };

export function InfoPanel({ line, title, onClose }: InfoPanelProps) {
  const client = useClient();
  const words = useWords();
  const language = useLanguage();
  const { conv, meta, summary } = line;
  const isDirect = meta !== undefined && meta.peer !== 0n;
  const peer = usePerson(meta?.peer ?? 0n);
  const [ask, setAsk] = useState<Ask>();
  const [fault, setFault] = useState<Word>();
  const isHead = line.role === role.OWNER || line.role === role.ADMIN;
  const act = (doing: Promise<unknown>) => {
    setAsk(undefined);
    setFault(undefined);
    doing.catch((error: unknown) => setFault(wordOf(error)));
  };
  const isMuted = summary?.notify === 2;
  const isPinned = summary?.pinned === true;
  return (
    <aside className="panel" aria-label={words("details")}>
      <header className="panel-head">
        <h2>{words("details")}</h2>
        <button type="button" className="icon-button" aria-label={words("close")} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="panel-body">
        <div className="panel-card">
          <Avatar id={isDirect ? (meta.peer ?? conv) : conv} name={title} size={96} />
          <h3>
            <bdi>{title}</bdi>
            {!isDirect && isHead && (
              <button type="button" className="icon-button" aria-label={words("rename")} title={words("rename")} onClick={() => setAsk({ type: "rename" })}>
                <Icon name="edit" size={17} />
              </button>
            )}
          </h3>
          <small>{isDirect ? `@${peer.login}` : words("memberCount", { n: number(meta?.memberCount ?? 0, language) })}</small>
          <div className="panel-quick">
            <Quick icon="pin" label={words(isPinned ? "unpin" : "pin")} isOn={isPinned} onClick={() => act(client.setPinned(conv, !isPinned))} />
            <Quick icon="mute" label={words(isMuted ? "unmute" : "mute")} isOn={isMuted} onClick={() => act(client.setNotify(conv, isMuted ? 0 : 2))} />
            {!isDirect && isHead && <Quick icon="plus" label={words("add")} isOn={false} onClick={() => setAsk({ type: "add" })} />}
          </div>
        </div>
        <p className="panel-fault" role="alert">
          {fault && words(fault)}
        </p>
        {!isDirect && <MemberList line={line} onRemove={(user, name) => setAsk({ type: "remove", user, name })} />}
        {!isDirect && (
          <button type="button" className="panel-item is-danger" onClick={() => setAsk({ type: "leave" })}>
            <Icon name="exit" />
            {words("leaveGroup")}
          </button>
        )}
      </div>
      {ask?.type === "leave" && (
        <Confirm
          title={words("leaveGroup")}
          text={words("leaveSure")}
          yes={words("leaveGroup")}
          no={words("cancel")}
          onNo={() => setAsk(undefined)}
          onYes={() => act(client.leave(conv).then(() => go(undefined)))}
        />
      )}
      {ask?.type === "remove" && (
        <Confirm
          title={words("removeMember", { name: ask.name })}
          text={words("removeSure", { name: ask.name })}
          yes={words("remove")}
          no={words("cancel")}
          onNo={() => setAsk(undefined)}
          onYes={() => act(client.removeMembers(conv, [ask.user]))}
        />
      )}
      {ask?.type === "add" && <AddPeople conv={conv} onClose={() => setAsk(undefined)} onAdd={(users) => act(client.addMembers(conv, users))} />}
      {ask?.type === "rename" && <Rename title={title} onClose={() => setAsk(undefined)} onSave={(next) => act(client.rename(conv, next))} />}
    </aside>
  );
}

function Quick({ icon, label, isOn, onClick }: { readonly icon: "pin" | "mute" | "plus"; readonly label: string; readonly isOn: boolean; readonly onClick: () => void }) {
  return (
    <button type="button" className={isOn ? "quick is-on" : "quick"} aria-pressed={isOn} onClick={onClick}>
      <Icon name={icon} />
      {label}
    </button>
  );
}

function AddPeople({ conv, onClose, onAdd }: { readonly conv: bigint; readonly onClose: () => void; readonly onAdd: (users: bigint[]) => void }) {
  const client = useClient();
  const words = useWords();
  const members = useValue(client.members(conv));
  const [chosen, setChosen] = useState<bigint[]>([]);
  const footer = (
    <button type="button" className="button is-main" disabled={chosen.length === 0} onClick={() => onAdd(chosen)}>
      {words("add")}
    </button>
  );
  return (
    <Dialog title={words("addMembers")} closeLabel={words("close")} onClose={onClose} footer={footer}>
      <PersonPicker chosen={chosen} onChange={setChosen} without={members.map((m) => m.user)} />
    </Dialog>
  );
}

function Rename({ title, onClose, onSave }: { readonly title: string; readonly onClose: () => void; readonly onSave: (title: string) => void }) {
  const words = useWords();
  const [text, setText] = useState(title);
  const save = () => onSave(text.trim());
  const footer = (
    <button type="button" className="button is-main" disabled={text.trim() === "" || text.trim() === title} onClick={save}>
      {words("save")}
    </button>
  );
  return (
    <Dialog title={words("rename")} closeLabel={words("close")} onClose={onClose} footer={footer}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") save();
        }}
      >
        <label className="field">
          <span>{words("groupName")}</span>
          <input value={text} onChange={(e) => setText(e.target.value)} maxLength={80} autoFocus />
        </label>
      </form>
    </Dialog>
  );
}
