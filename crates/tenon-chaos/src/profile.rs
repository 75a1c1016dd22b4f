//! Kinds of bad networks.

use std::time::Duration;

/// What a network does. Chances are in permille; every zero means "never".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// One way, for every byte.
    pub delay: Duration,
    /// Further time, drawn for each segment from `0..=jitter`. Bytes stay in order.
    pub jitter: Duration,
    /// Bytes a second in each direction; 0 = no bound.
    pub bytes_per_s: u32,
    /// Bytes of a segment, above 0: faults are drawn once for each, and no more is written at once.
    pub segment_bytes: u32,
    /// Chance of a segment to be late by `stall`, with everything behind it: a loss as TCP shows it.
    pub loss_permille: u32,
    /// Time of one retransmission.
    pub stall: Duration,
    /// Chance of a segment to end the connection by a reset in its middle.
    pub reset_permille: u32,
    /// Chance of a connection to be refused: reset before a byte.
    pub refuse_permille: u32,
    /// Chance of a connection to fall silent after `freeze_bytes`: nothing is carried and nothing is closed.
    pub freeze_permille: u32,
    /// First bytes of a direction that a connection which falls silent still carries: drawn from `0..=freeze_bytes`.
    pub freeze_bytes: u32,
    /// Time before the first byte is carried.
    pub setup: Duration,
    /// The connection is reset at this age; zero = never. Up to an eighth less is drawn.
    pub life: Duration,
}

impl Profile {
    /// A network without faults.
    pub const CLEAN: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        bytes_per_s: 0,
        segment_bytes: 1_400,
        loss_permille: 0,
        stall: Duration::ZERO,
        reset_permille: 0,
        refuse_permille: 0,
        freeze_permille: 0,
        freeze_bytes: 0,
        setup: Duration::ZERO,
        life: Duration::ZERO,
    };
    /// RTT 600 ms, loss 10 %, 64 kbit/s.
    pub const WEAK: Self = Self {
        delay: Duration::from_millis(270),
        jitter: Duration::from_millis(60),
        bytes_per_s: 8_000,
        segment_bytes: 256,
        loss_permille: 100,
        stall: Duration::from_millis(800),
        ..Self::CLEAN
    };
    /// RTT 1 s, 16 kbit/s, dropped every 20 s.
    pub const EDGE: Self = Self {
        delay: Duration::from_millis(450),
        jitter: Duration::from_millis(100),
        bytes_per_s: 2_000,
        segment_bytes: 256,
        life: Duration::from_secs(20),
        ..Self::CLEAN
    };
    /// A change of path every 15 s, with 3 s in which nothing gets through.
    pub const TRAIN: Self = Self {
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(40),
        setup: Duration::from_secs(3),
        life: Duration::from_secs(18),
        ..Self::CLEAN
    };
    /// Every connection is reset within its first second.
    pub const FLAPPING: Self = Self { life: Duration::from_secs(1), ..Self::CLEAN };
    /// Every connection falls silent within its first 4 KiB, in one direction or both.
    pub const HALF_OPEN: Self = Self { freeze_permille: 1_000, freeze_bytes: 4_096, ..Self::CLEAN };
    /// One byte at a time, 400 of them a second.
    pub const TRICKLE: Self = Self { segment_bytes: 1, bytes_per_s: 400, ..Self::CLEAN };
    /// Every second connection is refused.
    pub const REFUSING: Self = Self { refuse_permille: 500, ..Self::CLEAN };
    /// All of it at low rates.
    pub const MEAN: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(60),
        bytes_per_s: 64_000,
        segment_bytes: 700,
        loss_permille: 30,
        stall: Duration::from_millis(400),
        reset_permille: 8,
        refuse_permille: 100,
        freeze_permille: 50,
        freeze_bytes: 8_192,
        setup: Duration::ZERO,
        life: Duration::from_secs(60),
    };

    /// Every profile with a name, by name.
    pub const NAMED: [(&'static str, Self); 9] = [
        ("clean", Self::CLEAN),
        ("edge", Self::EDGE),
        ("flapping", Self::FLAPPING),
        ("half-open", Self::HALF_OPEN),
        ("mean", Self::MEAN),
        ("refusing", Self::REFUSING),
        ("train", Self::TRAIN),
        ("trickle", Self::TRICKLE),
        ("weak", Self::WEAK),
    ];

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, profile)| *profile)
    }
}
