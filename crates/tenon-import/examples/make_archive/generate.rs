//! An archive in Slack's form, made of draws from a seed, and what a reader must find in it.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use tenon_base::{Random, SeededRandom};
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

/// Lines in a day, on average.
const LINES_PER_DAY: u64 = 400;
/// 2020-01-01, the first day.
const FIRST_DAY_S: u64 = 1_577_836_800;
const DAY_S: u64 = 86_400;
const WORDS: [&str; 12] = [
    "the",
    "deploy",
    "is",
    "green",
    "again",
    "a &lt; b",
    "caf\u{e9}",
    "\u{1f600}",
    "why",
    "not",
    "ship",
    "it",
];

/// What to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Same seed and numbers, same bytes.
    pub(crate) seed: u64,
    /// At least 1.
    pub(crate) users: u64,
    /// At least 1.
    pub(crate) channels: u64,
    /// Over all channels, without joins and leaves.
    pub(crate) messages: u64,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Made {
    pub(crate) users: u64,
    pub(crate) channels: u64,
    pub(crate) messages: u64,
    pub(crate) joins: u64,
    pub(crate) leaves: u64,
    pub(crate) replies: u64,
}

/// Draws, members and threads of one channel.
struct Channel<'a> {
    random: &'a SeededRandom,
    users: u64,
    /// User -> in or not, of those seen.
    seen: BTreeMap<u64, bool>,
    /// Timestamps of some messages: roots to come.
    roots: Vec<String>,
    now_us: u64,
    made: Made,
}

/// Writes an archive; gives back the writer.
///
/// # Errors
/// [`ZipError`] if the writer fails.
pub(crate) fn write_archive<W: Write + Seek>(plan: &Plan, out: W) -> Result<(W, Made), ZipError> {
    let random = SeededRandom::new(plan.seed);
    let mut zip = ZipWriter::new(out);
    let (users, channels) = (plan.users.max(1), plan.channels.max(1));
    put(&mut zip, "users.json", &user_list(users))?;
    let mut list = Vec::new();
    let mut made = Made { users, channels, ..Made::default() };
    for number in 0..channels {
        let share = plan.messages / channels + u64::from(number < plan.messages % channels);
        let mut channel = Channel {
            random: &random,
            users,
            seen: BTreeMap::new(),
            roots: Vec::new(),
            now_us: (FIRST_DAY_S + draw(&random, DAY_S)) * 1_000_000,
            made: Made::default(),
        };
        channel.write(&mut zip, number, share)?;
        list.push(channel.entry(number));
        made.messages += channel.made.messages;
        made.joins += channel.made.joins;
        made.leaves += channel.made.leaves;
        made.replies += channel.made.replies;
    }
    put(&mut zip, "channels.json", &format!("[{}]", list.join(",\n")))?;
    Ok((zip.finish()?, made))
}

fn put<W: Write + Seek>(zip: &mut ZipWriter<W>, name: &str, text: &str) -> Result<(), ZipError> {
    zip.start_file(name, SimpleFileOptions::default())?;
    zip.write_all(text.as_bytes())?;
    Ok(())
}

/// A number below `below`, which is not 0.
fn draw(random: &SeededRandom, below: u64) -> u64 {
    random.next_u64() % below
}

/// Every seventh name collides with another once it is a login name.
fn user_list(users: u64) -> String {
    let user = |n: u64| {
        let name = if n % 7 == 6 { format!("[user-{}]", n - 1) } else { format!("user-{n}") };
        format!(
            r#"{{"id":"U{n:08}","name":"{name}","deleted":{},"is_bot":false,"profile":{{"real_name":"{name}"}}}}"#,
            n % 50 == 49
        )
    };
    format!("[{}]", (0..users).map(user).collect::<Vec<_>>().join(",\n"))
}

