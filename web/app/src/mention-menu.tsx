//! Who can be named by @ in a group.

import type { ListLine } from "@tenon/client";
import { role } from "@tenon/wire";
import { useMemo } from "react";
import { useClient, useWords } from "./hooks.js";
import { useMemberIndex } from "./members/use-members.js";
import { fold } from "./search.js";
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

export interface CandidatesOf {
  readonly line: ListLine | undefined;
  /** What stands after the @; `undefined` = nobody is being named. */
  readonly query: string | undefined;
  /** Members may be needed soon: they are read. */
  readonly isNear: boolean;
  /** Who spoke last, latest first: offered before others that fit as well. */
  readonly speakers: readonly bigint[];
}

/** Members whose name fits the query; none in a direct conversation. */
export function useCandidates({ line, query, isNear, speakers }: CandidatesOf): Candidate[] {
  const client = useClient();
  const words = useWords();
  const isGroup = line?.meta !== undefined && line.meta.peer === 0n;
  const { index, round } = useMemberIndex(isGroup && (isNear || query !== undefined) ? line.conv : 0n);
  const isEveryoneAllowed = line?.role === role.OWNER || line?.role === role.ADMIN;
  return useMemo(() => {
    void round;
    if (query === undefined || !isGroup) return [];
    const list = index.search(query, MENU_MAX, speakers).map((user): Candidate => {
      const person = client.people.person(user).get();
      return { user, label: person.name, hint: person.login };
    });
    const everyone = words("everyone");
    if (isEveryoneAllowed && fold(everyone).startsWith(fold(query))) list.splice(MENU_MAX - 1, 1, { user: 0n, label: everyone, hint: words("everyoneHint") });
    return list;
  }, [client, words, isGroup, index, round, query, speakers, isEveryoneAllowed]);
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
          <bdi className="mention-name">{candidate.label}</bdi>
          <small>{candidate.hint}</small>
        </li>
      ))}
    </ul>
  );
}
