//! What is said in the demonstration: the conversations of an archive, spoken by people of the cast.
//!
//! Takes an archive, gives for each of its channels the lines in their order. Who spoke in the archive becomes one of the
//! cast, the same one throughout a conversation, and never two of them one; a nickname in front of a text (`nick: hello`)
//! becomes a mention of whoever speaks for him.

use std::collections::BTreeMap;

use bytes::Bytes;
use tenon_base::UserId;
use tenon_core::ImportItem;
use tenon_import::slack::{Archive, ImportedChannel};
use tenon_import::{Bodies, Body, Ids, ImportError, Mention};

/// Lines taken of one channel; an archive of years is played in part.
const LINES_MAX: usize = 20_000;
/// Channels played.
const CHANNELS_MAX: usize = 12;
/// Of so many conversations ...
const THREADS_OF: usize = 5;
/// ... this many keep their answers in a thread; the others talk in the open, as people do.
const THREADS: usize = 2;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Import key: the same in every run.
    pub(super) key: [u8; 16],
    /// Which conversation of the channel it belongs to, from 0.
    pub(super) talk: usize,
    /// The line answers the first of its conversation in a thread.
    pub(super) is_threaded: bool,
    /// Place of the speaker among the speakers of the group.
    pub(super) voice: usize,
    /// Place of the one it is said to, if it names one.
    pub(super) to: Option<usize>,
    /// Words, without the name in front.
    pub(super) text: String,
}

/// The lines of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// Name of the channel.
    pub(super) title: String,
    /// In their order.
    pub(super) lines: Vec<Line>,
}

/// Words alone: the encoding comes when it is known who speaks.
struct Words;

