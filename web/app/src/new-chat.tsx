//! A new direct conversation or a new group.

import { useState } from "react";
import { go, useClient, useWords } from "./hooks.js";
import { PersonPicker } from "./person-picker.js";
import { wordOf } from "./refusal.js";
import { Dialog } from "./views/dialog.js";
import type { Word } from "./words.js";

export function NewChat({ mode, onClose }: { readonly mode: "chat" | "group"; readonly onClose: () => void }) {
  const client = useClient();
  const words = useWords();
  const [title, setTitle] = useState("");
  const [chosen, setChosen] = useState<bigint[]>([]);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Word>();
  const isGroup = mode === "group";
  const isReady = chosen.length > 0 && (!isGroup || title.trim() !== "");

  const begin = async (users: bigint[]) => {
    const [first] = users;
    if (first === undefined) return;
    setBusy(true);
    try {
      go(isGroup ? await client.createGroup(title.trim(), users) : await client.openDirect(first));
      onClose();
    } catch (error) {
      setFault(wordOf(error));
      setBusy(false);
    }
  };
  const footer = (
    <button type="button" className="button is-main" disabled={!isReady || isBusy} onClick={() => void begin(chosen)}>
      {words(isGroup ? "create" : "start")}
    </button>
  );
  return (
    <Dialog title={words(isGroup ? "newGroup" : "newChat")} closeLabel={words("close")} onClose={onClose} footer={footer}>
      {isGroup && (
        <label className="field">
          <span>{words("groupName")}</span>
          <input value={title} onChange={(e) => setTitle(e.target.value)} maxLength={80} autoFocus data-focus />
        </label>
      )}
      <PersonPicker
        hasLabel={isGroup}
        chosen={chosen}
        without={[]}
        isSingle={!isGroup}
        onChange={(users) => {
          setChosen(users);
          if (!isGroup && users.length === 1) void begin(users);
        }}
      />
      <p className="picker-fault" role="alert">
        {fault && words(fault)}
      </p>
    </Dialog>
  );
}
