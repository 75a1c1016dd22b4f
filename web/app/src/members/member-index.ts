//! The members of a group by name, for a group of any size.
//!
//! Takes and gives: users in, those whose name fits a query out. Names that are not known yet are asked for by reading them
//! and come in with a later search.

import { fold, type Searched, search } from "../search.js";

/** What is known of a user; both empty while nothing is. */
export interface Known {
  readonly user: bigint;
  readonly name: string;
  readonly login: string;
}

const keysOf = ({ name, login }: Known): string[] => (name === login ? [fold(name)] : [fold(name), fold(login)]);

export class MemberIndex {
  private readonly known: Searched<bigint>[] = [];
  private unknown: bigint[];

  constructor(
    users: readonly bigint[],
    private readonly nameOf: (user: bigint) => Known,
  ) {
    this.unknown = [...users];
  }

  /** True once every name is there. */
  get isComplete(): boolean {
    return this.unknown.length === 0;
  }

  /** Takes the names that came since. */
  refresh(): void {
    if (this.isComplete) return;
    this.unknown = this.unknown.filter((user) => {
      const person = this.nameOf(user);
      if (person.name === "") return true;
      this.known.push({ item: user, keys: keysOf(person) });
      return false;
    });
  }

  /** Up to `max` members; those of `first` before others that fit as well. */
  search(query: string, max: number, first: readonly bigint[] = []): bigint[] {
    this.refresh();
    if (first.length === 0) return search(this.known, query, max);
    const rank = new Map(first.map((user, index) => [user, index]));
    const ahead = this.known.filter((one) => rank.has(one.item)).sort((a, b) => (rank.get(a.item) ?? 0) - (rank.get(b.item) ?? 0));
    return search([...ahead, ...this.known.filter((one) => !rank.has(one.item))], query, max);
  }
}
