//! A line over the last two minutes that moves with time.

import { type PointerEvent, useEffect, useRef, useState } from "react";
import { type Frame, highest, nearest, niceTop, pathsOf, type Point, xOf, yOf } from "./scale.js";
import { useAdminWords } from "./words.js";

/** Units of the drawing; it is stretched to the width of its card. */
const WIDTH = 600;
const HEIGHT = 120;
/** A longer time without a point is drawn as a hole. */
const HOLE_MS = 3_500;

export interface ChartProps {
  readonly title: string;
  /** Says more about what is drawn. */
  readonly hint?: string;
  readonly points: readonly Point[];
  readonly spanMs: number;
  /** Writes a value with its unit. */
  readonly format: (value: number) => string;
  /** The value in large letters. */
  readonly now: string;
  /** The top is at least this. */
  readonly leastTop: number;
  /** Name of a colour in admin.css. */
  readonly hue: "one" | "two" | "three" | "four";
}

export function Chart({ title, hint, points, spanMs, format, now, leastTop, hue }: ChartProps) {
  const words = useAdminWords();
  const [pointed, setPointed] = useState<number>();
  const untilMs = points.at(-1)?.at_ms ?? 0;
  const peak = highest(points);
  const frame: Frame = { untilMs, spanMs, top: niceTop(peak, leastTop), width: WIDTH, height: HEIGHT };
  const { line, area } = pathsOf(frame, points, HOLE_MS);
  const moving = useMotion(frame);
  const found = pointed === undefined ? undefined : nearest(frame, points, pointed);
  const onMove = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setPointed(((event.clientX - box.left) / box.width) * WIDTH);
  };
  const readOut = () => {
    if (found === undefined) return words("peak", { value: format(peak) });
    const ago = words("secondsAgo", { n: Math.round((untilMs - found.at_ms) / 1000) });
    return `${found.value === null ? "–" : format(found.value)} · ${ago}`;
  };
  return (
    <figure className={`chart is-${hue}`}>
      <figcaption>
        <span className="chart-title">{title}</span>
        <strong>{now}</strong>
        <small>{found === undefined && hint ? hint : readOut()}</small>
      </figcaption>
      <div className="chart-box">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={words("chartLabel", { title, now, peak: format(peak) })}
          onPointerMove={onMove}
          onPointerDown={onMove}
          onPointerLeave={() => setPointed(undefined)}
        >
          <path className="chart-grid" d={`M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}`} />
          <g ref={moving}>
            <path className="chart-area" d={area} />
            <path className="chart-line" d={line} />
          </g>
          {found && <path className="chart-cross" d={`M${xOf(frame, found.at_ms)} 0V${HEIGHT}`} />}
        </svg>
        {found?.value != null && <i className="chart-dot" style={{ left: `${(xOf(frame, found.at_ms) / WIDTH) * 100}%`, top: `${(yOf(frame, found.value) / HEIGHT) * 100}%` }} />}
        <span className="chart-top" aria-hidden="true">
          {format(frame.top)}
        </span>
        <span className="chart-half" aria-hidden="true">
          {format(frame.top / 2)}
        </span>
      </div>
    </figure>
  );
}

/** Slides the drawing by the time that went by since the last one, so that it moves evenly and does not jump. */
function useMotion(frame: Frame) {
  const ref = useRef<SVGGElement>(null);
  const before = useRef(frame.untilMs);
  useEffect(() => {
    const wentBy = frame.untilMs - before.current;
    before.current = frame.untilMs;
    const group = ref.current;
    const isCalm = typeof matchMedia === "function" && matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (group === null || isCalm || wentBy <= 0 || wentBy > frame.spanMs / 10) return;
    const shift = (wentBy / frame.spanMs) * frame.width;
    const motion = group.animate([{ transform: `translateX(${shift}px)` }, { transform: "translateX(0)" }], { duration: wentBy, easing: "linear" });
    return () => motion.cancel();
  }, [frame.untilMs, frame.spanMs, frame.width]);
  return ref;
}
