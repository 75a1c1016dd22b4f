//! The wire codes that admission refuses with. The registry is `tenon-wire`'s, which this floor does not see; a test of the
//! gateway compares both.

macro_rules! codes {
    ($($name:ident = $number:literal;)*) => {
        $(pub(crate) const $name: u32 = $number;)*

        /// Every code of this module with its name.
        pub const ALL: &[(&str, u32)] = &[$((stringify!($name), $number),)*];
    };
}

codes! {
    OVERLOAD = 1001;
    UNKNOWN_OUTCOME = 1003;
    NO_LEADER = 1004;
    DISK_FULL = 1005;
    DEGRADED = 1006;
    BUSY = 1007;
    LOG_DAMAGED = 1008;
    CONVERSATION_RATE = 2001;
    USER_RATE = 2002;
    DEVICE_RATE = 2003;
    APP_RATE = 2005;
    METHOD_RATE = 2007;
    TICKET_EXPIRED = 4001;
    TICKET_INVALID = 4002;
    PROOF_INVALID = 4003;
    SESSION_ENDED = 4005;
    DEVICE_REMOVED = 4006;
    ACCOUNT_DISABLED = 4007;
    CURSOR_FOREIGN = 5002;
    TOKEN_EXPIRED = 5005;
    ABSENT = 6001;
    ROLE_REQUIRED = 6006;
    TOO_MANY = 6008;
    POLICY = 6011;
    PASSWORD_WEAK = 6020;
    NAME_TAKEN = 6021;
    LAST_ADMIN = 6022;
    LINK_EXPIRED = 6023;
    LINK_USED = 6024;
    BAD_MESSAGE = 7004;
    FENCE_AHEAD = 7008;
}
