//! Choosing people by login name or from those already known.

import type { Person } from "@tenon/client";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { useClient, usePerson, useWords } from "./hooks.js";
import { wordOf } from "./refusal.js";
import { fold, type Searched, search } from "./search.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";
import { PersonName } from "./views/person-name.js";

const SUGGESTIONS_MAX = 8;

/** People by name, ready to be searched. */
function everybody(people: Person[]): Searched<Person>[] {
  const order = new Intl.Collator().compare;
  return people.sort((a, b) => order(a.name, b.name)).map((item) => ({ item, keys: [fold(item.name), fold(item.login)] }));
}

export interface PersonPickerProps {
  readonly chosen: readonly bigint[];
  readonly onChange: (chosen: bigint[]) => void;
  /** Not offered: those who are there already. */
  readonly without: readonly bigint[];
  /** One person is enough: choosing replaces. */
  readonly isSingle?: boolean;
  /** The field stands below others: it says what it is for, and the first of them has the focus. */
  readonly hasLabel?: boolean;
}

export function PersonPicker({ chosen, onChange, without, isSingle = false, hasLabel = false }: PersonPickerProps) {
  const client = useClient();
  const words = useWords();
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const choose = (user: bigint) => {
    setText("");
    setFault("");
    onChange(isSingle ? [user] : [...chosen.filter((one) => one !== user), user]);
  };
  const look = async () => {
    const name = text.trim().replace(/^@/, "");
    if (name === "") return;
    try {
      const [user] = await client.findUsers([name]);
      const [nearest] = suggestions;
      // A display name was typed: whoever stands first is meant.
      if (user === undefined && nearest !== undefined) choose(nearest.user);
      else if (user === undefined || user === client.me) setFault(words("personUnknown", { name }));
      else choose(user);
    } catch (error) {
      setFault(words(wordOf(error)));
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && text.trim() !== "") {
      event.preventDefault();
      void look();
    } else if (event.key === "Backspace" && text === "" && chosen.length > 0) onChange(chosen.slice(0, -1));
  };
  const box = useRef<HTMLDivElement>(null);
  /** Arrow keys go from the field through the suggestions. */
  const walk = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const stops = [...(box.current?.querySelectorAll<HTMLElement>("input, .picker-list button") ?? [])];
    const next = stops[stops.indexOf(document.activeElement as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };
  const wanted = text.trim();
  const known = useMemo(() => everybody(client.people.known()), [client]);
  const suggestions = useMemo(() => {
    const taken = new Set([client.me, ...without, ...chosen]);
    return search(known.filter((one) => !taken.has(one.item.user)), wanted, SUGGESTIONS_MAX);
  }, [client, known, without, chosen, wanted]);
  return (
    <div className="picker" ref={box} onKeyDown={walk}>
      {hasLabel && (
        <span className="picker-label" aria-hidden="true">
          {words("peopleToAdd")}
        </span>
      )}
      <div className="picker-box">
        {chosen.map((user) => (
          <Chip key={`${user}`} user={user} onRemove={() => onChange(chosen.filter((one) => one !== user))} />
        ))}
        <input
          value={text}
          onChange={(e) => setText(e.target.value)}
          onKeyDown={onKeyDown}
          placeholder={words(chosen.length === 0 && !isSingle ? "addPersonHint" : "personHint")}
          aria-label={words("peopleToAdd")}
          autoCapitalize="none"
          spellCheck={false}
          autoFocus={!hasLabel}
          data-focus={hasLabel ? undefined : true}
        />
        {wanted !== "" && (
          <button type="button" className="icon-button" aria-label={words("add")} onClick={() => void look()}>
            <Icon name="plus" size={18} />
          </button>
        )}
      </div>
      <p className="picker-fault" role="alert">
        {fault}
      </p>
      {suggestions.length > 0 && (
        <ul className="picker-list" aria-label={words("suggestions")}>
          {suggestions.map((person) => (
            <li key={`${person.user}`}>
              <button type="button" onClick={() => choose(person.user)}>
                <Avatar id={person.user} name={person.name} size={36} />
                <span>
                  <strong>
                    <PersonName person={person} />
                  </strong>
                  <small>@{person.login}</small>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Chip({ user, onRemove }: { readonly user: bigint; readonly onRemove: () => void }) {
  const words = useWords();
  const person = usePerson(user);
  return (
    <span className="chip">
      <Avatar id={user} name={person.name} size={22} />
      <PersonName person={person} />
      <button type="button" aria-label={`${words("remove")} ${person.name}`} onClick={onRemove}>
        <Icon name="close" size={14} />
      </button>
    </span>
  );
}
