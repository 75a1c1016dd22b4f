//! What happens here now: messages, deliveries and ack times second by second, and the busiest conversations.
//!
//! Fed by every answered message (`Live::acked`) and once a second by whoever sees the other rooms ([`Live::tick`]). The
//! cost of a message is two looks at the clock, one counter and one place in the sketch; `docs/performance.md` has the figure.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenon_base::{ConversationId, Deadline, Timestamp};
use tenon_core::supervision::{Now, Sample};

mod latency;
mod sketch;

use latency::{Counts, Latency};
use sketch::Busiest;

/// Points of the series, one a second.
pub const POINTS: usize = 120;
/// Seconds that the ack times of [`Now`] are of.
const ACK_SECONDS: usize = 10;
/// Conversations told as the busiest.
pub(crate) const BUSIEST_MAX: usize = 10;

/// What the other rooms and the machine say, once a second. Counts are since the start and never fall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Events handed to connections.
    pub deliveries: u64,
    /// Connections open.
    pub connections: u64,
    /// Bytes of the data directory.
    pub data_bytes: u64,
    /// Bytes free where it lies.
    pub disk_free_bytes: u64,
}

/// Figures of this process. Share it; every method takes a short lock or none.
#[derive(Debug)]
pub struct Live {
    started: Deadline,
    messages: AtomicU64,
    latency: Latency,
    busiest: Mutex<Busiest>,
    series: Mutex<Series>,
}

/// The last minutes, second by second.
#[derive(Debug, Default)]
struct Series {
    points: VecDeque<Sample>,
    /// Ack times as they stood at the ends of the last seconds, oldest first, one more than are subtracted.
    pictures: VecDeque<Counts>,
    last: Option<(Deadline, u64, u64)>,
    elsewhere: Elsewhere,
}

impl Live {
    /// Figures that begin now.
    pub(crate) fn new(now: Deadline) -> Self {
        Self {
            started: now,
            messages: AtomicU64::new(0),
            latency: Latency::new(),
            busiest: Mutex::new(Busiest::new()),
            series: Mutex::default(),
        }
    }

