//! Beats at exact times.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::BenchError;

/// Beats are not closer than this; faster rates send several messages a beat.
const BEAT_MIN: Duration = Duration::from_micros(500);

/// When each message of a fixed rate is due. The runtime's own timer has a step of 1 ms, too coarse for latencies of
/// that size, so the kernel's is used.
pub(crate) struct Pacer {
    timer: AsyncFd<OwnedFd>,
    begin: Instant,
    interval: Duration,
    sent: u64,
}

impl Pacer {
    /// Begins now, with `rate` messages a second.
    pub(crate) fn new(rate: u64) -> Result<Self, BenchError> {
        let failed = |error: rustix::io::Errno| BenchError::io("a timer", error.into());
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(failed)?;
        let interval = Duration::from_secs_f64(1.0 / rate.max(1) as f64);
        let beat = interval.max(BEAT_MIN);
        let spec = Timespec {
            tv_sec: i64::try_from(beat.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(beat.subsec_nanos()),
        };
        let times = Itimerspec { it_interval: spec, it_value: spec };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).map_err(failed)?;
        #[expect(
            deprecated,
            reason = "an `OwnedFd` stays open and the same until the `AsyncFd` ends"
        )]
        let timer = AsyncFd::new(timer).map_err(|source| BenchError::io("a timer", source))?;
        Ok(Self { timer, begin: Instant::now(), interval, sent: 0 })
    }

    /// Waits for the next beat.
    pub(crate) async fn beat(&self) -> Result<(), BenchError> {
        let failed = |source| BenchError::io("a timer", source);
        loop {
            let mut guard = self.timer.readable().await.map_err(failed)?;
            let mut beats = [0; 8];
            let read = guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut beats)?));
            match read {
                Ok(read) => return read.map(drop).map_err(failed),
                Err(_would_block) => {}
            }
        }
    }

    /// The next message that is due by now, and since when. Late beats lose none.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        let at = self.begin + self.interval.mul_f64(self.sent as f64);
        (at <= Instant::now()).then(|| {
            self.sent += 1;
            at
        })
    }
}
