//! Finding names: without case, without accents, the likeliest first.

/** What a name is compared by: small letters without marks. */
export const fold = (text: string): string => text.normalize("NFKD").replace(/\p{M}+/gu, "").toLowerCase();

/** How well `query` fits a folded name: 0 best, `undefined` not at all. Both are folded. */
export function fit(name: string, query: string): number | undefined {
  const at = name.indexOf(query);
  if (at < 0) return undefined;
  if (at === 0) return name.length === query.length ? 0 : 1;
  if (isStart(name, at)) return 2;
  // The first place may lie inside a word and a later one begin it.
  for (let next = name.indexOf(query, at + 1); next >= 0; next = name.indexOf(query, next + 1)) if (isStart(name, next)) return 2;
  return 3;
}

const isStart = (name: string, at: number): boolean => !/[\p{L}\p{N}]/u.test(name[at - 1] ?? "") || /[\u3400-\u9fff]/.test(name[at] ?? "");

/** Something with names. */
export interface Searched<T> {
  readonly item: T;
  /** Folded; empty ones fit nothing. */
  readonly keys: readonly string[];
}

/** Up to `max` items that fit, the best first, among equals in the order given. An empty query fits everything equally. */
export function search<T>(all: readonly Searched<T>[], query: string, max: number): T[] {
  const wanted = fold(query.trim());
  if (wanted === "") return all.slice(0, max).map((one) => one.item);
  const ranks: T[][] = [[], [], [], []];
  for (const { item, keys } of all) {
    let best = 4;
    for (const key of keys) best = Math.min(best, (key === "" ? undefined : fit(key, wanted)) ?? 4);
    ranks[best]?.push(item);
  }
  return ranks.flat().slice(0, max);
}
