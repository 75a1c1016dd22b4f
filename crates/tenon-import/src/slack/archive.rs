//! An open export: its lists, and which days belong to which conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Seek};
use std::path::Path;

use serde_json::value::RawValue;

use super::day::{DayError, bad_json, utf8};
use super::entries::Entries;
use super::json::{RawChannel, RawValueText, Text, each_element};
use super::people::{ImportedUser, People, clean};
use super::scan::Scan;
use super::ts::Ts;
use crate::bodies::{Bodies, Dry};
use crate::error::ImportError;
use crate::ids::Ids;
use crate::options::Limits;
use crate::report::Report;
use crate::unpack::Pack;

const USERS: &str = "users.json";
/// Longest title before an ending that tells two apart.
const TITLE_BYTES_MAX: usize = 160;

/// Who may see a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// Everybody in the workspace may join.
    Public,
    /// By invitation.
    Private,
    /// A group without a name.
    GroupDirect,
    /// Two people, or one and his own notes.
    Direct,
}

impl ChannelKind {
    /// The list that names conversations of this kind.
    const fn list(self) -> &'static str {
        match self {
            Self::Public => "channels.json",
            Self::Private => "groups.json",
            Self::GroupDirect => "mpims.json",
            Self::Direct => "dms.json",
        }
    }

    const ALL: [Self; 4] = [Self::Public, Self::Private, Self::GroupDirect, Self::Direct];
}

/// A conversation to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedChannel {
    /// Id in the archive, the argument of [`Ids::conversation`]; the folder's name if no list names it.
    pub slack_id: String,
    /// Who may see it; `Private` if no list names it.
    pub kind: ChannelKind,
    /// Title, unique in the archive without regard to case; empty for `Direct`. At most 256 bytes.
    pub title: String,
    /// When it was made; 0 = unknown.
    pub created: Ts,
    /// Who made it, if known.
    pub creator: Option<String>,
    /// True if it was closed.
    pub is_archived: bool,
    /// True for the one in which everybody is.
    pub is_general: bool,
    /// What it is about now.
    pub topic: String,
    /// What it is for.
    pub purpose: String,
    /// Members in the order of their ids; `None` if the archive does not say: then those who came in are in.
    pub members: Option<Vec<String>>,
    /// Paths of its days in order of their names.
    pub(super) days: Vec<String>,
}

impl ImportedChannel {
    /// Who shall own a group: its creator if he is a member still, else the first member; `None` for `Direct`.
    pub fn owner(&self) -> Option<&str> {
        if self.kind == ChannelKind::Direct {
            return None;
        }
        let members = self.members.as_deref().unwrap_or_default();
        let creator = self.creator.as_ref();
        let is_in = |c: &&String| members.is_empty() || members.binary_search(c).is_ok();
        creator.filter(is_in).or_else(|| members.first()).map(String::as_str)
    }

    /// Number of day files.
    pub const fn days(&self) -> usize {
        self.days.len()
    }
}

