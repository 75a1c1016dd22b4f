//! A round picture made of a name.

const HUES = [212, 262, 330, 12, 38, 150, 182, 284];

/** One or two letters: the first of the first and last word, or the last two signs of a Chinese name. */
export function initialsOf(name: string): string {
  const clean = name.trim();
  const chinese = /^[\u3400-\u9fff]+/.exec(clean)?.[0];
  if (chinese) return [...chinese].slice(-2).join("");
  const parts = clean.split(/[\s._-]+/).filter((part) => firstSign(part) !== "");
  const letters = [parts[0], parts.length > 1 ? parts.at(-1) : undefined].map((part) => firstSign(part ?? ""));
  return letters.join("").toUpperCase() || "?";
}

/** The first letter, digit or picture of a text; marks of direction and joined marks are none. */
function firstSign(text: string): string {
  return /[\p{L}\p{N}\p{Extended_Pictographic}]/u.exec(text)?.[0] ?? "";
}

/** Number of the colour of a user or conversation, 0 to 7. Ids of one server differ in few bits: a multiplication spreads them. */
export const hueOf = (id: bigint): number => Number(((id * 0x9e37_79b9_7f4a_7c15n) >> 40n) & 7n);

/** The avatar of a user or conversation; `id` gives the colour. */
export function Avatar({ id, name, size = 48, isOnline = false }: { readonly id: bigint; readonly name: string; readonly size?: number; readonly isOnline?: boolean }) {
  const hue = HUES[hueOf(id)] ?? 212;
  const letters = initialsOf(name);
  const style = {
    width: size,
    height: size,
    fontSize: Math.round(size * (letters.length > 1 ? 0.34 : 0.4)),
    background: `linear-gradient(160deg, hsl(${hue} 58% 52%), hsl(${hue} 60% 40%))`,
  };
  return (
    <span className={`avatar${isOnline ? " is-online" : ""}`} style={style} aria-hidden="true">
      {letters}
    </span>
  );
}
