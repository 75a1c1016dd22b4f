//! The members of a group of any size: searched by name, with what may be done to them.

import type { ListLine } from "@tenon/client";
import { type Member, role } from "@tenon/wire";
import { useDeferredValue, useMemo, useState } from "react";
import { go, useClient, usePerson, useValue, useWords } from "../hooks.js";
import { Avatar } from "../views/avatar.js";
import { Icon } from "../views/icon.js";
import { PersonName } from "../views/person-name.js";
import { VirtualList } from "../views/virtual-list.js";
import { useMemberIndex } from "./use-members.js";

const ROW_HEIGHT = 56;
/** Members that a search shows at most. */
const FOUND_MAX = 200;
/** Larger groups stand in the order of joining: sorting them by name would need all names first. */
const SORTED_MAX = 500;
/** Groups below this need no search. */
const SEARCHED_MIN = 8;

const rank = (member: Member): number => (member.role === role.OWNER ? 0 : member.role === role.ADMIN ? 1 : 2);

export interface MemberListProps {
  readonly line: ListLine;
  readonly onRemove: (user: bigint, name: string) => void;
}

export function MemberList({ line, onRemove }: MemberListProps) {
  const client = useClient();
  const words = useWords();
  const members = useValue(client.members(line.conv));
  const { index, round } = useMemberIndex(line.conv);
  const [query, setQuery] = useState("");
  const wanted = useDeferredValue(query.trim());
  const sorted = useMemo(() => {
    void round;
    const name = (member: Member) => client.people.person(member.user).get().name;
    const order = new Intl.Collator().compare;
    const isByName = members.length <= SORTED_MAX;
    return [...members].sort((a, b) => rank(a) - rank(b) || (isByName ? order(name(a), name(b)) : 0));
  }, [client, members, round]);
  const shown = useMemo(() => {
    void round;
    if (wanted === "") return sorted;
    const found = new Set(index.search(wanted, FOUND_MAX));
    return sorted.filter((member) => found.has(member.user));
  }, [sorted, index, round, wanted]);
  const mayRemove = (member: Member) => member.user !== client.me && member.role !== role.OWNER && (line.role === role.OWNER || (line.role === role.ADMIN && member.role !== role.ADMIN));
  const isLoading = members.length === 0;
  return (
    <section className="panel-section is-filling" aria-label={words("members")}>
      <h4>{words("members")}</h4>
      {members.length >= SEARCHED_MIN && (
        <div className="search is-in-panel" role="search">
          <Icon name="search" size={17} />
          <input type="search" value={query} onChange={(e) => setQuery(e.target.value)} placeholder={words("searchMembers")} aria-label={words("searchMembers")} autoComplete="off" />
        </div>
      )}
      {isLoading ? (
        <div className="skeletons" role="status">
          <span className="sr-only">{words("membersLoading")}</span>
          <span className="skeleton" />
          <span className="skeleton" />
        </div>
      ) : shown.length === 0 ? (
        <p className="panel-nothing">{words("nothingFound")}</p>
      ) : (
        <VirtualList
          items={shown}
          rowHeight={ROW_HEIGHT}
          label={words("members")}
          activeIndex={-1}
          keyOf={(member) => `${member.user}`}
          row={(member, isStop) => <MemberRow member={member} isStop={isStop} onRemove={mayRemove(member) ? onRemove : undefined} />}
        />
      )}
    </section>
  );
}

interface MemberRowProps {
  readonly member: Member;
  readonly isStop: boolean;
  readonly onRemove: ((user: bigint, name: string) => void) | undefined;
}

function MemberRow({ member, isStop, onRemove }: MemberRowProps) {
  const client = useClient();
  const words = useWords();
  const person = usePerson(member.user);
  const isMe = member.user === client.me;
  const chat = () => {
    if (!isMe) void client.openDirect(member.user).then(go, () => undefined);
  };
  return (
    <div className="member">
      <button type="button" className="person" tabIndex={isStop ? 0 : -1} onClick={chat} aria-disabled={isMe} title={isMe ? undefined : words("chatWith", { name: person.name })}>
        <Avatar id={member.user} name={person.name} size={38} />
        <span>
          <strong>
            <PersonName person={person} />
            {isMe && <em> · {words("you")}</em>}
          </strong>
          <small>@{person.login}</small>
        </span>
        {member.role === role.OWNER && <span className="tag">{words("owner")}</span>}
        {member.role === role.ADMIN && <span className="tag">{words("admin")}</span>}
      </button>
      {onRemove && (
        <button type="button" className="icon-button" aria-label={words("removeMember", { name: person.name })} title={words("remove")} onClick={() => onRemove(member.user, person.name)}>
          <Icon name="close" size={17} />
        </button>
      )}
    </div>
  );
}