/// An open Slack export. May be shared between threads; files are read one at a time.
pub struct Archive {
    pub(super) pack: Pack,
    pub(super) limits: Limits,
    pub(super) people: People,
    channels: Vec<ImportedChannel>,
    report: Report,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.people.users.len(), self.channels.len());
        f.debug_struct("Archive").field("users_and_channels", &counts).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens an export and reads its lists; missing lists are empty. Days are read later.
    ///
    /// # Errors
    /// [`ImportError`], each with the file and what mends it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        Self::open_within(path, Limits::default())
    }

    /// Same within other bounds.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_within(path: impl AsRef<Path>, limits: Limits) -> Result<Self, ImportError> {
        Self::load(Pack::open(path.as_ref(), &limits)?, limits)
    }

    /// Reads an export from anything that can seek, within bounds.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(
        source: impl Read + Seek + Send + 'static,
        limits: Limits,
    ) -> Result<Self, ImportError> {
        Self::load(Pack::new(Box::new(source), &limits)?, limits)
    }

    fn load(pack: Pack, limits: Limits) -> Result<Self, ImportError> {
        let mut report = Report::default();
        let mut folders = folders(&pack, &mut report);
        let mut people = People::default();
        let read = each_in(&pack, &limits, USERS, |e| people.take(e, &mut report))?;
        let mut has_list = read;
        people.settle();
        let mut channels = Vec::new();
        let mut seen = BTreeSet::new();
        for kind in ChannelKind::ALL {
            let list = kind.list();
            has_list |= each_in(&pack, &limits, list, |element| {
                match channel_of(element, kind, &mut folders) {
                    Ok(channel) if seen.insert(channel.slack_id.clone()) => channels.push(channel),
                    Ok(_) => report.skip("conversation listed twice", list, "", element.get()),
                    Err(reason) => report.skip(reason, list, "", element.get()),
                }
            })?;
        }
        if !has_list && folders.is_empty() {
            return Err(ImportError::NotSlack);
        }
        for (folder, days) in folders {
            if seen.insert(folder.clone()) {
                let why = "conversation in no list: private, members as its lines say";
                report.change(why, &folder, "", "");
                channels.push(unlisted(folder, days));
            } else {
                report.skip("folder named like another conversation's id", &folder, "", "");
            }
        }
        settle_titles(&mut channels);
        report.users = people.users.len() as u64;
        report.channels = channels.len() as u64;
        Ok(Self { pack, limits, people, channels, report })
    }

    /// Users in the archive's list, in its order.
    pub fn users(&self) -> &[ImportedUser] {
        &self.people.users
    }

    /// Conversations: public, private, of several, of two; each kind in the order of its list, unlisted ones last.
    pub fn channels(&self) -> &[ImportedChannel] {
        &self.channels
    }

    /// People and bots who speak or are members, but stand in no list, by id. Make them besides [`Self::users`].
    ///
    /// Reads all days once.
    ///
    /// # Errors
    /// [`ImportError`] of a damaged file.
    pub fn unlisted_users(&self) -> Result<Vec<ImportedUser>, ImportError> {
        let mut strangers = BTreeMap::new();
        for channel in &self.channels {
            for (id, stranger) in Scan::of(self, channel)?.strangers {
                let known = strangers.entry(id).or_insert_with(|| stranger.clone());
                known.name = known.name.take().or(stranger.name);
                known.is_bot |= stranger.is_bot;
            }
        }
        Ok(self.people.introduce(&strangers))
    }

    /// What a conversation needs, oldest first; reads its days once before, and then day by day.
    ///
    /// Keys, ids and order depend on nothing but the archive, `ids` and `bodies`. After the last entry the members are those of
    /// [`ImportedChannel::members`], if the conversation began without members or with some of these; who is in and
    /// came by no event comes in at the beginning, who left by none goes at the end. A direct conversation gets
    /// messages alone: make it with its members.
    ///
    /// # Errors
    /// [`ImportError`] of a damaged file, before the first entry is given.
    pub fn entries<'a>(
        &'a self,
        channel: &'a ImportedChannel,
        ids: &'a Ids,
        bodies: &'a dyn Bodies,
    ) -> Result<Entries<'a>, ImportError> {
        Ok(Entries::new(self, channel, (ids, bodies), Scan::of(self, channel)?))
    }

    /// What is known from the lists alone: users, channels, files and lines left out.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Reads everything and writes nothing: what an import would take, change and leave out.
    ///
    /// # Errors
    /// [`ImportError`] of the first damaged file.
    pub fn dry_run(&self) -> Result<Report, ImportError> {
        let mut report = self.report.clone();
        let mut strangers = BTreeSet::new();
        let ids = Ids::slack([0; 32]);
        for channel in &self.channels {
            let mut entries = self.entries(channel, &ids, &Dry)?;
            strangers.extend(entries.stranger_ids().map(str::to_owned));
            for entry in &mut entries {
                drop(entry?);
            }
            report.add(entries.report());
        }
        report.unlisted_users = strangers.len() as u64;
        Ok(report)
    }
}

/// Folder -> its days. Files that are neither days nor lists are counted.
fn folders(pack: &Pack, report: &mut Report) -> BTreeMap<String, Vec<String>> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in pack.names() {
        let is_list = name == USERS || ChannelKind::ALL.iter().any(|k| k.list() == name);
        match name.split_once('/') {
            Some((folder, file)) if is_day(file) => {
                folders.entry(folder.to_owned()).or_default().push(name.to_owned());
            }
            Some(("__uploads", _)) => report.skip("uploaded file", name, "", ""),
            Some(("profile_pictures", _)) => report.skip("profile picture", name, "", ""),
            Some(_) => report.skip("file that is no day", name, "", ""),
            None if is_list => {}
            None => report.skip(&format!("file {name}"), name, "", ""),
        }
    }
    folders
}

