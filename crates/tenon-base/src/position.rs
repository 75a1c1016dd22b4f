//! Positions, versions and epochs. Two same-typed numbers side by side ask for newtypes: here they are.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            ///
            /// # Panics
            /// When the counter is exhausted, which takes longer than the hardware lasts.
            #[must_use]
            pub const fn next(self) -> Self {
                match self.0.checked_add(1) {
                    Some(n) => Self(n),
                    None => panic_exhausted(),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

#[expect(clippy::panic, reason = "a 64-bit counter that runs out is a bug, never an input")]
const fn panic_exhausted() -> ! {
    panic!("counter exhausted")
}

number! {
    /// Position of a Normal message in its conversation, dense from 1.
    Seq(u64)
}
number! {
    /// Position of a conversation event (new, edit, recall, member, title), dense from 1.
    Rev(u64)
}
number! {
    /// Version of one message or row: the rev that changed it last.
    Ver(u64)
}
number! {
    /// Number of badge-worthy messages of a conversation up to and including this one.
    Cnt(u64)
}
number! {
    /// Number of a Private message of a conversation.
    Pid(u64)
}
number! {
    /// Version of one user's Inbox rows in one conversation.
    OverlayVer(u64)
}
number! {
    /// Position in a user queue, dense per (user, queue epoch).
    Pts(u64)
}
number! {
    /// Idempotency key of a command: dense from 1 per (conversation, device, device epoch).
    Cid(u64)
}
number! {
    /// Idempotency key of a user command: dense from 1 per (device, device epoch).
    OpSeq(u64)
}
number! {
    /// Life number of a user queue.
    QueueEpoch(u32)
}
number! {
    /// Life number of a device's outbox.
    DeviceEpoch(u32)
}
number! {
    /// Raised only when a unit was lost with a tail; 0 normally.
    ConvEpoch(u32)
}
number! {
    /// Connection counter of a device; the highest one alone may act.
    ConnCtr(u64)
}
number! {
    /// A self-sufficient part of the deployment.
    UnitId(u32)
}
number! {
    /// Fixed hash bucket of ids, 0..4096.
    Slot(u16)
}

/// One log with one leader.
///
/// Conversation partitions are 0..256, user partitions 256..511, the identity partition is 511: 512 in all, the bound
/// of a segment footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartitionId(pub u32);

impl PartitionId {
    /// Holds organisations, users, devices and names.
    pub const IDENTITY: Self = Self(511);
    const USER_FIRST: u32 = 256;

    /// The `index`-th conversation partition.
    pub const fn conversation(index: u16) -> Self {
        assert!(index < 256);
        Self(index as u32)
    }
    /// The `index`-th user partition.
    pub const fn user(index: u16) -> Self {
        assert!(index < 255);
        Self(Self::USER_FIRST + index as u32)
    }
    /// True for a partition that holds user queues.
    pub const fn is_user(self) -> bool {
        self.0 >= Self::USER_FIRST && self.0 < Self::IDENTITY.0
    }
    /// True for a partition that holds conversations.
    pub const fn is_conversation(self) -> bool {
        self.0 < Self::USER_FIRST
    }
}

impl std::fmt::Display for PartitionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Slot {
    /// Slots of each kind in one unit.
    pub const COUNT: u64 = 4096;

    /// The slot of an id: our own mix, so that every engine agrees for ever.
    pub const fn of(id: u64) -> Self {
        Self((crate::digest::mix64(id) % Self::COUNT) as u16)
    }

    /// Which of `partitions` equal shares this slot belongs to.
    pub const fn share(self, partitions: u16) -> u16 {
        self.0 % partitions
    }
}

/// Position of a record in a partition's log: (generation: 16 bits, offset: 48 bits); 0 is before the first.
///
/// ```text
/// removed  | readable            | not written
/// 1  2  3  | 4  5  6  7  8  9    | 10 ...
///       ^ trim point = 3           ^ tail = 10, the first unwritten position
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first record.
    pub const ZERO: Self = Self(0);
    const OFFSET_BITS: u32 = 48;
    const OFFSET_MASK: u64 = (1 << Self::OFFSET_BITS) - 1;

    /// Composes a position.
    ///
    /// # Panics
    /// If a part is out of range: generation below 32,768, offset below 2^48.
    pub const fn new(generation: u16, offset: u64) -> Self {
        assert!(generation < 0x8000 && offset <= Self::OFFSET_MASK);
        Self(((generation as u64) << Self::OFFSET_BITS) | offset)
    }
    /// A position that was read from somewhere, if it can be one and has a next.
    pub const fn checked(raw: u64) -> Option<Self> {
        let has_next = raw & Self::OFFSET_MASK < Self::OFFSET_MASK;
        if raw >> 63 == 0 && has_next { Some(Self(raw)) } else { None }
    }
    /// The log generation.
    pub const fn generation(self) -> u16 {
        (self.0 >> Self::OFFSET_BITS) as u16
    }
    /// The offset inside the generation.
    pub const fn offset(self) -> u64 {
        self.0 & Self::OFFSET_MASK
    }
    /// The next position of the same generation.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.generation(), self.offset() + 1)
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.generation(), self.offset())
    }
}

/// An Lsn orders by generation, then offset, and stays positive when read as signed.
#[test]
fn lsn_orders_by_generation_then_offset() {
    assert!(Lsn::new(1, 0) > Lsn::new(0, 1 << 47));
    assert!(i64::try_from(Lsn::new(0x7fff, Lsn::OFFSET_MASK).0).is_ok());
    assert_eq!(Lsn::new(3, 9).next(), Lsn::new(3, 10));
    assert_eq!(Lsn::checked(Lsn::new(3, 9).0), Some(Lsn::new(3, 9)));
    assert_eq!(Lsn::checked(Lsn::new(3, Lsn::OFFSET_MASK).0), None, "no next");
    assert_eq!(Lsn::checked(1 << 63), None, "no generation");
}
