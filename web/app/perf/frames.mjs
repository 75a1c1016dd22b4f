//! What a page shows to the eye: times between frames, the work of its main thread, whether a place is kept.

/** Begins to watch frames in a page; `stopFrames` gives what was seen. */
export const startFrames = (page) =>
  page.evaluate(() => {
    const held = { at: [], long: [], isOn: true };
    globalThis.watched = held;
    held.observer = new PerformanceObserver((list) => held.long.push(...list.getEntries().map((entry) => entry.duration)));
    held.observer.observe({ type: "longtask", buffered: false });
    const frame = (now) => {
      held.at.push(now);
      if (held.isOn) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });

export async function stopFrames(page) {
  const { at, long } = await page.evaluate(() => {
    const { at, long, observer } = globalThis.watched;
    globalThis.watched.isOn = false;
    observer.disconnect();
    return { at, long };
  });
  const gaps = at.slice(1).map((now, index) => now - at[index]).sort((a, b) => a - b);
  const share = (part) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))] ?? 0;
  const seconds = (at.at(-1) - at[0]) / 1_000;
  return {
    framesPerSecond: Math.round((gaps.length / seconds) * 10) / 10,
    gapMsMedian: Math.round(share(0.5) * 10) / 10,
    gapMsP95: Math.round(share(0.95) * 10) / 10,
    gapMsP99: Math.round(share(0.99) * 10) / 10,
    gapMsWorst: Math.round(share(1) * 10) / 10,
    gapsOver50Ms: gaps.filter((gap) => gap > 50).length,
    longTasks: long.length,
    longTaskMsWorst: Math.round(Math.max(0, ...long)),
  };
}

/** Median and p95 of numbers. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const share = (part) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 10) / 10;
  return { count: sorted.length, medianMs: share(0.5), p95Ms: share(0.95), worstMs: share(1) };
}