impl Bodies for Words {
    fn text(&self, text: &str, _: &[Mention]) -> Body {
        Body { kind: 1, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn notice(&self, _: &str) -> Body {
        Body { kind: 0, bytes: Bytes::new() }
    }
}

/// What an archive line is, before anybody of the cast is chosen.
struct Heard {
    key: [u8; 16],
    by: UserId,
    root: Option<[u8; 16]>,
    text: String,
}

/// Reads an archive: its channels with the most lines, at most 12, for `voices` speakers each. Reads the file; may take
/// seconds for a large one.
///
/// # Errors
/// [`ImportError`] of a damaged archive.
pub(super) fn scripts(archive: &Archive, voices: usize) -> Result<Vec<Script>, ImportError> {
    let ids = Ids::slack([0; 32]);
    let nicks: BTreeMap<String, UserId> = archive
        .users()
        .iter()
        .flat_map(|user| {
            let id = ids.user(&user.slack_id);
            [(user.name.to_lowercase(), id), (user.display_name.to_lowercase(), id)]
        })
        .collect();
    let mut all = Vec::new();
    for channel in archive.channels() {
        let heard = hear(archive, channel, &ids)?;
        if !heard.is_empty() {
            let lines = cast(&heard, &nicks, voices.max(1));
            all.push(Script { title: title(&channel.title), lines });
        }
    }
    all.sort_by_key(|script| std::cmp::Reverse(script.lines.len()));
    all.truncate(CHANNELS_MAX);
    Ok(all)
}

fn hear(
    archive: &Archive,
    channel: &ImportedChannel,
    ids: &Ids,
) -> Result<Vec<Heard>, ImportError> {
    let mut heard = Vec::new();
    for entry in archive.entries(channel, ids, &Words)? {
        let entry = entry?;
        if let ImportItem::Message { kind: 1, body, root, .. } = entry.item {
            let text = String::from_utf8_lossy(&body).trim().to_owned();
            if !text.is_empty() {
                heard.push(Heard { key: entry.key, by: entry.user, root, text });
            }
        }
        if heard.len() == LINES_MAX {
            break;
        }
    }
    Ok(heard)
}

/// `boot-and-disks` -> `Boot and disks`.
fn title(name: &str) -> String {
    let words = name.replace(['-', '_'], " ");
    let mut letters = words.trim().chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// Who speaks for whom in one conversation.
#[derive(Default)]
struct Talk {
    voices: BTreeMap<UserId, usize>,
}

impl Talk {
    /// The voice of `by`: his own, or the next one that nobody of this conversation has. With more people than voices some
    /// share one.
    fn voice(&mut self, by: UserId, own: usize, voices: usize) -> usize {
        if let Some(voice) = self.voices.get(&by) {
            return *voice;
        }
        let free = (0..voices)
            .map(|step| (own + step) % voices)
            .find(|voice| !self.voices.values().any(|taken| taken == voice));
        let voice = free.unwrap_or(own % voices);
        self.voices.insert(by, voice);
        voice
    }
}

fn cast(heard: &[Heard], nicks: &BTreeMap<String, UserId>, voices: usize) -> Vec<Line> {
    let mut talks: Vec<Talk> = Vec::new();
    let mut by_root: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut own: BTreeMap<UserId, usize> = BTreeMap::new();
    let mut lines = Vec::with_capacity(heard.len());
    for one in heard {
        let root = one.root.unwrap_or(one.key);
        let number = *by_root.entry(root).or_insert_with(|| {
            talks.push(Talk::default());
            talks.len() - 1
        });
        let Some(talk) = talks.get_mut(number) else { continue };
        let count = own.len();
        let mine = *own.entry(one.by).or_insert(count);
        let voice = talk.voice(one.by, mine, voices);
        let (to, text) = address(&one.text, nicks);
        let to = to.filter(|user| *user != one.by).map(|user| {
            let count = own.len();
            let his = *own.entry(user).or_insert(count);
            talk.voice(user, his, voices)
        });
        lines.push(Line {
            key: one.key,
            talk: number,
            is_threaded: one.root.is_some() && number % THREADS_OF < THREADS,
            voice,
            to: to.filter(|to| *to != voice),
            text: text.to_owned(),
        });
    }
    lines
}

/// `nick: words` and `nick, words` -> whom and the words. Only names of the archive count.
fn address<'a>(text: &'a str, nicks: &BTreeMap<String, UserId>) -> (Option<UserId>, &'a str) {
    let Some((front, rest)) = text.split_once([':', ',']) else { return (None, text) };
    let rest = rest.trim();
    match nicks.get(&front.trim().trim_start_matches('@').to_lowercase()) {
        Some(user) if !rest.is_empty() => (Some(*user), rest),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn heard(n: u8, by: u64, root: Option<u8>, text: &str) -> Heard {
        Heard {
            key: [n; 16],
            by: UserId(by),
            root: root.map(|root| [root; 16]),
            text: text.to_owned(),
        }
    }

    fn nicks() -> BTreeMap<String, UserId> {
        (1..=9).map(|n| (format!("nick{n}"), UserId(n))).collect()
    }

    #[test]
    fn two_people_of_one_conversation_are_two_people() {
        let lines: Vec<Heard> = (0..40)
            .map(|n| heard(n, 1 + u64::from(n) % 9, (n > 0).then_some(0), "hello"))
            .collect();
        for voices in [9, 12] {
            let cast = cast(&lines, &nicks(), voices);
            for (a, line) in lines.iter().zip(&cast) {
                for (b, other) in lines.iter().zip(&cast) {
                    assert_eq!(a.by == b.by, line.voice == other.voice);
                }
            }
        }
        assert!(cast(&lines, &nicks(), 4).iter().all(|line| line.voice < 4));
    }

    #[test]
    fn a_name_in_front_becomes_whom_it_is_said_to() {
        let lines = [
            heard(1, 1, None, "how do i print?"),
            heard(2, 2, Some(1), "nick1: with a printer"),
            heard(3, 1, Some(1), "NICK2, thanks"),
            heard(4, 2, Some(1), "note: no names here"),
            heard(5, 2, Some(1), "nick2: to myself"),
            heard(6, 2, Some(1), "nick1:"),
        ];
        let cast = cast(&lines, &nicks(), 5);
        let told: Vec<_> = cast.iter().map(|line| (line.to, line.text.as_str())).collect();
        let (asker, helper) = (cast[0].voice, cast[1].voice);
        assert_ne!(asker, helper);
        assert_eq!(
            told,
            [
                (None, "how do i print?"),
                (Some(asker), "with a printer"),
                (Some(helper), "thanks"),
                (None, "note: no names here"),
                (None, "to myself"),
                (None, "nick1:"),
            ]
        );
        assert!(cast.iter().all(|line| line.talk == 0));
        assert_eq!(
            cast.iter().map(|l| l.is_threaded).collect::<Vec<_>>(),
            [false, true, true, true, true, true]
        );
    }

    #[test]
    fn the_enclosed_archive_is_whole() {
        let source = std::io::Cursor::new(crate::demo::LIFE);
        let archive = Archive::read(source, tenon_import::Limits::default()).unwrap();
        let scripts = scripts(&archive, 14).unwrap();
        assert_eq!(scripts.len(), 5);
        let lines: usize = scripts.iter().map(|script| script.lines.len()).sum();
        assert!((1_900..2_200).contains(&lines), "{lines}");
        assert!(crate::demo::LIFE.len() < 200_000);
        let threaded =
            scripts.iter().flat_map(|s| &s.lines).filter(|line| line.is_threaded).count();
        let named = scripts.iter().flat_map(|s| &s.lines).filter(|line| line.to.is_some()).count();
        assert!(threaded > 400 && named > 500, "{threaded} in threads, {named} to somebody");
        assert!(scripts.iter().any(|s| s.title == "Boot and disks"));
    }
}