    /// A message of `conv`, asked at `asked`, stands and was answered at `now`.
    pub(crate) fn acked(&self, conv: ConversationId, asked: Deadline, now: Deadline) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(now.since(asked).as_micros()).unwrap_or(u64::MAX);
        self.latency.add(us);
        self.busiest.lock().unwrap_or_else(PoisonError::into_inner).add(conv.0, now);
    }

    fn series(&self) -> MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a second of the series. Call it once a second; a late call is counted with the time that really passed.
    pub fn tick(&self, at: Timestamp, now: Deadline, elsewhere: Elsewhere) {
        let (messages, counts) = (self.messages.load(Ordering::Relaxed), self.latency.counts());
        let mut series = self.series();
        series.elsewhere = elsewhere;
        let last = series.last.replace((now, messages, elsewhere.deliveries));
        if let (Some((then, messages_then, deliveries_then)), Some(before)) =
            (last, series.pictures.back())
        {
            let passed_us = u64::try_from(now.since(then).as_micros()).unwrap_or(u64::MAX);
            let ack_p99_us = counts.quantile_since(before, 0.99);
            let per_second = |now: u64, then: u64| {
                let hundredths = u128::from(now.saturating_sub(then)) * 1_000_000;
                u64::try_from(hundredths.div_ceil(u128::from(passed_us.max(1)))).unwrap_or(u64::MAX)
            };
            if series.points.len() == POINTS {
                series.points.pop_front();
            }
            series.points.push_back(Sample {
                at,
                messages_per_s: per_second(messages, messages_then),
                deliveries_per_s: per_second(elsewhere.deliveries, deliveries_then),
                ack_p99_us,
                connections: elsewhere.connections,
            });
        }
        if series.pictures.len() > ACK_SECONDS {
            series.pictures.pop_front();
        }
        series.pictures.push_back(counts);
    }

    /// The figures as they stand.
    pub fn now(&self, now: Deadline) -> Now {
        let series = self.series();
        let (p50, p99) = match (series.pictures.front(), series.pictures.back()) {
            (Some(first), Some(last)) => {
                (last.quantile_since(first, 0.50), last.quantile_since(first, 0.99))
            }
            _ => (None, None),
        };
        let last = series.points.back().copied().unwrap_or_default();
        Now {
            uptime_s: now.since(self.started).as_secs(),
            connections: series.elsewhere.connections,
            messages_total: self.messages.load(Ordering::Relaxed),
            deliveries_total: series.elsewhere.deliveries,
            messages_per_s: last.messages_per_s,
            deliveries_per_s: last.deliveries_per_s,
            ack_p50_us: p50,
            ack_p99_us: p99,
            data_bytes: series.elsewhere.data_bytes,
            disk_free_bytes: series.elsewhere.disk_free_bytes,
            series: series.points.iter().copied().collect(),
        }
    }

    /// The busiest conversations with their messages of the last minute, the busiest first.
    pub fn busiest(&self, now: Deadline) -> Vec<(ConversationId, u64)> {
        let top = self.busiest.lock().unwrap_or_else(PoisonError::into_inner).top(now, BUSIEST_MAX);
        top.into_iter().map(|(conv, count)| (ConversationId(conv), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> (Timestamp, Deadline) {
        (Timestamp(1_000_000 + n * 1_000), Deadline(n * 1_000_000))
    }

    fn with(deliveries: u64) -> Elsewhere {
        Elsewhere { deliveries, connections: 3, ..Elsewhere::default() }
    }

    #[test]
    fn seconds_are_told_as_they_were() {
        let live = Live::new(Deadline(0));
        for n in 0..30 {
            let (at, now) = second(n);
            live.tick(at, now, with(n * 50));
            for _ in 0..n {
                live.acked(ConversationId(5), now, now.plus(std::time::Duration::from_micros(800)));
            }
        }
        let now = live.now(second(29).1);
        assert_eq!(now.series.len(), 29, "a point is between two ticks");
        for (n, point) in now.series.iter().enumerate() {
            assert_eq!(point.messages_per_s, n as u64);
            assert_eq!((point.deliveries_per_s, point.connections), (50, 3));
            assert_eq!(point.at, second(n as u64 + 1).0);
            assert_eq!(point.ack_p99_us.is_some(), n > 0);
        }
        assert_eq!((now.messages_total, now.deliveries_total), ((0..30).sum(), 29 * 50));
        assert_eq!(now.uptime_s, 29);
        assert!(now.ack_p50_us.is_some_and(|us| (800..=830).contains(&us)), "{:?}", now.ack_p50_us);
        assert_eq!(live.busiest(second(29).1), [(ConversationId(5), (0..30).sum())]);
    }

    #[test]
    fn ack_times_are_of_the_last_ten_seconds_and_the_series_is_bounded() {
        let live = Live::new(Deadline(0));
        live.acked(ConversationId(1), Deadline(0), Deadline(1_000));
        let mut seen = Vec::new();
        for n in 0..300 {
            let (at, now) = second(n);
            live.tick(at, now, Elsewhere::default());
            if n == 2 {
                live.acked(ConversationId(1), now, now.plus(std::time::Duration::from_millis(4)));
            }
            seen.push(live.now(now).ack_p99_us.is_some());
        }
        let with_times = seen.iter().filter(|seen| **seen).count();
        assert_eq!(with_times, ACK_SECONDS, "told for ten seconds, then not any more");
        let now = live.now(second(299).1);
        assert_eq!(now.series.len(), POINTS);
        assert_eq!((now.ack_p50_us, now.ack_p99_us), (None, None));
        assert!(now.series.iter().all(|point| point.ack_p99_us.is_none()));
    }

    #[test]
    fn a_late_tick_does_not_make_a_peak() {
        let live = Live::new(Deadline(0));
        live.tick(Timestamp(0), Deadline(0), Elsewhere::default());
        for _ in 0..400 {
            live.acked(ConversationId(1), Deadline(0), Deadline(10));
        }
        live.tick(Timestamp(4_000), Deadline(4_000_000), Elsewhere::default());
        let points = live.now(Deadline(4_000_000)).series;
        assert_eq!(points.iter().map(|p| p.messages_per_s).collect::<Vec<_>>(), [100]);
    }
}
