//! The members of the open group with their index, read when somebody is about to need them.

import type { Client } from "@tenon/client";
import type { Member } from "@tenon/wire";
import { useEffect, useMemo, useState } from "react";
import { useClient, useValue } from "../hooks.js";
import { MemberIndex } from "./member-index.js";

/** While names come in they are looked for this often, milliseconds. */
const LOOK_MS = 200;

const indexes = new WeakMap<readonly Member[], MemberIndex>();

function indexOf(client: Client, members: readonly Member[]): MemberIndex {
  const held = indexes.get(members);
  if (held) return held;
  const made = new MemberIndex(
    members.map((member) => member.user).filter((user) => user !== client.me),
    (user) => client.people.person(user).get(),
  );
  indexes.set(members, made);
  return made;
}

/** The index of a group's members other than oneself; conversation 0 has none. The value changes while names come in. */
export function useMemberIndex(conv: bigint): { readonly index: MemberIndex; readonly round: number } {
  const client = useClient();
  const members = useValue(client.members(conv));
  const index = useMemo(() => indexOf(client, members), [client, members]);
  const [round, setRound] = useState(0);
  useEffect(() => {
    index.refresh();
    if (index.isComplete) return;
    const timer = setInterval(() => {
      index.refresh();
      setRound((held) => held + 1);
      if (index.isComplete) clearInterval(timer);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [index]);
  return { index, round };
}
