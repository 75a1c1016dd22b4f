//! Users of an archive, and login names that are theirs alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use tenon_base::Map;

use super::json::{RawProfile, RawUser, Text};
use crate::report::Report;

/// Longest login name made from a name, before an ending that tells two apart.
const NAME_BYTES_MAX: usize = 32;
/// Longest name for display; what is above is cut off.
const DISPLAY_BYTES_MAX: usize = 128;
/// Longest ending made from an id; with a dash and a number of six digits a name stays within 64 bytes.
const ENDING_MAX: usize = 24;
/// The shortest ending that tells two people with one name apart.
const ENDING_MIN: usize = 4;

/// A user to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedUser {
    /// Id in the archive, the argument of [`crate::Ids::user`]; 64 bytes at most.
    pub slack_id: String,
    /// Login name, unique in the archive: lower-case letters, digits, `.`, `_`, `-`, not empty, at most 64 bytes.
    ///
    /// Two runs give the same name. Who already had such a name keeps it; of the others the one with the lowest id
    /// does, and the rest get an ending from their id.
    pub name: String,
    /// Name for display, as it was; not empty, at most 128 bytes.
    pub display_name: String,
    /// E-mail, if the export has it. It proves nothing: match by it only if the operator allows that.
    pub email: Option<String>,
    /// What he does.
    pub title: String,
    /// True for an account that was switched off: it stays so.
    pub is_deleted: bool,
    /// True for a program.
    pub is_bot: bool,
    /// False for somebody who speaks or is a member, but stands in no list of the archive.
    pub is_listed: bool,
}

/// The users in an archive's list.
#[derive(Debug, Default)]
pub(super) struct People {
    /// In file order.
    pub(super) users: Vec<ImportedUser>,
    by_id: Map<String, usize>,
    /// Id of a bot -> id of its user.
    bots: Map<String, String>,
    names: BTreeSet<String>,
}

/// Somebody whom no list names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stranger {
    /// What lines call him.
    pub(super) name: Option<String>,
    pub(super) is_bot: bool,
}

impl People {
    /// Takes one element of `users.json`; what makes no sense is counted.
    pub(super) fn take(&mut self, element: &RawValue, report: &mut Report) {
        const FILE: &str = "users.json";
        let json = element.get();
        let Ok(raw) = serde_json::from_str::<RawUser<'_>>(json) else {
            return report.skip("unreadable user", FILE, "", json);
        };
        let slack_id = raw.id.as_str().to_owned();
        if slack_id.is_empty() || slack_id.len() > 64 {
            return report.skip("user without id", FILE, "", json);
        }
        if self.by_id.contains_key(&slack_id) {
            return report.skip("user listed twice", FILE, "", json);
        }
        let profile: RawProfile<'_> = raw.profile.read();
        if let Some(bot) = profile.bot_id.filled() {
            self.bots.insert(bot.into_owned(), slack_id.clone());
        }
        let shown = [profile.display_name, raw.display_name, raw.real_name, profile.real_name];
        let shown = shown.into_iter().find_map(Text::filled);
        let name = raw.name.into_string();
        let display = shown.map_or_else(|| name.clone(), std::borrow::Cow::into_owned);
        self.by_id.insert(slack_id.clone(), self.users.len());
        self.users.push(ImportedUser {
            display_name: display_name(&display, &slack_id),
            is_bot: raw.is_bot.0 || slack_id == "USLACKBOT",
            slack_id,
            name,
            email: profile.email.filled().map(std::borrow::Cow::into_owned),
            title: profile.title.into_string(),
            is_deleted: raw.deleted.0,
            is_listed: true,
        });
    }

    /// Gives everybody in the list his login name.
    pub(super) fn settle(&mut self) {
        settle_names(&mut self.users, &mut self.names);
    }

    pub(super) fn find(&self, slack_id: &str) -> Option<&ImportedUser> {
        self.by_id.get(slack_id).and_then(|index| self.users.get(*index))
    }

    /// The user behind a sender: a bot's user, if the list says which.
    pub(super) fn canonical<'a>(&'a self, sender: &'a str) -> &'a str {
        self.bots.get(sender).map_or(sender, String::as_str)
    }

    /// Makes users of strangers. Their names come after those of the list, which thus never depend on them.
    pub(super) fn introduce(&self, strangers: &BTreeMap<String, Stranger>) -> Vec<ImportedUser> {
        let made = strangers.iter().map(|(slack_id, stranger)| {
            let name = stranger.name.clone().unwrap_or_else(|| slack_id.clone());
            ImportedUser {
                slack_id: slack_id.clone(),
                display_name: display_name(&name, slack_id),
                name,
                email: None,
                title: String::new(),
                is_deleted: false,
                is_bot: stranger.is_bot,
                is_listed: false,
            }
        });
        let mut users: Vec<_> = made.collect();
        settle_names(&mut users, &mut self.names.clone());
        users
    }
}

