//! A QR code as one SVG path.

import { encode } from "uqr";

/** Modules of white around the code; readers need four. */
const QUIET = 4;

/** The drawing of a code. */
export interface QrDrawing {
  /** Modules of a side, the white frame included. */
  readonly side: number;
  /** Path data of the dark modules, in modules. */
  readonly path: string;
}

/** Draws `text`; runs of dark modules in a row become one bar. */
export function drawQr(text: string): QrDrawing {
  const { data, size } = encode(text, { ecc: "M", border: 0 });
  let path = "";
  data.forEach((row, y) => {
    for (let x = 0; x < size; x++) {
      if (row[x] !== true) continue;
      const first = x;
      while (row[x + 1] === true) x++;
      path += `M${first + QUIET} ${y + QUIET}h${x - first + 1}v1h-${x - first + 1}z`;
    }
  });
  return { side: size + 2 * QUIET, path };
}
