//! Long and hostile texts, cut where a reader would not notice.

/** Longer texts are folded: UTF-16 units and lines. */
const FOLD_UNITS = 1_200;
const FOLD_LINES = 16;

/** At most `units` of a text, never half a sign: a cut inside an emoji or a letter with marks goes before it. */
export function cut(text: string, units: number): string {
  if (text.length <= units) return text;
  const near = text.slice(Math.max(0, units - 64), units + 64);
  const from = Math.max(0, units - 64);
  let end = 0;
  for (const { index } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(near)) {
    if (from + index > units) break;
    end = index;
  }
  return text.slice(0, end > 0 ? from + end : units);
}

/** What is shown of a text at first; the text itself if that is all of it. */
export function folded(text: string): string {
  let end = -1;
  for (let lines = 0; lines < FOLD_LINES; lines++) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) break;
  }
  const byLines = end < 0 ? text : text.slice(0, end);
  return byLines.length > FOLD_UNITS * 1.25 ? cut(byLines, FOLD_UNITS) : byLines;
}

/** True if a text is nothing but up to three emoji. */
export function isJumbo(text: string): boolean {
  if (text.length > 48 || !/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(text)) return false;
  const signs = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text.trim())];
  return signs.length <= 3 && signs.every(({ segment }) => /^(\p{Extended_Pictographic}|\p{Regional_Indicator})/u.test(segment));
}
