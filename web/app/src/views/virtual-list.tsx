//! A long list of rows of one height: only those on the screen exist.

import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Rows drawn beyond both edges. */
const OVERSCAN = 6;

export interface VirtualListProps<T> {
  readonly items: readonly T[];
  readonly rowHeight: number;
  readonly keyOf: (item: T) => string;
  readonly row: (item: T, index: number) => ReactNode;
  readonly label: string;
  /** This row is kept in view when it changes. */
  readonly activeIndex: number;
}

export function VirtualList<T>({ items, rowHeight, keyOf, row, label, activeIndex }: VirtualListProps<T>) {
  const ref = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 30 });
  const measure = () => {
    const box = ref.current;
    if (box === null) return;
    const from = Math.max(0, Math.floor(box.scrollTop / rowHeight) - OVERSCAN);
    const to = Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + OVERSCAN;
    setRange((held) => (held.from === from && held.to === to ? held : { from, to }));
  };
  useLayoutEffect(measure);
  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  });
  useEffect(() => {
    const box = ref.current;
    if (box === null || activeIndex < 0) return;
    const top = activeIndex * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
  }, [activeIndex, rowHeight]);
  const shown = items.slice(range.from, range.to);
  return (
    <div ref={ref} className="virtual" onScroll={measure}>
      <ul aria-label={label} style={{ height: items.length * rowHeight }}>
        {shown.map((item, offset) => {
          const index = range.from + offset;
          return (
            <li key={keyOf(item)} style={{ top: index * rowHeight, height: rowHeight }} aria-setsize={items.length} aria-posinset={index + 1}>
              {row(item, index)}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
