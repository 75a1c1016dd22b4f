//! A name in a line of other text: whatever signs it has, they stay in it.

/** What is shown of a person. */
export interface Named {
  readonly name: string;
}

/** The name, isolated from the direction of the text around it. */
export const PersonName = ({ person }: { readonly person: Named }) => <bdi>{person.name || "…"}</bdi>;
