//! One direction of a connection: reads, lets the plan decide, writes when it is time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use crate::proxy::Tally;
use crate::{LanePlan, Step};

/// Bytes that are on the way in one direction; what does not fit waits with its sender.
const WAY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneEnd {
    /// The sender closed, and so did this side towards the receiver.
    Closed,
    /// One of both is gone.
    Broken,
    /// The plan resets the connection.
    Reset,
    /// The sender closed a direction that has fallen silent: the receiver was not told.
    Silent,
}

/// What is on the way.
struct Way {
    pieces: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// The line is taken until then.
    busy_until: Instant,
    /// The last piece arrives then; nothing overtakes it.
    last_at: Instant,
    then: Then,
}

/// What follows the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    More,
    Close,
    Reset,
    Silence,
}

impl Way {
    fn new(now: Instant) -> Self {
        let pieces = VecDeque::new();
        Self { pieces, bytes: 0, busy_until: now, last_at: now, then: Then::More }
    }

    /// Lets the plan decide about bytes that were read now.
    fn put(&mut self, plan: &mut LanePlan, mut bytes: Bytes, now: Instant, tally: &Tally) {
        while !bytes.is_empty() && self.then == Then::More {
            match plan.next(bytes.len()) {
                Step::Carry { bytes: count, after, pace } => {
                    self.busy_until = self.busy_until.max(now) + pace;
                    self.push(self.busy_until + after, bytes.split_to(count));
                }
                Step::Reset => self.then = Then::Reset,
                Step::Vanish => {
                    tally.silenced.fetch_add(1, Ordering::Relaxed);
                    self.then = Then::Silence;
                }
            }
        }
    }

    fn push(&mut self, at: Instant, piece: Bytes) {
        self.last_at = self.last_at.max(at);
        self.bytes += piece.len();
        self.pieces.push_back((self.last_at, piece));
    }

    const fn has_room(&self) -> bool {
        self.bytes < WAY_BYTES_MAX
    }

    /// When the first piece arrives; once the last has, what follows it does at once.
    fn due(&self) -> Option<Instant> {
        self.pieces.front().map(|(at, _)| *at)
    }
}

/// Carries one direction to its end.
pub(crate) async fn carry(
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    mut plan: LanePlan,
    tally: &Tally,
) -> LaneEnd {
    let mut way = Way::new(Instant::now());
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let due = way.due();
        match (due, way.then) {
            (None, Then::Close) => {
                // The receiver may be gone already: then it knows.
                drop(write.shutdown().await);
                return LaneEnd::Closed;
            }
            (None, Then::Reset) => return LaneEnd::Reset,
            (None, Then::Silence) => return swallow(read).await,
            _ => {}
        }
        let reads = way.then == Then::More && way.has_room();
        tokio::select! {
            result = read.read_buf(&mut buffer), if reads => match result {
                Ok(0) => way.then = Then::Close,
                Ok(_) => way.put(&mut plan, buffer.split().freeze(), Instant::now(), tally),
                Err(_) => return LaneEnd::Broken,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if deliver(&mut way, write, tally).await.is_err() {
                    return LaneEnd::Broken;
                }
            }
        }
        buffer.reserve(READ_BYTES);
    }
}

/// Writes the first piece.
async fn deliver(
    way: &mut Way,
    write: &mut (impl AsyncWrite + Unpin),
    tally: &Tally,
) -> io::Result<()> {
    let Some((_, piece)) = way.pieces.pop_front() else { return Ok(()) };
    way.bytes -= piece.len();
    write.write_all(&piece).await?;
    write.flush().await?;
    tally.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
    Ok(())
}

