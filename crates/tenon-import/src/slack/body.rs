//! Plain text cut into pieces that a message may hold.

use tenon_base::limits::BODY_BYTES_MAX;

use super::text::Plain;
use crate::bodies::{Bodies, Body, Mention};

/// Text in one message: a body, less 100 mentions of at most 27 bytes and their frame.
const TEXT_BYTES_MAX: usize = BODY_BYTES_MAX - 2_768;
/// Where a blank is sought before a hard cut.
const CUT_WITHIN: usize = 1_024;
/// Messages that one line may become; Slack's own limit of 40,000 characters needs six.
pub(super) const PARTS_MAX: usize = 64;

/// Cuts a text into parts of one message each: at a line end or blank if one is near, never inside a character.
///
/// At most [`PARTS_MAX`] parts, at least one; joined they give the text, less what is above that number.
pub(super) fn parts(plain: &Plain) -> Vec<&str> {
    let mut parts = Vec::with_capacity(1);
    let mut rest = plain.text.as_str();
    while rest.len() > TEXT_BYTES_MAX && parts.len() + 1 < PARTS_MAX {
        let hard = rest.floor_char_boundary(TEXT_BYTES_MAX);
        let near = rest.floor_char_boundary(hard - CUT_WITHIN);
        let window = &rest[near..hard];
        let soft = window.rfind('\n').or_else(|| window.rfind(' ')).map(|at| near + at + 1);
        let (part, tail) = rest.split_at(soft.unwrap_or(hard));
        parts.push(part);
        rest = tail;
    }
    parts.push(&rest[..rest.floor_char_boundary(TEXT_BYTES_MAX)]);
    parts
}

/// True if a text is longer than all parts together.
pub(super) fn is_cut(plain: &Plain, parts: &[&str]) -> bool {
    parts.iter().map(|p| p.len()).sum::<usize>() < plain.text.len()
}

/// Encodes each part, as a notice or as somebody's words with those mentions that lie in it whole.
pub(super) fn encode(
    parts: &[&str],
    plain: &Plain,
    is_notice: bool,
    bodies: &dyn Bodies,
) -> Vec<Body> {
    let mut encoded = Vec::with_capacity(parts.len());
    let mut offset = 0;
    for part in parts {
        encoded.push(if is_notice {
            bodies.notice(part)
        } else {
            let inside = plain.mentions.iter().filter_map(|m| m.inside(part, offset));
            bodies.text(part, &inside.collect::<Vec<_>>())
        });
        offset += part.len();
    }
    encoded
}

impl super::text::Named {
    /// The mention in UTF-16 units of a part that begins at byte `offset`; `None` if another part has it or it is cut.
    fn inside(&self, part: &str, offset: usize) -> Option<Mention> {
        let start = self.start.checked_sub(offset)?;
        let name = part.get(start..start + self.len)?;
        let units = |text: &str| u32::try_from(text.encode_utf16().count()).ok();
        Some(Mention { user: self.user, start: units(&part[..start])?, len: units(name)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenon_base::UserId;

    use super::super::text::Named;
    use super::*;

    fn plain_of(text: String) -> Plain {
        Plain { text, mentions: Vec::new() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Parts joined are the text; each is within its bound.
        #[test]
        fn parts_join_to_the_text(word in r"\PC{1,9}[ \n]?", times in 1_usize..20_000) {
            let plain = plain_of(word.repeat(times));
            let parts = parts(&plain);
            prop_assert_eq!(parts.concat(), plain.text.as_str());
            prop_assert!(!is_cut(&plain, &parts));
            prop_assert!(parts.iter().all(|part| part.len() <= TEXT_BYTES_MAX));
        }
    }

    /// The bound of parts holds and is told.
    #[test]
    fn an_endless_text_is_cut() {
        let plain = plain_of("x".repeat(PARTS_MAX * BODY_BYTES_MAX));
        let parts = parts(&plain);
        assert_eq!(parts.len(), PARTS_MAX);
        assert!(is_cut(&plain, &parts));
        assert_eq!(super::parts(&plain_of(String::new())), [""]);
    }

    /// Positions count UTF-16 units of the part that holds the mention whole.
    #[test]
    fn mentions_are_in_units_of_their_part() {
        let named = Named { user: UserId(3), start: 10, len: 3 };
        let at = |part, offset| named.inside(part, offset).map(|m| (m.user.0, m.start, m.len));
        assert_eq!(at("\u{1f600}abcdef@me", 0), Some((3, 8, 3)));
        assert_eq!(at("def@me", 7), Some((3, 3, 3)));
        assert_eq!(at("me", 11), None);
        assert_eq!(at("def@m", 7), None);
    }
}
