//! Archives of other systems.

use std::io::Cursor;

use bytes::Bytes;
use tenon_base::ByteSize;
use tenon_import::slack::{Archive, parse_day};
use tenon_import::{Bodies, Body, Ids, Limits, Mention};

pub(super) const WORDS: &[&[u8]] = &[
    b"{\"type\":\"message\"",
    b"\"ts\":\"1.0\"",
    b"\"user\":\"U1\"",
    b"\"text\":\"",
    b"\"thread_ts\":",
    b"\"subtype\":",
    b"\"edited\":{\"ts\":",
    b"\"files\":[",
    b"\"attachments\":[",
    b"<@U1|x>",
    b"<!here>",
    b"<#C1|",
    b"&amp;",
    b"\\ud800",
    b"\"channel_join\"",
    b"999999999999999999.000000",
    b"-1.5",
    b"[[[[[[[[",
    b"null",
    b",",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"general/2020-01-01.json",
    b"users.json",
    b"../",
];

/// Bodies that are what they are given.
struct Plain;

impl Bodies for Plain {
    fn text(&self, text: &str, mentions: &[Mention]) -> Body {
        assert!(text.len() <= 30_000 && mentions.len() <= 100, "a message has bounds");
        let units = text.encode_utf16().count() as u64;
        let mut after = 0;
        for mention in mentions {
            let (start, len) = (u64::from(mention.start), u64::from(mention.len));
            assert!(start >= after && start + len <= units, "mentions lie in their text, in order");
            after = start + len;
        }
        Body { kind: 1, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn notice(&self, text: &str) -> Body {
        Body { kind: 2, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }
}

/// A day is a list of lines, each with a time and a sender, or it is refused with its place.
pub(super) fn day(input: &[u8]) {
    let Ok(day) = parse_day(input) else { return };
    for line in &day.lines {
        assert!(!line.sender.is_empty(), "a line has a sender");
        assert!(line.root.is_none_or(|root| root <= line.ts), "a root is not later than its reply");
    }
    for skipped in &day.skipped {
        assert!(
            !skipped.reason.is_empty() && skipped.what.len() <= 1024,
            "a skipped line says why"
        );
    }
}

/// Bounds in which a small archive stays and a bomb does not.
fn limits() -> Limits {
    Limits {
        files_max: 64,
        list_bytes_max: 64 * 1024,
        list_entries_max: 256,
        day_bytes_max: 64 * 1024,
        day_entries_max: 256,
        held_bytes_max: 64 * 1024,
    }
}

/// An archive that opens is walked twice and says the same; its entries are in the order of their times.
pub(super) fn zip(input: &[u8]) {
    let Ok(archive) = Archive::read(Cursor::new(input.to_vec()), limits()) else { return };
    let reports = (archive.dry_run(), archive.dry_run());
    if let (Ok(one), Ok(other)) = &reports {
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "a run is repeated exactly");
    }
    let ids = Ids::slack([7; 32]);
    for channel in archive.channels() {
        assert!(channel.title.len() <= 256, "a title has a bound");
        let Ok(entries) = archive.entries(channel, &ids, &Plain) else { continue };
        let mut last = None;
        for entry in entries {
            let Ok(entry) = entry else { break };
            assert!(last <= Some(entry.time), "entries are in the order of their times");
            last = Some(entry.time);
            assert!(tenon_import::entry_bytes(&entry) <= ByteSize::mib(1).as_usize());
        }
    }
}