/// Takes what comes and drops it, until the sender closes: it believes that somebody is there.
async fn swallow(read: &mut (impl AsyncRead + Unpin)) -> LaneEnd {
    let mut sink = vec![0; READ_BYTES];
    loop {
        match read.read(&mut sink).await {
            Ok(0) | Err(_) => return LaneEnd::Silent,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::duplex;

    use super::*;
    use crate::{Plan, Profile};

    /// What arrived, each with its time since the start, and how the direction ended. Time is played.
    async fn run(
        profile: Profile,
        sent: &'static [u8],
        closes: bool,
    ) -> (Vec<(Duration, Vec<u8>)>, Option<LaneEnd>) {
        let (mut sender, mut read) = duplex(1 << 20);
        let (mut write, mut receiver) = duplex(1 << 20);
        let begun = Instant::now();
        let lane = tokio::spawn(async move {
            let tally = Tally::default();
            let end = carry(&mut read, &mut write, Plan::new(1, 1, &profile).up, &tally).await;
            (end, read, write)
        });
        sender.write_all(sent).await.unwrap();
        let sender = (!closes).then_some(sender);
        let mut arrived = Vec::new();
        let mut bytes = vec![0; 4_096];
        let patience = Duration::from_secs(3_600);
        while let Ok(Ok(count @ 1..)) =
            tokio::time::timeout(patience, receiver.read(&mut bytes)).await
        {
            arrived.push((begun.elapsed(), bytes[..count].to_vec()));
        }
        drop(sender);
        let end = tokio::time::timeout(patience, lane).await;
        (arrived, end.ok().map(|end| end.unwrap().0))
    }

    fn whole(arrived: &[(Duration, Vec<u8>)]) -> Vec<u8> {
        arrived.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    const WORDS: &[u8] = b"the quick brown fox jumps over the lazy dog";

    #[tokio::test(start_paused = true)]
    async fn a_clean_network_carries_everything_at_once() {
        let (arrived, end) = run(Profile::CLEAN, WORDS, true).await;
        assert_eq!(arrived, [(Duration::ZERO, WORDS.to_vec())]);
        assert_eq!(end, Some(LaneEnd::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_holds_every_byte_and_the_end() {
        let delay = Duration::from_millis(300);
        let (arrived, end) = run(Profile { delay, ..Profile::CLEAN }, WORDS, true).await;
        assert_eq!(arrived, [(delay, WORDS.to_vec())]);
        assert_eq!(end, Some(LaneEnd::Closed));
    }

    /// Jitter differs by segment, stays in its bounds and does not reorder.
    #[tokio::test(start_paused = true)]
    async fn jitter_keeps_the_order() {
        let jitter = Duration::from_millis(100);
        let profile = Profile { jitter, segment_bytes: 4, ..Profile::CLEAN };
        let (arrived, _) = run(profile, WORDS, true).await;
        assert_eq!(whole(&arrived), WORDS);
        assert!(arrived.len() > 1, "pieces come apart: {arrived:?}");
        assert!(arrived.iter().all(|(at, _)| *at <= jitter + Duration::from_millis(1)));
    }

    /// 43 bytes at 10 a second take 4.3 s.
    #[tokio::test(start_paused = true)]
    async fn bandwidth_is_a_bound() {
        let profile = Profile { bytes_per_s: 10, segment_bytes: 5, ..Profile::CLEAN };
        let (arrived, _) = run(profile, WORDS, true).await;
        assert_eq!(whole(&arrived), WORDS);
        for (index, (at, _)) in arrived.iter().enumerate().take(8) {
            let ideal = Duration::from_millis(500 * (index as u64 + 1));
            assert!(at.abs_diff(ideal) < Duration::from_millis(3), "piece {index} at {at:?}");
        }
        let last = arrived.last().unwrap().0;
        assert!(last.abs_diff(Duration::from_millis(4_300)) < Duration::from_millis(3), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_comes_byte_by_byte() {
        let (arrived, end) = run(Profile::TRICKLE, WORDS, true).await;
        assert_eq!(whole(&arrived), WORDS);
        assert!(arrived.iter().all(|(_, bytes)| bytes.len() == 1));
        assert!(arrived.last().unwrap().0 >= Duration::from_micros(2_500 * 43));
        assert_eq!(end, Some(LaneEnd::Closed));
    }

    /// A lost segment is late, and so is everything behind it.
    #[tokio::test(start_paused = true)]
    async fn a_loss_is_a_stall() {
        let stall = Duration::from_secs(1);
        let profile = Profile { loss_permille: 300, stall, segment_bytes: 4, ..Profile::CLEAN };
        let (arrived, _) = run(profile, WORDS, true).await;
        assert_eq!(whole(&arrived), WORDS);
        assert_eq!(arrived.last().unwrap().0, stall, "all lost at once come back at once");
        assert!(arrived.len() <= 2, "{arrived:?}");
    }

    /// A reset comes behind a part of the bytes; the receiver sees no orderly end from the direction itself.
    #[tokio::test(start_paused = true)]
    async fn a_reset_cuts_in_the_middle() {
        let profile = Profile { reset_permille: 1_000, segment_bytes: 40, ..Profile::CLEAN };
        let (arrived, end) = run(profile, WORDS, false).await;
        let whole = whole(&arrived);
        assert!(whole.len() < 40 && WORDS.starts_with(&whole), "{whole:?}");
        assert_eq!(end, Some(LaneEnd::Reset));
    }

    /// A silent direction takes everything, gives nothing, and does not pass the end on.
    #[tokio::test(start_paused = true)]
    async fn silence_is_not_told() {
        let plan = (0..).map(|n| Plan::new(1, n, &FROZEN)).find(|p| p.up.freeze().is_some());
        const FROZEN: Profile =
            Profile { freeze_permille: 1_000, freeze_bytes: 20, ..Profile::CLEAN };
        let plan = plan.unwrap();
        let at = usize::try_from(plan.up.freeze().unwrap().0).unwrap();
        let (mut sender, mut read) = duplex(64);
        let (mut write, mut receiver) = duplex(64);
        let lane = tokio::spawn(async move {
            let tally = Tally::default();
            let end = carry(&mut read, &mut write, plan.up, &tally).await;
            (end, tally.counts().silenced, write)
        });
        for _ in 0..100 {
            sender.write_all(WORDS).await.unwrap();
        }
        drop(sender);
        let (end, silenced, write) = lane.await.unwrap();
        assert_eq!((end, silenced), (LaneEnd::Silent, 1));
        let mut arrived = vec![0; 64];
        if at > 0 {
            assert_eq!(receiver.read(&mut arrived).await.unwrap(), at);
        }
        let more = tokio::time::timeout(Duration::from_secs(60), receiver.read(&mut arrived));
        assert!(more.await.is_err(), "neither bytes nor an end");
        drop(write);
    }

    /// A receiver that does not read holds the sender back.
    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let (mut sender, mut read) = duplex(1_024);
        let (mut write, receiver) = duplex(1_024);
        let lane = tokio::spawn(async move {
            let plan =
                Plan::new(1, 1, &Profile { delay: Duration::from_millis(10), ..Profile::CLEAN });
            carry(&mut read, &mut write, plan.up, &Tally::default()).await
        });
        let mut taken = 0;
        let block = [7; 1_024];
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_secs(5), sender.write_all(&block)).await
        {
            taken += block.len();
            assert!(taken < 4 * WAY_BYTES_MAX, "{taken} bytes are on the way");
        }
        assert!(taken >= WAY_BYTES_MAX / 2);
        drop(receiver);
        assert_eq!(lane.await.unwrap(), LaneEnd::Broken);
    }
}
