//! The rules, and which invariant each of them shows.

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// I1.
    AckedLost,
    /// I1.
    AckWithoutOrder,
    /// I1.
    AckElsewhere,
    /// I1.
    RefusedButThere,
    /// I2.
    Duplicate,
    /// I2.
    DeliveredTwice,
    /// I3.
    SenderOrder,
    /// I4.
    OrderDiffers,
    /// I4.
    OutOfOrder,
    /// I5.
    SeqNotDense,
    /// I5.
    NumbersFall,
    /// I6.
    TimelineDiffers,
    /// I7.
    HoleNotShown,
    /// I8.
    PositionFalls,
    /// I9.
    OwnWriteMissing,
    /// I10.
    ListsDiffer,
    /// I14.
    GoneCameBack,
    /// I15.
    UnreadWrong,
    /// I16.
    NotMember,
    /// I16.
    AfterRemoval,
    /// I18.
    Unresolved,
    /// I23.
    AfterRevocation,
    /// E2.
    BeforeSent,
    /// E2.
    NeverSent,
}

/// Rule, name, invariant; in the order of the enum.
const TABLE: [(Rule, &str, &str); 24] = [
    (Rule::AckedLost, "acked-lost", "I1"),
    (Rule::AckWithoutOrder, "ack-without-order", "I1"),
    (Rule::AckElsewhere, "ack-elsewhere", "I1"),
    (Rule::RefusedButThere, "refused-but-there", "I1"),
    (Rule::Duplicate, "duplicate", "I2"),
    (Rule::DeliveredTwice, "delivered-twice", "I2"),
    (Rule::SenderOrder, "sender-order", "I3"),
    (Rule::OrderDiffers, "order-differs", "I4"),
    (Rule::OutOfOrder, "out-of-order", "I4"),
    (Rule::SeqNotDense, "seq-not-dense", "I5"),
    (Rule::NumbersFall, "numbers-fall", "I5"),
    (Rule::TimelineDiffers, "timeline-differs", "I6"),
    (Rule::HoleNotShown, "hole-not-shown", "I7"),
    (Rule::PositionFalls, "position-falls", "I8"),
    (Rule::OwnWriteMissing, "own-write-missing", "I9"),
    (Rule::ListsDiffer, "lists-differ", "I10"),
    (Rule::GoneCameBack, "gone-came-back", "I14"),
    (Rule::UnreadWrong, "unread-wrong", "I15"),
    (Rule::NotMember, "not-member", "I16"),
    (Rule::AfterRemoval, "after-removal", "I16"),
    (Rule::Unresolved, "unresolved", "I18"),
    (Rule::AfterRevocation, "after-revocation", "I23"),
    (Rule::BeforeSent, "before-sent", "E2"),
    (Rule::NeverSent, "never-sent", "E2"),
];

impl Rule {
    /// Number of rules.
    pub const COUNT: usize = TABLE.len();

    /// All rules, in the order of their invariants.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(rule, _, _)| *rule)
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The invariant of `docs/invariants.md` that it shows.
    pub const fn invariant(self) -> &'static str {
        TABLE[self as usize].2
    }
}

/// The table stands in the order of the enum, so that it can be indexed.
#[test]
fn table_is_in_order() {
    for (at, (rule, _, _)) in TABLE.iter().enumerate() {
        assert_eq!(*rule as usize, at);
    }
}
