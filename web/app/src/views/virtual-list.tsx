//! A long list of rows of one height: only those on the screen exist. Arrow keys, Home and End move the focus.

import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Rows drawn beyond both edges. */
const OVERSCAN = 8;

export interface VirtualListProps<T> {
  readonly items: readonly T[];
  /** How many there will be; as many as there are, unless told. */
  readonly size?: number;
  readonly rowHeight: number;
  readonly keyOf: (item: T) => string;
  /** `isStop`: Tab comes to this row. */
  readonly row: (item: T, isStop: boolean) => ReactNode;
  readonly label: string;
  /** This row is kept in view when it changes; -1 is none. */
  readonly activeIndex: number;
}

/** The first and last row to draw. */
export function rangeOf(top: number, height: number, rowHeight: number): { readonly from: number; readonly to: number } {
  return { from: Math.max(0, Math.floor(top / rowHeight) - OVERSCAN), to: Math.ceil((top + height) / rowHeight) + OVERSCAN };
}

/** Where a key moves the focus; `undefined` = it is no key of lists. `at` is -1 if no row has it. */
export function movedBy(key: string, at: number, count: number): number | undefined {
  if (count === 0) return undefined;
  if (key === "ArrowDown") return Math.min(count - 1, at + 1);
  if (key === "ArrowUp") return Math.max(0, at - 1);
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : undefined;
}

export function VirtualList<T>({ items, size = items.length, rowHeight, keyOf, row, label, activeIndex }: VirtualListProps<T>) {
  const ref = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 30 });
  const [stop, setStop] = useState(-1);
  const measure = useCallback(() => {
    const box = ref.current;
    if (box === null) return;
    const next = rangeOf(box.scrollTop, box.clientHeight, rowHeight);
    setRange((held) => (held.from === next.from && held.to === next.to ? held : next));
  }, [rowHeight]);
  const count = Math.max(size, items.length);
  // A shorter list may have moved the screen.
  useLayoutEffect(measure, [measure, count]);
  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  }, [measure]);
  const reveal = (index: number) => {
    const box = ref.current;
    if (box === null || index < 0) return;
    const top = index * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
  };
  useEffect(() => {
    reveal(activeIndex);
    setStop(activeIndex);
  }, [activeIndex]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const li = (event.target as HTMLElement).closest("li");
    const next = movedBy(event.key, Number(li?.getAttribute("aria-posinset") ?? 0) - 1, items.length);
    if (next === undefined) return;
    event.preventDefault();
    setStop(next);
    reveal(next);
    measure();
    requestAnimationFrame(() => ref.current?.querySelector<HTMLElement>(`li[aria-posinset="${next + 1}"] button`)?.focus({ preventScroll: true }));
  };
  const shown = items.slice(range.from, range.to);
  const entry = stop >= range.from && stop < Math.min(range.to, items.length) ? stop : range.from;
  return (
    <div ref={ref} className="virtual" onScroll={measure} onKeyDown={onKeyDown}>
      <ul aria-label={label} aria-busy={items.length < count} style={{ height: count * rowHeight }}>
        {shown.map((item, offset) => {
          const index = range.from + offset;
          return (
            <li key={keyOf(item)} style={{ top: index * rowHeight, height: rowHeight }} aria-setsize={count} aria-posinset={index + 1}>
              {row(item, index === entry)}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
