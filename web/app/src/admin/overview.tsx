//! The server as it is this second.

import { type ReactNode, useCallback } from "react";
import { useLanguage, useNow } from "../hooks.js";
import { Icon } from "../views/icon.js";
import type { HotConversation, Overview as Numbers, Sample } from "./api.js";
import { Chart } from "./chart.js";
import { useDesk } from "./context.js";
import { wordOfFault } from "./faults.js";
import { bytes, count, duration, micros, rate } from "./numbers.js";
import { FaultLine, PageHead, Skeletons } from "./parts.js";
import type { Beat, Polled } from "./poll.js";
import type { Point } from "./scale.js";
import { usePoll } from "./use-poll.js";
import { type Say, useAdminWords } from "./words.js";

const BEAT: Beat = { everyMs: 1_000, mostMs: 30_000, patienceMs: 10_000 };
const SPAN_MS = 120_000;
/** Below this share of data plus free space the disk is called almost full. */
const DISK_LOW = 0.1;

export function Overview() {
  const words = useAdminWords();
  const { api } = useDesk();
  const polled = usePoll(useCallback((signal) => api.overview(signal), [api]), BEAT);
  return (
    <>
      <PageHead title={words("overview")}>
        <Pulse polled={polled} onTry={polled.askNow} />
      </PageHead>
      {polled.value === undefined && !polled.fault && <Skeletons />}
      {polled.value === undefined && polled.fault && <FaultLine fault={polled.fault} onRetry={polled.askNow} />}
      {polled.value && (
        <div className={polled.fault ? "is-stale" : ""}>
          <Charts numbers={polled.value} />
          <div className="overview-rest">
            <Hottest hot={polled.value.hot} />
            <Totals numbers={polled.value} />
          </div>
        </div>
      )}
    </>
  );
}

/** Says whether the picture is current. */
function Pulse({ polled, onTry }: { readonly polled: Polled<Numbers>; readonly onTry: () => void }) {
  const words = useAdminWords();
  const now = useNow(1000);
  if (polled.value === undefined) return null;
  if (polled.fault === undefined) {
    return (
      <span className="pulse">
        <i /> {words("live")}
      </span>
    );
  }
  const left = Math.max(0, Math.ceil(((polled.nextTryMs ?? now) - now) / 1000));
  return (
    <span className="pulse is-stale">
      <span role="alert">{words(wordOfFault(polled.fault), { code: polled.fault.code })}</span> <span aria-hidden="true">{words("stale", { n: left })}</span>
      <button type="button" className="button is-small" onClick={onTry}>
        {words("tryNow")}
      </button>
    </span>
  );
}

const pointsOf = (series: readonly Sample[], value: (sample: Sample) => number | null): Point[] => series.map((sample) => ({ at_ms: sample.at_ms, value: value(sample) }));

function Charts({ numbers }: { readonly numbers: Numbers }) {
  const words = useAdminWords();
  const language = useLanguage();
  const { series } = numbers;
  const perSecond = (value: number) => words("perSecond", { n: rate(value, language) });
  const plain = (value: number) => count(value, language);
  return (
    <div className="charts">
      <Chart title={words("messagesRate")} points={pointsOf(series, (s) => s.messages_per_s)} spanMs={SPAN_MS} format={perSecond} now={perSecond(numbers.messages_per_s)} leastTop={4} hue="one" />
      <Chart title={words("deliveriesRate")} points={pointsOf(series, (s) => s.deliveries_per_s)} spanMs={SPAN_MS} format={perSecond} now={perSecond(numbers.deliveries_per_s)} leastTop={4} hue="two" />
      <Chart
        title={words("ackTime")}
        hint={words(numbers.ack_p99_us === null ? "noAcks" : "ackTimeHint")}
        points={pointsOf(series, (s) => s.ack_p99_us)}
        spanMs={SPAN_MS}
        format={micros}
        now={numbers.ack_p99_us === null ? "–" : micros(numbers.ack_p99_us)}
        leastTop={1_000}
        hue="three"
      />
      <Chart title={words("connections")} points={pointsOf(series, (s) => s.connections)} spanMs={SPAN_MS} format={plain} now={plain(numbers.connections)} leastTop={4} hue="four" />
    </div>
  );
}

function Hottest({ hot }: { readonly hot: readonly HotConversation[] }) {
  const words = useAdminWords();
  const language = useLanguage();
  const most = Math.max(1, ...hot.map((one) => one.messages_per_min));
  return (
    <section className="card" aria-labelledby="hottest">
      <header>
        <h2 id="hottest">{words("hottest")}</h2>
        <small>{words("hottestHint")}</small>
      </header>
      {hot.length === 0 && <p className="card-empty">{words("hotNone")}</p>}
      <ol className="bars">
        {hot.map((one) => (
          <li key={one.conversation}>
            <span className="bar-name">
              <Icon name={one.kind === "direct" ? "chat" : "group"} size={16} />
              <span>{one.title || words(one.kind === "direct" ? "direct" : "untitled")}</span>
            </span>
            <span className="bar-value">{count(one.messages_per_min, language)}</span>
            <span className="meter" aria-hidden="true">
              <i style={{ transform: `scaleX(${one.messages_per_min / most})` }} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

const unitsOf = (words: Say) => ({ d: words("day"), h: words("hour"), min: words("minute"), s: words("second") });

function Totals({ numbers }: { readonly numbers: Numbers }) {
  const words = useAdminWords();
  const language = useLanguage();
  const isLow = numbers.disk_free_bytes < (numbers.disk_free_bytes + numbers.data_bytes) * DISK_LOW;
  const tiles: readonly (readonly [name: string, value: ReactNode, note?: string | undefined])[] = [
    [words("uptime"), duration(numbers.uptime_s, unitsOf(words))],
    [words("users"), count(numbers.users, language)],
    [words("devices"), count(numbers.devices, language)],
    [words("groups"), count(numbers.groups, language)],
    [words("messagesTotal"), count(numbers.messages_total, language), words("sinceStart")],
    [words("deliveriesTotal"), count(numbers.deliveries_total, language), words("sinceStart")],
    [words("ackMedian"), numbers.ack_p50_us === null ? "–" : micros(numbers.ack_p50_us), words("lastTen")],
    [words("data"), bytes(numbers.data_bytes)],
    [words("diskFree"), isLow ? <em className="is-bad">{bytes(numbers.disk_free_bytes)}</em> : bytes(numbers.disk_free_bytes), isLow ? words("diskLow") : undefined],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
