//! Parts of a list, asked for until there is enough to show: a server that searches may give short or empty parts although more follow.

/** Some rows, and what to ask for the rows after them; `null` at the end. */
export interface Rows<T> {
  readonly rows: readonly T[];
  readonly next: string | null;
}

/** Fewer rows than this are not worth a click on "more". */
const ENOUGH = 10;
/** Parts asked for in one go; after so much in vain the user decides. */
const PARTS_MAX = 20;

/** Reads from `after` on. */
export async function gather<T>(read: (after: string | undefined) => Promise<Rows<T>>, after: string | undefined): Promise<Rows<T>> {
  let { rows, next } = await read(after);
  for (let part = 1; next !== null && rows.length < ENOUGH && part < PARTS_MAX; part++) {
    const more = await read(next);
    rows = [...rows, ...more.rows];
    next = more.next;
  }
  return { rows, next };
}
