//! The one registry of wire errors: number, text, class, retry, HTTP status, effect.
//!
//! A number is never reused. Every code has a page `docs/errors/<text>.md` with *Meaning* and *What to do*.

use tenon_base::Retry;

use crate::v1::ErrorInfo;

/// What a device does about an error; the thousands of its number, so an unknown code still has behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Same key again after `retry_after_ms`; nothing is shown below 10 s.
    Retry = 1,
    /// The same, shown after three.
    Limit = 2,
    /// Follow the unit or endpoint, same key.
    Route = 3,
    /// Refresh the ticket; from `session_ended` on: sign in again.
    Auth = 4,
    /// Hello, Rebase or a new device epoch.
    Resync = 5,
    /// Final for this item; shown.
    Reject = 6,
    /// A program is wrong: log with the frame, drop the item. Framing errors end the link.
    Client = 7,
    /// Stop and tell the user.
    Upgrade = 8,
}

impl ErrorClass {
    /// The class of any code, known or not. `None` outside 1000 to 8999.
    pub const fn of(code: u32) -> Option<Self> {
        match code / 1000 {
            1 => Some(Self::Retry),
            2 => Some(Self::Limit),
            3 => Some(Self::Route),
            4 => Some(Self::Auth),
            5 => Some(Self::Resync),
            6 => Some(Self::Reject),
            7 => Some(Self::Client),
            8 => Some(Self::Upgrade),
            _ => None,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $status:literal;)*) => {
        /// A wire error code. `as u32` is its number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum ErrorCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorCode {
            /// All codes, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The snake_case name: file name of its page, and `code` in the open API.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status where the error answers an HTTP request.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The code with this number, if it is known here.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The server refused the work before it began, because a queue on the way is at its bound.
    Overload = 1001, "overload", 503;
    /// The read asked for a state (`min_rev` or a fence) that this node has not applied within 200 ms.
    NotAppliedYet = 1002, "not_applied_yet", 503;
    /// The log append ended without an answer, so the command may or may not take effect.
    UnknownOutcome = 1003, "unknown_outcome", 503;
    /// The partition has no leader at this moment, for instance during a hand-over after a crash.
    NoLeader = 1004, "no_leader", 503;
    /// The log refuses appends because the disk has reached its reserve (5 % or 2 GiB).
    DiskFull = 1005, "disk_full", 507;
    /// A part of the answer is out of reach, for instance an older storage tier.
    Degraded = 1006, "degraded", 503;
    /// This link already has 8 requests open.
    Busy = 1007, "busy", 429;
    /// The partition's log is damaged in a range that may hold its records, so it is read-only until an operator repairs it.
    LogDamaged = 1008, "log_damaged", 503;
    /// The conversation receives more messages per second than its limit.
    ConversationRate = 2001, "conversation_rate", 429;
    /// The user sends more than the limit for one user, over all devices.
    UserRate = 2002, "user_rate", 429;
    /// The device sends more than the limit for one device.
    DeviceRate = 2003, "device_rate", 429;
    /// All devices of this kind (phone, desktop, web ...) of the user together exceed their limit.
    DeviceKindRate = 2004, "device_kind_rate", 429;
    /// The app sends or calls more than its limit.
    AppRate = 2005, "app_rate", 429;
    /// The organisation as a whole exceeds its limit.
    OrganisationRate = 2006, "organisation_rate", 429;
    /// This method is asked more often than it may be by one caller.
    MethodRate = 2007, "method_rate", 429;
    /// The conversation or user lives in another unit now.
    Moved = 3001, "moved", 421;
    /// The unit that holds the data does not answer.
    UnitDown = 3002, "unit_down", 503;
    /// The request concerns the user's own data and this is not the user's home unit.
    NotHomeUnit = 3003, "not_home_unit", 421;
    /// The node is about to stop and takes no new work.
    Draining = 3004, "draining", 503;
    /// The ticket is older than its lifetime of at most 10 minutes.
    TicketExpired = 4001, "ticket_expired", 401;
    /// The ticket, resume token or credential cannot be opened: it is damaged, of another deployment, or sealed with a removed key.
    TicketInvalid = 4002, "ticket_invalid", 401;
    /// The proof does not match the authentication value, the device key or the TLS session.
    ProofInvalid = 4003, "proof_invalid", 401;
    /// The page that opened the WebSocket has an origin outside the allowed list.
    OriginRefused = 4004, "origin_refused", 403;
    /// The session was ended: signed out, replaced under the kick policy, or revoked by an administrator.
    SessionEnded = 4005, "session_ended", 401;
    /// The device was removed from the account.
    DeviceRemoved = 4006, "device_removed", 401;
    /// The account was disabled by an administrator of its organisation.
    AccountDisabled = 4007, "account_disabled", 403;
    /// The device presented a cursor above the queue's tip.
    CursorAhead = 5001, "cursor_ahead", 409;
    /// A cursor, token or `next` belongs to another user or device.
    CursorForeign = 5002, "cursor_foreign", 409;
    /// The connection counter is not above the highest one seen from this device, so a newer link exists or the store was copied or restored.
    ConnectionStale = 5003, "connection_stale", 409;
    /// The presented device epoch is not the current one of this device.
    DeviceEpochStale = 5004, "device_epoch_stale", 409;
    /// The page token is older than 24 hours.
    TokenExpired = 5005, "token_expired", 409;
    /// The cid was used before for a command with other content.
    CidReused = 5006, "cid_reused", 409;
    /// The thing does not exist, or the caller may not see it.
    Absent = 6001, "absent", 404;
    /// The caller is not a member of the conversation now.
    NotMember = 6002, "not_member", 403;
    /// The caller, or everybody, is muted in this conversation.
    Muted = 6003, "muted", 403;
    /// The peer does not take messages from the caller.
    Blocked = 6004, "blocked", 403;
    /// The organisation asks for an accepted contact before a direct conversation.
    NotContact = 6005, "not_contact", 403;
    /// The command needs a higher role in the conversation, or in the organisation, than the caller has.
    RoleRequired = 6006, "role_required", 403;
    /// A body or field is above its limit.
    TooLarge = 6007, "too_large", 413;
    /// A list is above its limit, or the target would have too many entries (members, pins, reactions, folders).
    TooMany = 6008, "too_many", 422;
    /// The time for this change is over, for instance the edit or recall window.
    TooLate = 6009, "too_late", 422;
    /// The command was not ordered within its own `valid_for_s`, or its target has expired.
    Expired = 6010, "expired", 410;
    /// A rule of the organisation forbids it.
    Policy = 6011, "policy", 403;
    /// The message, member or request that the command names is not in this conversation.
    TargetUnknown = 6012, "target_unknown", 404;
    /// The conversation was dissolved.
    Dissolved = 6013, "dissolved", 410;
    /// The body cannot be decoded, or its content does not match the clear field `kind`.
    BadBody = 6014, "bad_body", 422;
    /// This kind of message or type of command is not accepted here.
    KindRefused = 6015, "kind_refused", 422;
    /// The organisation is closed or suspended.
    OrganisationClosed = 6016, "organisation_closed", 403;
    /// Another end-to-end commit was ordered first, so the expected epoch is no longer the current one.
    MlsEpochStale = 6017, "mls_epoch_stale", 409;
    /// The command was cancelled with VOID before it applied.
    Cancelled = 6018, "cancelled", 409;
    /// The queue of the target device holds 10,000 items or 16 MiB.
    DeviceQueueFull = 6019, "device_queue_full", 429;
    /// The password is shorter than 10 characters, among the first that are guessed, or the login name.
    PasswordWeak = 6020, "password_weak", 422;
    /// The name belongs to another account, or to another group.
    NameTaken = 6021, "name_taken", 409;
    /// Nobody would be left who may administer the organisation.
    LastAdmin = 6022, "last_admin", 409;
    /// The link is older than its time, was taken back, or is none of this server.
    LinkExpired = 6023, "link_expired", 410;
    /// The link was used as often as it may be.
    LinkUsed = 6024, "link_used", 410;
    /// The bytes are not a frame: wrong version, a varint that is not in its shortest form, a broken extension, or a piece where none may be.
    BadFrame = 7001, "bad_frame", 400;
    /// A frame says it is longer than its direction allows.
    FrameTooLarge = 7002, "frame_too_large", 413;
    /// A compressed payload breaks the bounds (1 MiB, 20 times its compressed length + 64 bytes), does not decode, or names a dictionary that is not in force.
    BadCompression = 7003, "bad_compression", 400;
    /// A message does not decode, or a list in it is longer than the schema allows.
    BadMessage = 7004, "bad_message", 400;
    /// A frame kind between 1 and 127 is not known.
    UnknownKind = 7005, "unknown_kind", 400;
    /// A frame carries an extension with an odd tag that is not known.
    UnknownCriticalExt = 7006, "unknown_critical_ext", 400;
    /// A known frame came at the wrong time or in the wrong direction, for instance anything before Hello.
    UnexpectedFrame = 7007, "unexpected_frame", 400;
    /// A fence names a rev above the tip of the same conversation epoch.
    FenceAhead = 7008, "fence_ahead", 400;
    /// More unacknowledged data is under way than the window allows.
    WindowExceeded = 7009, "window_exceeded", 400;
    /// The device and the server have no protocol version in common.
    ProtoUnsupported = 8001, "proto_unsupported", 426;
    /// The organisation or the server requires a newer app, because the old one is unsafe.
    UpgradeRequired = 8002, "upgrade_required", 426;
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// What a device does about it.
    pub const fn class(self) -> ErrorClass {
        match self.number() / 1000 {
            1 => ErrorClass::Retry,
            2 => ErrorClass::Limit,
            3 => ErrorClass::Route,
            4 => ErrorClass::Auth,
            5 => ErrorClass::Resync,
            6 => ErrorClass::Reject,
            7 => ErrorClass::Client,
            _ => ErrorClass::Upgrade,
        }
    }

    /// Whether the same call under the same key may be repeated as it is.
    pub const fn retry(self) -> Retry {
        match self {
            Self::UnknownOutcome => Retry::Unknown,
            _ => match self.class() {
                ErrorClass::Retry | ErrorClass::Limit | ErrorClass::Route => Retry::Safe,
                _ => Retry::Never,
            },
        }
    }

    /// True if the refused command certainly changed nothing. Only `unknown_outcome` cannot say so.
    pub const fn surely_without_effect(self) -> bool {
        !matches!(self, Self::UnknownOutcome)
    }

    /// The payload of an `error` frame. `text` is for developers; devices translate code and args.
    pub fn info(self, retry_after_ms: u32, text: impl Into<String>) -> ErrorInfo {
        ErrorInfo {
            code: self.number(),
            retry_after_ms,
            text: text.into(),
            args: std::collections::BTreeMap::new(),
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every code has a page with both headings, and every page of a number has its code.
    #[test]
    fn pages_and_codes_agree() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in ErrorCode::ALL {
            let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap();
            assert!(page.starts_with(&format!("# `{code}` ({})\n", code.number())), "{code}");
            for heading in ["## Meaning\n\n", "## What to do\n\n"] {
                let (_, rest) = page.split_once(heading).unwrap();
                assert!(rest.len() > 20, "{code}: {heading} is empty");
            }
            assert!(page.contains(&format!("HTTP status {}", code.http_status())), "{code}");
        }
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let page = std::fs::read_to_string(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors").join(&name),
            )
            .unwrap();
            let title = page.lines().next().unwrap_or_default();
            let number =
                title.rsplit_once('(').and_then(|(_, n)| n.trim_end_matches(')').parse().ok());
            let Some(number) = number else { continue };
            let code = ErrorCode::from_number(number).expect("a page without a code");
            assert_eq!(name, format!("{code}.md"));
        }
    }

    #[test]
    fn numbers_rise_and_come_back() {
        assert!(ErrorCode::ALL.windows(2).all(|w| w[0].number() < w[1].number()));
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
            assert_eq!(ErrorClass::of(code.number()), Some(code.class()));
        }
        assert_eq!(ErrorCode::from_number(1999), None);
        assert_eq!(ErrorClass::of(1999), Some(ErrorClass::Retry));
        assert_eq!(ErrorClass::of(9000), None);
    }
}