/// `YYYY-MM-DD.json`.
fn is_day(file: &str) -> bool {
    file.strip_suffix(".json").is_some_and(|day| {
        let fits =
            |(at, b): (usize, u8)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() };
        day.len() == 10 && day.bytes().enumerate().all(fits)
    })
}

/// Walks a list of the export; false if it is missing.
fn each_in(
    pack: &Pack,
    limits: &Limits,
    file: &'static str,
    mut each: impl FnMut(&RawValue),
) -> Result<bool, ImportError> {
    let Some(bytes) = pack.read(file, limits.list_bytes_max)? else {
        return Ok(false);
    };
    let mut count = 0;
    let json = utf8(&bytes).map_err(|e| bad_file(file, e))?;
    let walked = each_element(json, |element| {
        count += 1;
        let is_within = count <= limits.list_entries_max;
        if is_within {
            each(element);
        }
        is_within
    });
    if count > limits.list_entries_max {
        return Err(bad_file(file, DayError::TooMany { max: limits.list_entries_max }));
    }
    walked.map_err(|e| bad_file(file, bad_json(&e)))?;
    Ok(true)
}

/// Adds the file to a fault inside it.
pub(super) fn bad_file(file: &str, error: DayError) -> ImportError {
    let file = file.to_owned();
    match error {
        DayError::BadJson { line, column, why } => ImportError::BadJson { file, line, column, why },
        DayError::TooMany { max } => {
            ImportError::TooLarge { file, max: max as u64, unit: "entries" }
        }
    }
}

/// Makes titles fit for a name, and tells two with one name apart: by the id of the later.
fn settle_titles(channels: &mut [ImportedChannel]) {
    let mut taken = BTreeSet::new();
    for channel in channels {
        if channel.kind == ChannelKind::Direct {
            channel.title.clear();
            continue;
        }
        let id = clean(&channel.slack_id, 64);
        let names = [clean(&channel.title, TITLE_BYTES_MAX), id.clone(), "channel".to_owned()];
        let wished = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let numbered = (2_u64..).map(|n| format!("{wished} ({id}) {n}"));
        let mut titles = [wished.clone(), format!("{wished} ({id})")].into_iter().chain(numbered);
        let free = titles.find(|title| taken.insert(title.to_lowercase()));
        channel.title = free.unwrap_or(wished);
    }
}

fn channel_of(
    element: &RawValue,
    kind: ChannelKind,
    folders: &mut BTreeMap<String, Vec<String>>,
) -> Result<ImportedChannel, &'static str> {
    let raw: RawChannel<'_> =
        serde_json::from_str(element.get()).map_err(|_| "unreadable conversation")?;
    let slack_id = raw.id.as_str().to_owned();
    if slack_id.is_empty() || slack_id.len() > 64 {
        return Err("conversation without id");
    }
    let name = raw.name.into_string();
    let days = folders.remove(&name).or_else(|| folders.remove(&slack_id)).unwrap_or_default();
    let mut members = None;
    if raw.members.is_some() {
        let mut ids = Vec::new();
        raw.members.each(|member| ids.extend(member.read::<Text<'_>>().filled()));
        let mut ids: Vec<String> = ids.into_iter().map(std::borrow::Cow::into_owned).collect();
        ids.sort_unstable();
        ids.dedup();
        members = Some(ids);
    }
    // Slack empties the list of a closed channel; that does not mean that nobody may read it.
    if raw.is_archived.0 {
        members = members.filter(|m| !m.is_empty());
    }
    let seconds = raw.created.as_str().split('.').next().and_then(|s| s.parse().ok());
    Ok(ImportedChannel {
        slack_id,
        kind,
        title: name,
        created: Ts::from_seconds(seconds.unwrap_or(0)),
        creator: raw.creator.filled().map(std::borrow::Cow::into_owned),
        is_archived: raw.is_archived.0,
        is_general: raw.is_general.0,
        topic: raw.topic.read::<RawValueText<'_>>().value.into_string(),
        purpose: raw.purpose.read::<RawValueText<'_>>().value.into_string(),
        members,
        days,
    })
}

fn unlisted(folder: String, days: Vec<String>) -> ImportedChannel {
    ImportedChannel {
        title: folder.clone(),
        slack_id: folder,
        kind: ChannelKind::Private,
        created: Ts(0),
        creator: None,
        is_archived: false,
        is_general: false,
        topic: String::new(),
        purpose: String::new(),
        members: None,
        days,
    }
}
