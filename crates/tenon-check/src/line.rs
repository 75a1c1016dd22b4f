//! One line of a history.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use tenon_base::digest::{K1, K2, term};

/// Version of the format that this checker reads.
const VERSION: u32 = 1;

/// A line that is not of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or a field has the wrong type.
    #[error("not a line of a history: {0}")]
    Text(String),
    /// A header of another version.
    #[error("version {0} of the format is not known")]
    Version(u32),
    /// A needed field is absent.
    #[error("{op}: the field {field} is missing")]
    Missing {
        /// The op.
        op: String,
        /// The field.
        field: &'static str,
    },
    /// Lines of an actor are lost or out of order.
    #[error("line {n} of {actor} follows line {last}")]
    Lost {
        /// The actor.
        actor: String,
        /// The line before.
        last: u64,
        /// This line.
        n: u64,
    },
    /// A device acts before it is opened.
    #[error("{0} acts before it was opened")]
    NotOpen(String),
    /// A call is begun twice, or ends without having begun.
    #[error("call {call} of {actor} is begun twice, or ends without a begin")]
    Call {
        /// The actor.
        actor: String,
        /// The call.
        call: u64,
    },
    /// More messages than the bound.
    #[error("more than {0} messages: split the history by conversation")]
    TooMany(u64),
}

/// Text or a whole number; numbers are taken as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a whole number")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(NameVisitor)
    }
}

impl Name<'_> {
    /// A whole number is itself; any other text is mixed into 64 bits.
    pub(crate) fn id(&self) -> u64 {
        self.0.parse().unwrap_or_else(|_| mix(K1, &self.0))
    }

    /// 128 bits of it; never 0, which means "no content".
    pub(crate) fn digest(&self) -> u128 {
        let wide = (u128::from(mix(K1, &self.0)) << 64) | u128::from(mix(K2, &self.0));
        wide.max(1)
    }
}

/// A mix of text; against chance, not against an attacker.
fn mix(key: u64, text: &str) -> u64 {
    let mut sum = term(key, text.len() as u64, 0);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = term(key, sum, u64::from_le_bytes(word));
    }
    sum
}

/// What the header says of the whole history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Header {
    pub(crate) tenon_history: u32,
    pub(crate) target: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) unique_bodies: bool,
    pub(crate) all_senders: bool,
    pub(crate) clock: Option<String>,
    pub(crate) dense: Option<bool>,
    pub(crate) expect: Vec<String>,
    pub(crate) send_ms: Option<u64>,
    pub(crate) revoke_ms: Option<u64>,
}

/// All fields of all ops.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    pub(crate) at_us: u64,
    #[serde(borrow)]
    pub(crate) actor: Name<'a>,
    pub(crate) n: u64,
    #[serde(borrow)]
    pub(crate) op: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) what: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) change: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) store: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) user: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(crate) conversation: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(crate) message: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(crate) body: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(crate) device: Option<Name<'a>>,
    #[serde(borrow, default)]
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) device_epoch: Option<u32>,
    pub(crate) cid: Option<u64>,
    pub(crate) call: Option<u64>,
    pub(crate) seq: Option<u64>,
    pub(crate) rev: Option<u64>,
    pub(crate) cnt: Option<u64>,
    pub(crate) at_ms: Option<u64>,
    pub(crate) to_rev: Option<u64>,
    pub(crate) floor_rev: Option<u64>,
    pub(crate) lo: Option<u64>,
    pub(crate) hi: Option<u64>,
    pub(crate) hidden: Option<u64>,
    pub(crate) read_seq: Option<u64>,
    pub(crate) unread: Option<u64>,
}

/// A shown message: seq, id, digest of the content, whether it was edited.
#[derive(Debug, Deserialize)]
pub(crate) struct Row<'a>(
    pub(crate) u64,
    #[serde(borrow)] pub(crate) Name<'a>,
    #[serde(borrow, default)] pub(crate) Option<Name<'a>>,
    #[serde(default)] pub(crate) bool,
);

impl Line<'_> {
    /// The value, or the complaint that it is absent.
    pub(crate) fn need<T>(&self, value: Option<T>, field: &'static str) -> Result<T, Malformed> {
        value.ok_or_else(|| Malformed::Missing { op: self.op.to_string(), field })
    }

    pub(crate) fn kind(&self) -> Result<&str, Malformed> {
        self.need(self.kind.as_deref(), "kind")
    }
}

/// A header, or a line.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    Header(Header),
    Line(Box<Line<'a>>),
}

/// Reads one line without its end.
pub(crate) fn parse(text: &str) -> Result<Parsed<'_>, Malformed> {
    let wrong = |error: serde_json::Error| Malformed::Text(error.to_string());
    // A quote inside a text is escaped, so this stands for the field only.
    if text.contains("\"tenon_history\"") {
        let header: Header = serde_json::from_str(text).map_err(wrong)?;
        if header.tenon_history != VERSION {
            return Err(Malformed::Version(header.tenon_history));
        }
        return Ok(Parsed::Header(header));
    }
    serde_json::from_str(text).map(|line| Parsed::Line(Box::new(line))).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_names() {
        let text = r#"{"at_us":1,"actor":7,"n":1,"op":"render","rows":[[1,5,"ab"],[2,"x"],[3,"y",null,true]],"more":{}}"#;
        let Ok(Parsed::Line(line)) = parse(text) else { panic!("it parses") };
        assert_eq!(line.actor.0, "7");
        assert_eq!(line.rows[0].1.id(), 5);
        assert!(line.rows[0].2.is_some() && line.rows[1].2.is_none() && line.rows[2].2.is_none());
    }

    #[test]
    fn different_text_has_different_digests() {
        let digest = |text: &str| Name(Cow::Borrowed(text)).digest();
        let all = ["", "a", "b", "ab", "ba", "a\0", "abcdefgh", "abcdefghi"].map(digest);
        let set: std::collections::BTreeSet<u128> = all.into_iter().collect();
        assert_eq!(set.len(), all.len());
    }

    #[test]
    fn other_versions_are_refused() {
        let refused = parse("{\"tenon_history\":2}").map(drop);
        assert_eq!(refused, Err(Malformed::Version(2)));
    }
}
