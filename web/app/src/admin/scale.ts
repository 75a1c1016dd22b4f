//! From numbers to places in a chart.

/** A point of a chart: when, and how much; `null` = nothing was measured then. */
export interface Point {
  readonly at_ms: number;
  readonly value: number | null;
}

/** Round tops, whose halves are round too. */
const STEPS = [1, 2, 3, 4, 5, 6, 8, 10];

/** The lowest round number that is not below `highest`: one of the steps times a power of ten. */
export function niceTop(highest: number, least = 1): number {
  const wanted = Math.max(highest, least);
  if (!Number.isFinite(wanted) || wanted <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  for (const step of STEPS) if (step * power >= wanted * (1 - 1e-9)) return Number((step * power).toPrecision(3));
  return 10 * power;
}

/** The highest value; 0 without any. */
export const highest = (points: readonly Point[]): number => points.reduce((most, { value }) => Math.max(most, value ?? 0), 0);

/** What a chart shows: a stretch of time and values from 0 to `top`, in a box of `width` by `height`. */
export interface Frame {
  readonly untilMs: number;
  readonly spanMs: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const round = (n: number): number => Math.round(n * 100) / 100;

/** Place of a moment. */
export const xOf = (frame: Frame, at_ms: number): number => round(frame.width * (1 - (frame.untilMs - at_ms) / frame.spanMs));

/** Place of a value; what is above the top is drawn at the top. */
export const yOf = (frame: Frame, value: number): number => round(frame.height * (1 - Math.min(Math.max(value, 0), frame.top) / frame.top));

/** The runs of points without a hole; a point alone is a run too. A hole is a `null`, or more than `holeMs` without a point. */
export function runsOf(points: readonly Point[], holeMs: number): { readonly at_ms: number; readonly value: number }[][] {
  const runs: { at_ms: number; value: number }[][] = [];
  let last: number | undefined;
  for (const { at_ms, value } of points) {
    if (value === null) {
      last = undefined;
      continue;
    }
    if (last === undefined || at_ms - last > holeMs) runs.push([]);
    runs.at(-1)?.push({ at_ms, value });
    last = at_ms;
  }
  return runs;
}

/** Path data of the line and of the area below it. */
export function pathsOf(frame: Frame, points: readonly Point[], holeMs: number): { readonly line: string; readonly area: string } {
  let line = "";
  let area = "";
  for (const run of runsOf(points, holeMs)) {
    const places = run.map(({ at_ms, value }) => `${xOf(frame, at_ms)} ${yOf(frame, value)}`);
    const first = run[0]?.at_ms ?? 0;
    const last = run.at(-1)?.at_ms ?? 0;
    // A run of one point is drawn as a short dash: a path of no length shows nothing.
    const more = places.length === 1 ? ` h0.01` : "";
    line += `M${places.join("L")}${more}`;
    area += `M${xOf(frame, first)} ${frame.height}L${places.join("L")}L${xOf(frame, last)} ${frame.height}Z`;
  }
  return { line, area };
}

/** The point nearest to a place of the box; `undefined` without points. */
export function nearest(frame: Frame, points: readonly Point[], x: number): Point | undefined {
  let found: Point | undefined;
  let best = Infinity;
  for (const point of points) {
    const distance = Math.abs(xOf(frame, point.at_ms) - x);
    if (distance < best) [found, best] = [point, distance];
  }
  return found;
}