impl Channel<'_> {
    fn write<W: Write + Seek>(
        &mut self,
        zip: &mut ZipWriter<W>,
        number: u64,
        messages: u64,
    ) -> Result<(), ZipError> {
        let mut day = 0;
        while self.made.messages < messages {
            let mut lines = Vec::new();
            let target =
                (1 + draw(self.random, 2 * LINES_PER_DAY)).min(messages - self.made.messages);
            for _ in 0..target {
                self.move_members(&mut lines);
                lines.push(self.message());
            }
            // The workspace's time zone is not UTC, so a file's name and its times may differ by a day.
            let name = format!("channel-{number}/{}.json", date(day));
            put(zip, &name, &format!("[{}]", lines.join(",\n")))?;
            day += 1 + draw(self.random, 3);
            let next = (FIRST_DAY_S + day * DAY_S) * 1_000_000;
            self.now_us = self.now_us.max(next - draw(self.random, DAY_S / 3) * 1_000_000);
        }
        Ok(())
    }

    /// The entry in `channels.json`: members as the events leave them, some more, some fewer.
    fn entry(&mut self, number: u64) -> String {
        let random = self.random;
        let mut members: Vec<String> = Vec::new();
        for user in 0..self.users {
            let is_in = self.seen.get(&user).copied().unwrap_or(draw(random, 10) == 0);
            let is_known = draw(random, 20) != 0;
            if is_in == is_known {
                members.push(format!("\"U{user:08}\""));
            }
        }
        format!(
            r#"{{"id":"C{number:08}","name":"channel-{number}","created":{FIRST_DAY_S},"creator":"U00000000","is_archived":false,"is_general":{},"members":[{}],"topic":{{"value":"made"}},"purpose":{{"value":"a test"}}}}"#,
            number == 0,
            members.join(",")
        )
    }

    fn tick(&mut self) -> String {
        self.now_us += 1 + draw(self.random, 90_000_000);
        format!("{}.{:06}", self.now_us / 1_000_000, self.now_us % 1_000_000)
    }

    fn move_members(&mut self, lines: &mut Vec<String>) {
        if draw(self.random, 8) != 0 {
            return;
        }
        let user = draw(self.random, self.users);
        let is_join = draw(self.random, 7) != 0;
        let (word, count) =
            if is_join { ("join", &mut self.made.joins) } else { ("leave", &mut self.made.leaves) };
        *count += 1;
        self.seen.insert(user, is_join);
        let ts = self.tick();
        lines.push(format!(
            r#"{{"type":"message","subtype":"channel_{word}","user":"U{user:08}","text":"<@U{user:08}> {word}s","ts":"{ts}"}}"#
        ));
    }

    fn message(&mut self) -> String {
        let user = draw(self.random, self.users);
        self.seen.insert(user, true);
        self.made.messages += 1;
        let words = 1 + draw(self.random, 20);
        let word = |_| WORDS[usize::try_from(draw(self.random, 12)).unwrap_or(0)];
        let mut text = (0..words).map(word).collect::<Vec<_>>().join(" ");
        if draw(self.random, 10) == 0 {
            text = format!("<@U{:08}> {text}", draw(self.random, self.users));
        }
        let ts = self.tick();
        let mut more = String::new();
        match draw(self.random, 10) {
            0 => {
                more = format!(r#","thread_ts":"{ts}","reply_count":1"#);
                self.roots.push(ts.clone());
            }
            1..=3 if !self.roots.is_empty() => {
                let recent = draw(self.random, self.roots.len().min(50) as u64);
                let recent = usize::try_from(recent).unwrap_or(0);
                more = format!(r#","thread_ts":"{}""#, self.roots[self.roots.len() - 1 - recent]);
                self.made.replies += 1;
            }
            4 => more = r#","subtype":"me_message""#.to_owned(),
            _ => {}
        }
        format!(r#"{{"type":"message","user":"U{user:08}","text":"{text}","ts":"{ts}"{more}}}"#)
    }
}

/// `YYYY-MM-DD` of a day after the first; years of 12 months of 28 days are enough for names in order.
fn date(day: u64) -> String {
    let (month, year) = (day / 28 % 12 + 1, 2020 + day / 336);
    format!("{year:04}-{month:02}-{:02}", day % 28 + 1)
}
