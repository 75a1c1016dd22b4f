//! Who can be named by @ in a group.

import type { ListLine } from "@tenon/client";
import { role } from "@tenon/wire";
import { useMemo } from "react";
import { useClient, useValue, useWords } from "./hooks.js";
import { Avatar } from "./views/avatar.js";
import { Icon } from "./views/icon.js";

/** Lines of the menu. */
const MENU_MAX = 8;

/** Somebody to name; user 0 is everybody. */
export interface Candidate {
  readonly user: bigint;
  readonly label: string;
  readonly hint: string;
}

/** Members whose name begins like the query; none in a direct conversation. */
export function useCandidates(conv: bigint, line: ListLine | undefined, query: string | undefined): Candidate[] {
  const client = useClient();
  const words = useWords();
  const isGroup = line?.meta !== undefined && line.meta.peer === 0n;
  const members = useValue(client.members(isGroup ? conv : 0n));
  return useMemo(() => {
    if (query === undefined || !isGroup) return [];
    const wanted = query.toLowerCase();
    const people = members.filter((m) => m.user !== client.me).map((m) => client.people.person(m.user).get());
    const found = people.filter((p) => [p.name, p.login, ...p.name.split(" ")].some((text) => text.toLowerCase().startsWith(wanted)));
    const list = found.map((p): Candidate => ({ user: p.user, label: p.name, hint: p.login }));
    const mayAll = line.role === role.OWNER || line.role === role.ADMIN;
    const everyone = words("everyone");
    if (mayAll && everyone.toLowerCase().startsWith(wanted)) list.push({ user: 0n, label: everyone, hint: words("everyoneHint") });
    return list.filter((c) => c.label !== "").slice(0, MENU_MAX);
  }, [client, words, isGroup, members, query, line?.role]);
}

export interface MentionMenuProps {
  readonly id: string;
  readonly candidates: readonly Candidate[];
  readonly picked: number;
  readonly onPick: (candidate: Candidate) => void;
}

export function MentionMenu({ id, candidates, picked, onPick }: MentionMenuProps) {
  const words = useWords();
  return (
    <ul className="mention-menu" id={id} role="listbox" aria-label={words("mentions")}>
      {candidates.map((candidate, index) => (
        <li key={`${candidate.user}`} id={`${id}-${index}`} role="option" aria-selected={index === picked} onMouseDown={(e) => e.preventDefault()} onClick={() => onPick(candidate)}>
          {candidate.user === 0n ? (
            <span className="avatar is-plain">
              <Icon name="group" size={18} />
            </span>
          ) : (
            <Avatar id={candidate.user} name={candidate.label} size={30} />
          )}
          <strong>{candidate.label}</strong>
          <small>{candidate.hint}</small>
        </li>
      ))}
    </ul>
  );
}
