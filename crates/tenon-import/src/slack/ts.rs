//! Slack's timestamps: name and place of a message in its channel.

use std::fmt;

use tenon_base::Timestamp;

/// Seconds and six digits, as microseconds since 1970. Ordered as the archive's texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ts(pub u64);

impl Ts {
    const SECOND: u64 = 1_000_000;
    /// The year 9999: beyond it stands an error, not a message.
    const SECONDS_MAX: u64 = 253_402_300_799;

    /// Reads `"1100521080.000200"`; fewer digits after the dot, or none, are taken as well.
    ///
    /// `None` for 0, for anything else than digits and one dot, for more than six digits after it unless they are
    /// zeros, and beyond the year 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if seconds.is_empty() || seconds.len() > 20 || !is_digits(seconds) || !is_digits(fraction) {
            return None;
        }
        let seconds: u64 = seconds.parse().ok()?;
        let (kept, rest) = fraction.split_at(fraction.len().min(6));
        if seconds > Self::SECONDS_MAX || rest.bytes().any(|b| b != b'0') {
            return None;
        }
        let micros = kept.bytes().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
        let scale = 10_u64.pow(6 - u32::try_from(kept.len()).ok()?);
        let ts = seconds * Self::SECOND + micros * scale;
        (ts > 0).then_some(Self(ts))
    }

    /// From whole seconds, as `created` of a channel; the year 9999 at most.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.min(Self::SECONDS_MAX) * Self::SECOND)
    }

    /// In milliseconds; digits below are dropped, which keeps the order.
    pub const fn time(self) -> Timestamp {
        Timestamp(self.0 / 1000)
    }
}

impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / Self::SECOND, self.0 % Self::SECOND)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every form that is taken, and every form that is not.
    #[test]
    fn forms() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(Ts::parse(text).map(|t| t.0), expect, "{text}");
        };
        check("1100521080.000200", Some(1_100_521_080_000_200));
        check("1100521080", Some(1_100_521_080_000_000));
        check("1100521080.", Some(1_100_521_080_000_000));
        check("1100521080.2", Some(1_100_521_080_200_000));
        check("1100521080.000200000", Some(1_100_521_080_000_200));
        check("1100521080.0002001", None);
        check("0000000000.000000", None);
        check("-1.0", None);
        check("1.2.3", None);
        check("", None);
        check(".5", None);
        check("99999999999999999999", None);
        check("253402300800", None);
        check("12e4", None);
        check("\u{661}", None);
    }

    proptest! {
        /// Reading what was written gives the same, and the order of numbers is the order of texts of one length.
        #[test]
        fn round_trip_and_order(a in 1_000_000_000_000_000_u64..9_999_999_999_999_999, b in 1_000_000_000_000_000_u64..9_999_999_999_999_999) {
            let (a, b) = (Ts(a), Ts(b));
            prop_assert_eq!(Ts::parse(&a.to_string()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert!(a > b || a.time() <= b.time());
        }

        /// Any text is read or refused, never a panic.
        #[test]
        fn any_text(text in ".{0,40}") {
            prop_assert!(Ts::parse(&text).is_none_or(|ts| ts.0 > 0));
        }
    }
}
