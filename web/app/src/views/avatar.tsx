//! A round picture made of a name.

const HUES = [212, 262, 330, 12, 38, 150, 182, 284];

/** One or two letters: the first of the first and last word, or the last two signs of a Chinese name. */
export function initialsOf(name: string): string {
  const clean = name.trim();
  if (/^[\u3400-\u9fff]/.test(clean)) return [...clean].slice(-2).join("");
  const parts = clean.split(/[\s._-]+/).filter(Boolean);
  const letters = [parts[0], parts.length > 1 ? parts.at(-1) : undefined].map((part) => [...(part ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}

/** The avatar of a user or conversation; `id` gives the colour. */
export function Avatar({ id, name, size = 48, isOnline = false }: { readonly id: bigint; readonly name: string; readonly size?: number; readonly isOnline?: boolean }) {
  // Ids of one server differ in few bits: a multiplication spreads them.
  const hue = HUES[Number(((id * 0x9e37_79b9_7f4a_7c15n) >> 40n) & 7n)] ?? 212;
  const style = {
    width: size,
    height: size,
    fontSize: Math.round(size * 0.38),
    background: `linear-gradient(160deg, hsl(${hue} 58% 52%), hsl(${hue} 60% 40%))`,
  };
  return (
    <span className={`avatar${isOnline ? " is-online" : ""}`} style={style} aria-hidden="true">
      {initialsOf(name)}
    </span>
  );
}
