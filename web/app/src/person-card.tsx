//! Who somebody is, asked for by a click on a name; one card at a time.

import { Value } from "@tenon/client";
import { useEffect, useState } from "react";
import { go, useClient, usePerson, useValue, useWords } from "./hooks.js";
import { wordOf } from "./refusal.js";
import { Avatar } from "./views/avatar.js";
import { Dialog } from "./views/dialog.js";
import { PersonName } from "./views/person-name.js";
import type { Word } from "./words.js";

/** Whose card is open; 0 = none. */
const shown = new Value(0n);

export const showPerson = (user: bigint): void => shown.set(user);

/** The place of the card. */
export function PersonCards() {
  const user = useValue(shown);
  useEffect(() => () => shown.set(0n), []);
  return user === 0n ? null : <PersonCard key={`${user}`} user={user} />;
}

function PersonCard({ user }: { readonly user: bigint }) {
  const client = useClient();
  const words = useWords();
  const person = usePerson(user);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Word>();
  const close = () => shown.set(0n);
  const open = async () => {
    setBusy(true);
    setFault(undefined);
    try {
      go(await client.openDirect(user));
      close();
    } catch (error) {
      setFault(wordOf(error));
      setBusy(false);
    }
  };
  const isMe = user === client.me;
  return (
    <Dialog title={words(isMe ? "you" : "person")} closeLabel={words("close")} onClose={close}>
      <div className="panel-card">
        <Avatar id={user} name={person.name} size={96} />
        <h3>
          <PersonName person={person} />
        </h3>
        <small>{person.login && `@${person.login}`}</small>
      </div>
      <p className="panel-fault" role="alert">
        {fault && words(fault)}
      </p>
      {!isMe && (
        <button type="button" className="button is-main is-wide" disabled={isBusy} onClick={() => void open()} data-focus>
          {words("sendMessage")}
        </button>
      )}
    </Dialog>
  );
}
