//! Why a command is refused by rule.

/// An expected refusal: told to the user, recorded against the cid, counted and not logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[repr(u16)]
pub enum Rejection {
    /// The thing does not exist or the caller may not know that it does.
    #[error("absent")]
    Absent = 1,
    /// The caller is not a member now.
    #[error("not a member")]
    NotMember = 2,
    /// The caller or the conversation is muted.
    #[error("muted")]
    Muted = 3,
    /// The role of the caller does not allow it.
    #[error("role required")]
    RoleRequired = 6,
    /// The content is too large by policy.
    #[error("too large")]
    TooLarge = 7,
    /// Too many members, mentions or receivers.
    #[error("too many")]
    TooMany = 8,
    /// The window for this change has passed.
    #[error("too late")]
    TooLate = 9,
    /// The command was not ordered within its validity.
    #[error("expired")]
    Expired = 10,
    /// A policy of the organisation or conversation forbids it.
    #[error("refused by policy")]
    Policy = 11,
    /// The named user or message does not exist.
    #[error("unknown target")]
    TargetUnknown = 12,
    /// The conversation was dissolved.
    #[error("conversation dissolved")]
    Dissolved = 13,
    /// The body does not decode or does not fit its kind.
    #[error("bad body")]
    BadBody = 14,
    /// The device took the command back before it was ordered.
    #[error("cancelled")]
    Cancelled = 18,
}

impl Rejection {
    /// All rejections, for codecs and tests.
    pub const ALL: [Self; 13] = [
        Self::Absent,
        Self::NotMember,
        Self::Muted,
        Self::RoleRequired,
        Self::TooLarge,
        Self::TooMany,
        Self::TooLate,
        Self::Expired,
        Self::Policy,
        Self::TargetUnknown,
        Self::Dissolved,
        Self::BadBody,
        Self::Cancelled,
    ];

    /// The stable number used in stored outcomes; the wire code is 6000 + this.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The rejection of a stored number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.number() == number)
    }
}