fn display_name(name: &str, slack_id: &str) -> String {
    let name = clean(name, DISPLAY_BYTES_MAX);
    if name.is_empty() { slack_id.to_owned() } else { name }
}

/// A name without control characters and blanks at its ends, at most `max` bytes.
pub(super) fn clean(name: &str, max: usize) -> String {
    let printed: String = name.chars().filter(|c| !c.is_control()).collect();
    let printed = printed.trim();
    printed[..printed.floor_char_boundary(max)].trim_end().to_owned()
}

/// Replaces names by unique login names that are not in `taken`, and puts them there.
fn settle_names(users: &mut [ImportedUser], taken: &mut BTreeSet<String>) {
    let mut order: Vec<usize> = (0..users.len()).collect();
    let is_login = |name: &str| !name.is_empty() && slug(name) == name;
    let rank = |user: &ImportedUser| (!is_login(&user.name), user.slack_id.clone());
    order.sort_by_cached_key(|index| rank(&users[*index]));
    for index in order {
        let user = &mut users[index];
        user.name = unique(&user.name, &user.slack_id, taken);
        taken.insert(user.name.clone());
    }
}

fn unique(name: &str, slack_id: &str, taken: &BTreeSet<String>) -> String {
    let base = slug(name);
    let id: String = slack_id.chars().filter(char::is_ascii_alphanumeric).collect();
    let id = id[id.len().saturating_sub(ENDING_MAX)..].to_ascii_lowercase();
    let base = match base.is_empty() {
        true if id.is_empty() => "user".to_owned(),
        true => id.clone(),
        false => base,
    };
    if !taken.contains(&base) {
        return base;
    }
    let endings = (ENDING_MIN.min(id.len())..=id.len()).map(|n| id[id.len() - n..].to_owned());
    // Two ids of different letters may look alike in lower case; then a number decides.
    let numbers = (2_u64..).map(|n| format!("{id}-{n}"));
    endings
        .chain(numbers)
        .map(|ending| format!("{base}-{ending}"))
        .find(|name| !taken.contains(name))
        .unwrap_or(base)
}

