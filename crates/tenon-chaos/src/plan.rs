//! What will happen to a connection: decided before its first byte.

use std::time::Duration;

use tenon_base::{Random as _, SeededRandom, digest};

use crate::Profile;

/// Bounds of `segment_bytes`, so that a step is never empty and never needs much memory.
const SEGMENT_BYTES_MAX: u32 = 64 * 1024;

/// Everything that will happen to one connection.
#[derive(Debug)]
pub struct Plan {
    /// Its lot as a whole.
    pub fate: Fate,
    /// Time before the first byte is carried.
    pub setup: Duration,
    /// From the device to the server.
    pub up: LanePlan,
    /// From the server to the device.
    pub down: LanePlan,
}

/// The lot of a connection as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is reset before a byte.
    Refused,
    /// It is carried until a peer ends it.
    Carried,
    /// It is reset at this age.
    Cut(Duration),
}

/// Where a direction falls silent, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze(pub u64);

/// What the next bytes of a direction meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first `bytes` of them arrive `after` they were read at the earliest, and take `pace` on the line.
    Carry {
        /// How many, at least 1.
        bytes: usize,
        /// From the read on.
        after: Duration,
        /// How long the line is taken by them.
        pace: Duration,
    },
    /// The connection is reset once what was carried before has arrived.
    Reset,
    /// They vanish, and so does everything behind them; nobody is told.
    Vanish,
}

/// One direction of a connection: gives the faults in the order of the bytes.
#[derive(Debug)]
pub struct LanePlan {
    profile: Profile,
    random: SeededRandom,
    /// Bytes so far.
    at: u64,
    freeze: Option<Freeze>,
    /// End of the segment that `at` is in, and what was drawn for it.
    segment: Segment,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    end: u64,
    after: Duration,
    /// Where in it the connection ends.
    reset_at: Option<u64>,
}

impl Plan {
    /// The plan of the connection with this number; the same for the same seed, number and profile.
    pub fn new(seed: u64, connection: u64, profile: &Profile) -> Self {
        let own = digest::mix64(digest::mix64(seed).wrapping_add(connection));
        let random = SeededRandom::new(own);
        // Every draw is made, whether it is wanted or not: one chance more or less does not move the others.
        let (refuse, freeze, life) = (random.next_u64(), random.next_u64(), random.next_u64());
        let (which, up_at, down_at) = (random.next_u64(), random.next_u64(), random.next_u64());
        let (up_seed, down_seed) = (random.next_u64(), random.next_u64());
        let freezes = is_hit(freeze, profile.freeze_permille);
        let place = |draw: u64| Freeze(draw % (u64::from(profile.freeze_bytes) + 1));
        // Up, down, or both.
        let which = which % 3;
        let up = (freezes && which != 1).then(|| place(up_at));
        let down = (freezes && which != 0).then(|| place(down_at));
        Self {
            fate: fate(profile, refuse, life),
            setup: profile.setup,
            up: LanePlan::new(*profile, up_seed, up),
            down: LanePlan::new(*profile, down_seed, down),
        }
    }
}

fn fate(profile: &Profile, refuse: u64, life: u64) -> Fate {
    if is_hit(refuse, profile.refuse_permille) {
        return Fate::Refused;
    }
    if profile.life.is_zero() {
        return Fate::Carried;
    }
    Fate::Cut(profile.life - draw(life, profile.life / 8))
}

impl LanePlan {
    fn new(mut profile: Profile, seed: u64, freeze: Option<Freeze>) -> Self {
        profile.segment_bytes = profile.segment_bytes.clamp(1, SEGMENT_BYTES_MAX);
        let segment = Segment { end: 0, after: Duration::ZERO, reset_at: None };
        Self { profile, random: SeededRandom::new(seed), at: 0, freeze, segment }
    }

    /// Where the direction falls silent, if it does.
    pub const fn freeze(&self) -> Option<Freeze> {
        self.freeze
    }

    /// Most bytes of one step.
    pub const fn segment_bytes(&self) -> u32 {
        self.profile.segment_bytes
    }

    /// What the next `offered` bytes meet, at least 1; the rest of them is offered again.
    pub fn next(&mut self, offered: usize) -> Step {
        let room = self.freeze.map_or(u64::MAX, |Freeze(at)| at.saturating_sub(self.at));
        if room == 0 {
            return Step::Vanish;
        }
        if self.at >= self.segment.end {
            self.segment = self.draw_segment();
        }
        if self.segment.reset_at == Some(self.at) {
            return Step::Reset;
        }
        let stop = self.segment.reset_at.unwrap_or(self.segment.end);
        let bytes = (offered as u64).min(room).min(stop.saturating_sub(self.at));
        self.at += bytes;
        let count = usize::try_from(bytes).unwrap_or(offered);
        let pace = match u64::from(self.profile.bytes_per_s) {
            0 => Duration::ZERO,
            rate => Duration::from_micros(bytes.saturating_mul(1_000_000) / rate),
        };
        Step::Carry { bytes: count, after: self.segment.after, pace }
    }

