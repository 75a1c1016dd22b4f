//! Finding conversations by name, and the next one in the list.

import type { Client, ListLine, Person } from "@tenon/client";
import { fold, type Searched, search } from "./search.js";

/** Lines that a search shows at most. */
const FOUND_MAX = 500;

const titles = new WeakMap<object, string>();
const people = new WeakMap<Person, readonly string[]>();

function titleOf(line: ListLine): string {
  if (line.meta === undefined || line.meta.title === "") return "";
  const held = titles.get(line.meta) ?? fold(line.meta.title);
  titles.set(line.meta, held);
  return held;
}

function namesOf(person: Person): readonly string[] {
  const held = people.get(person) ?? [fold(person.name), fold(person.login)];
  people.set(person, held);
  return held;
}

/** Lines with the names they are found by: title, name and login of the peer. */
export function searchable(lines: readonly ListLine[], client: Pick<Client, "people">): readonly Searched<ListLine>[] {
  return lines.map((line) => {
    const peer = line.meta?.peer ?? 0n;
    return { item: line, keys: peer === 0n ? [titleOf(line)] : [titleOf(line), ...namesOf(client.people.person(peer).get())] };
  });
}

/** Lines that fit; the best first, newest first among equals. */
export const findLines = (all: readonly Searched<ListLine>[], query: string): readonly ListLine[] => search(all, query, FOUND_MAX);

/** True if the user has something to read there. */
export const isUnread = (line: ListLine): boolean => line.unread > 0n || (line.summary?.markedUnread ?? false);

/** The conversation `step` lines from the open one, among those with news if `isUnreadOnly`. */
export function neighbour(lines: readonly ListLine[], open: bigint | undefined, step: 1 | -1, isUnreadOnly: boolean): bigint | undefined {
  const at = lines.findIndex((line) => line.conv === open);
  const from = at < 0 ? (step > 0 ? -1 : lines.length) : at;
  for (let i = from + step; i >= 0 && i < lines.length; i += step) {
    const line = lines[i];
    if (line && (!isUnreadOnly || isUnread(line))) return line.conv;
  }
  return undefined;
}