/// A name as it is typed at sign-in: `[1] bill` -> `1-bill`. Empty if there is no ASCII letter or digit in it.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => slug.push(c),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(NAME_BYTES_MAX);
    slug.trim_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use tenon_core::identity::is_user_name;

    use super::*;

    fn people(users: &[(&str, &str)]) -> (People, Report) {
        let mut people = People::default();
        let mut report = Report::default();
        for (id, name) in users {
            let json = format!(r#"{{"id":"{id}","name":{name}}}"#);
            people.take(&RawValue::from_string(json).expect("JSON"), &mut report);
        }
        people.settle();
        (people, report)
    }

    fn names(users: &[(&str, &str)]) -> Vec<String> {
        people(users).0.users.into_iter().map(|u| u.name).collect()
    }

    /// Slugs of names as real archives have them.
    #[test]
    fn slugs() {
        let check = |name: &str, expect: &str| assert_eq!(slug(name), expect, "{name}");
        check("bill", "bill");
        check("[1] bill", "1-bill");
        check("}btorch{", "btorch");
        check("Ann.B_C-d", "ann.b_c-d");
        check("J\u{fc}rgen", "j-rgen");
        check("\u{5f20}\u{4e09}", "");
        check("_._", "");
        check(&"x".repeat(100), &"x".repeat(32));
    }

    /// Whoever had the name keeps it, whatever the order of the list; the others get an ending.
    #[test]
    fn colliding_names_are_told_apart() {
        let list = [("U1AAAA", r#""Bill""#), ("U2BBBB", r#""[bill]""#), ("U3CCCC", r#""bill""#)];
        assert_eq!(names(&list), ["bill-aaaa", "bill-bbbb", "bill"]);
        let turned = [list[2], list[0], list[1]];
        assert_eq!(names(&turned), ["bill", "bill-aaaa", "bill-bbbb"]);
        let alike = [("U1XXXX", r#""a""#), ("U2XXXX", r#""A""#), ("U3XXXX", r#""[a]""#)];
        assert_eq!(names(&alike), ["a", "a-xxxx", "a-3xxxx"]);
        let same = [("Ub1", r#""a""#), ("UB1", r#""A""#), ("uB1", r#""A""#), ("UbI", r#""a-ub1""#)];
        let mut made = names(&same);
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 4);
    }

    /// Whatever an archive calls its people, the server takes the names, and no two are alike.
    #[test]
    fn names_are_names_of_the_server() {
        let strange = ["", "a\u{0}b\n", " x ", "\u{202e}", &"w".repeat(300), "A", "a"];
        let twice = strange.iter().chain(&strange).enumerate();
        let strangers: BTreeMap<_, _> = twice
            .map(|(n, name)| {
                let stranger = Stranger { name: Some((*name).to_owned()), is_bot: false };
                (format!("username:{}{n}", "z".repeat(50)), stranger)
            })
            .collect();
        let made = People::default().introduce(&strangers);
        let names: BTreeSet<_> = made.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names.len(), 14);
        assert!(names.iter().all(|name| is_user_name(name)), "{names:?}");
        assert!(made.iter().all(|u| !u.display_name.is_empty() && u.display_name.len() <= 128));
    }

    /// Nobody is without name, and the original stays for display.
    #[test]
    fn nobody_is_nameless() {
        let (people, _) =
            people(&[("U1", r#""\u5f20\u4e09""#), ("U2", "null"), ("U3", r#""[1] bill""#)]);
        let made: Vec<_> =
            people.users.iter().map(|u| (u.name.as_str(), u.display_name.as_str())).collect();
        assert_eq!(made, [("u1", "\u{5f20}\u{4e09}"), ("u2", "U2"), ("1-bill", "[1] bill")]);
    }

    /// What cannot be a user is counted; a second line for a user does not replace the first.
    #[test]
    fn odd_users_are_counted() {
        let (people, report) = people(&[("U1", r#""a""#), ("U1", r#""b""#), ("", r#""c""#)]);
        assert_eq!(people.users.len(), 1);
        assert_eq!(people.users[0].display_name, "a");
        assert_eq!(
            (report.skipped["user listed twice"], report.skipped["user without id"]),
            (1, 1)
        );
    }

    /// Strangers never take a name of the list.
    #[test]
    fn strangers_come_after_the_list() {
        let (people, _) = people(&[("U1", r#""ci""#)]);
        let stranger = |name: &str| Stranger { name: Some(name.to_owned()), is_bot: true };
        let strangers = BTreeMap::from([
            ("B1".to_owned(), stranger("ci")),
            ("B2".to_owned(), Stranger::default()),
        ]);
        let made = people.introduce(&strangers);
        assert_eq!(
            (made[0].name.as_str(), made[0].is_bot, made[0].is_listed),
            ("ci-b1", true, false)
        );
        assert_eq!((made[1].name.as_str(), made[1].display_name.as_str()), ("b2", "B2"));
    }
}
