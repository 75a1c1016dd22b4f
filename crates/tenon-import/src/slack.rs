//! Slack's export: users, conversations, and one folder of days for each conversation.

mod archive;
mod body;
mod day;
mod entries;
mod json;
mod people;
mod place;
mod scan;
mod text;
mod ts;

pub use archive::{Archive, ChannelKind, ImportedChannel};
pub use day::{Day, DayError, Line, LineKind, Skipped, parse_day};
pub use entries::Entries;
pub use people::ImportedUser;
pub use ts::Ts;