    fn draw_segment(&self) -> Segment {
        let (jitter, loss) = (self.random.next_u64(), self.random.next_u64());
        let (reset, place) = (self.random.next_u64(), self.random.next_u64());
        let profile = &self.profile;
        let bytes = u64::from(profile.segment_bytes);
        let mut after = profile.delay + draw(jitter, profile.jitter);
        if is_hit(loss, profile.loss_permille) {
            after += profile.stall;
        }
        let resets = is_hit(reset, profile.reset_permille);
        let reset_at = resets.then(|| self.at + place % bytes);
        Segment { end: self.at + bytes, after, reset_at }
    }
}

/// True with a chance of `permille`.
const fn is_hit(draw: u64, permille: u32) -> bool {
    draw % 1_000 < permille as u64
}

/// A time in `0..=max`.
fn draw(draw: u64, max: Duration) -> Duration {
    let span = u64::try_from(max.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(draw % (span + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of `total` bytes by offset, offered in pieces of `piece`.
    fn faults(lane: &mut LanePlan, total: u64, piece: usize) -> Vec<(u64, Duration)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < total {
            match lane.next(piece.min(usize::try_from(total - at).unwrap())) {
                Step::Carry { bytes, after, .. } => {
                    found.extend((at..at + bytes as u64).map(|byte| (byte, after)));
                    at += bytes as u64;
                }
                Step::Reset => {
                    found.push((at, Duration::MAX));
                    break;
                }
                Step::Vanish => break,
            }
        }
        found
    }

    /// Two runs are equal, however the kernel cuts the bytes; another number or seed is another plan.
    #[test]
    fn a_plan_follows_from_seed_and_number_alone() {
        let profile = Profile { freeze_permille: 300, reset_permille: 5, ..Profile::MEAN };
        for connection in 0..50 {
            let lane = |seed, piece| {
                let mut plan = Plan::new(seed, connection, &profile);
                let (up, down) = (faults(&mut plan.up, 40_000, piece), plan.down.freeze());
                (plan.fate, up, down)
            };
            let whole = lane(7, 40_000);
            for piece in [1, 3, 700, 701, 9_999] {
                assert!(lane(7, piece) == whole, "{connection} in pieces of {piece}");
            }
            assert!(lane(8, 40_000) != whole, "{connection} with another seed");
        }
    }

    /// Rates are what the profile says, over many connections.
    #[test]
    fn chances_are_met() {
        let count = |hit: &dyn Fn(&mut Plan) -> bool, profile: &Profile| {
            (0..4_000).filter(|n| hit(&mut Plan::new(3, *n, profile))).count()
        };
        let refused = count(&|p| p.fate == Fate::Refused, &Profile::REFUSING);
        assert!((1_800..2_200).contains(&refused), "{refused} of 4,000 are refused");
        let some = Profile { freeze_permille: 667, ..Profile::HALF_OPEN };
        let silent = count(&|p| p.up.freeze().or(p.down.freeze()).is_some(), &some);
        assert!((2_500..2_840).contains(&silent), "{silent} of 4,000 fall silent");
        let both = count(&|p| p.up.freeze().and(p.down.freeze()).is_some(), &some);
        assert!((750..1_020).contains(&both), "{both} of 4,000 in both directions");
        let late = |plan: &mut Plan| match plan.up.next(256) {
            Step::Carry { after, .. } => after >= Duration::from_millis(900),
            _ => false,
        };
        let late = count(&late, &Profile::WEAK);
        assert!((320..480).contains(&late), "{late} of 4,000 segments are lost once");
    }

    /// A reset stands within its segment, at most once, and nothing is carried behind it.
    #[test]
    fn a_reset_ends_the_stream() {
        let profile = Profile { reset_permille: 1_000, segment_bytes: 100, ..Profile::CLEAN };
        let mut seen = std::collections::BTreeSet::new();
        for connection in 0..200 {
            let mut plan = Plan::new(1, connection, &profile);
            let faults = faults(&mut plan.up, 1_000, 1_000);
            let (at, end) = faults[faults.len() - 1];
            assert!(end == Duration::MAX && at < 100 && plan.up.next(1) == Step::Reset);
            seen.insert(at);
        }
        assert!(seen.len() > 60, "resets stand in the middle of segments: {seen:?}");
    }

    /// Silence begins at its byte and never ends.
    #[test]
    fn silence_begins_at_its_byte() {
        let profile = Profile { freeze_permille: 1_000, freeze_bytes: 999, ..Profile::CLEAN };
        for connection in 0..100 {
            let mut plan = Plan::new(5, connection, &profile);
            for lane in [&mut plan.up, &mut plan.down] {
                let Some(Freeze(at)) = lane.freeze() else { continue };
                assert_eq!(faults(lane, 5_000, 77).len() as u64, at);
                assert_eq!(lane.next(1), Step::Vanish);
            }
        }
    }

    /// A life is at most the profile's and at least seven eighths of it.
    #[test]
    fn lives_stay_in_bounds() {
        let lives: Vec<_> = (0..500).map(|n| Plan::new(1, n, &Profile::FLAPPING).fate).collect();
        let in_bounds = |fate: &Fate| match fate {
            Fate::Cut(at) => (Duration::from_millis(875)..=Duration::from_secs(1)).contains(at),
            _ => false,
        };
        assert!(lives.iter().all(in_bounds), "{lives:?}");
        assert!(lives.iter().any(|life| *life != lives[0]));
    }
}
