//! Names of users, asked for in groups, kept over restarts.

import { Entities, EntityHint, EntityKind, GetEntities, method } from "@tenon/wire";
import { pieces, tryDecode } from "./numbers.js";
import type { Port } from "./host.js";
import { type Readable, Value } from "./value.js";

/** A user as others see it. */
export interface Person {
  readonly user: bigint;
  readonly ver: bigint;
  /** Display name; the login name if there is none, empty while nothing is known. */
  readonly name: string;
  /** Login name. */
  readonly login: string;
  readonly isGone: boolean;
}

const KEY = "person/";
const WANTED_MAX = 200;

/** Under which key of the store a user is kept. */
export const personKey = (user: bigint): string => `${KEY}${user}`;

/** All users that were met. */
export class People {
  private readonly held = new Map<bigint, Value<Person>>();
  private readonly wanted = new Set<bigint>();
  private isPlanned = false;
  /** Everybody who is stored was read: the others are asked for. */
  private isLoaded = false;

  constructor(private readonly port: () => Port) {}

  /** Takes what is stored; `isAll`: there is no more of it. */
  load(values: ReadonlyMap<string, unknown>, isAll: boolean): void {
    for (const [key, value] of values) if (key.startsWith(KEY)) this.take(value as Person);
    if (isAll) this.loaded();
  }

  /** All that is stored was given. */
  loaded(): void {
    this.isLoaded = true;
    for (const [user, value] of this.held) if (user !== 0n && value.get().ver === 0n) this.wanted.add(user);
    this.plan();
  }

  /** A user; asked for if not known yet. */
  person(user: bigint): Readable<Person> {
    let value = this.held.get(user);
    if (value === undefined) {
      value = new Value<Person>({ user, ver: 0n, name: "", login: "", isGone: false });
      this.held.set(user, value);
      if (user !== 0n && this.isLoaded) this.want(user);
    }
    return value;
  }

  /** Everybody whose name is known. */
  known(): Person[] {
    return [...this.held.values()].map((value) => value.get()).filter((person) => person.name !== "" && !person.isGone);
  }

  /** Asks for a user again: something about it changed. */
  want(user: bigint): void {
    this.wanted.add(user);
    this.plan();
  }

  private plan(): void {
    if (this.isPlanned || !this.isLoaded || this.wanted.size === 0) return;
    this.isPlanned = true;
    setTimeout(() => void this.ask(), 20);
  }

  /** A value that another tab stored. */
  stored(key: string, value: unknown): void {
    if (key.startsWith(KEY) && value !== undefined) this.take(value as Person);
  }

  private async ask(): Promise<void> {
    this.isPlanned = false;
    const users = [...this.wanted];
    this.wanted.clear();
    for (const some of pieces(users, WANTED_MAX)) {
      const wanted = some.map((id) => EntityHint.of({ kind: EntityKind.USER, id, ver: this.held.get(id)?.get().ver ?? 0n }));
      try {
        const answer = await this.port().ask({ type: "request", method: method.GET_ENTITIES, body: GetEntities.encode({ wanted }) });
        if (answer.type !== "response") continue;
        const people = (tryDecode(Entities, answer.body)?.entities ?? []).map(({ id: user, ver, name, title: login, gone: isGone }): Person => ({ user, ver, name: name || login, login, isGone }));
        for (const person of people) this.take(person);
        // One transaction for all: what the user writes meanwhile does not wait behind thousands of them.
        if (people.length > 0) void this.port().putValues(people.map((person) => [personKey(person.user), person] as const)).catch(() => undefined);
      } catch {
        // The engine went to another tab: the next snapshot asks again.
        for (const user of some) this.wanted.add(user);
      }
    }
  }

  private take(person: Person): void {
    const value = this.held.get(person.user);
    if (value === undefined) this.held.set(person.user, new Value(person));
    else if (person.ver >= value.get().ver) value.set(person);
  }
}
