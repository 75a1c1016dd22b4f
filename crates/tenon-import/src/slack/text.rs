//! Slack's markup: escapes, mentions, links. What is none of these stays as it is, `<` and all.

use tenon_base::UserId;
use tenon_base::limits::MENTIONS_MAX;

/// Looks up what a text may name.
pub(super) trait Names {
    /// Display name of a user, and his id if he will exist; `None` for a stranger.
    fn user(&self, slack_id: &str) -> Option<(&str, Option<UserId>)>;
    /// Name of a channel.
    fn channel(&self, slack_id: &str) -> Option<&str>;
}

/// A text as people read it, and where it names somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plain {
    pub(super) text: String,
    /// In order, without overlap; at most [`MENTIONS_MAX`].
    pub(super) mentions: Vec<Named>,
}

/// Where somebody is named; user 0 = everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) user: UserId,
    /// First byte in the text.
    pub(super) start: usize,
    /// Bytes, the `@` included.
    pub(super) len: usize,
}

/// Turns Slack's markup into plain text.
pub(super) fn plain(raw: &str, names: &impl Names) -> Plain {
    let mut out = Plain { text: String::with_capacity(raw.len()), mentions: Vec::new() };
    let mut rest = raw;
    while let Some(at) = rest.find(['<', '&']) {
        out.text.push_str(&rest[..at]);
        rest = &rest[at..];
        let used = if rest.starts_with('<') {
            out.bracket(rest, names)
        } else {
            let (text, used) = unescape_one(rest);
            out.text.push_str(text);
            used
        };
        rest = &rest[used..];
    }
    out.text.push_str(rest);
    out
}

/// Writes a text so that [`plain`] gives it back unchanged.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The character that an escape at the beginning stands for, and the bytes of the escape.
fn unescape_one(rest: &str) -> (&'static str, usize) {
    let escapes = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];
    escapes
        .iter()
        .find(|(escape, _)| rest.starts_with(escape))
        .map_or(("&", 1), |(escape, text)| (text, escape.len()))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

impl Plain {
    /// Takes a `<...>` at the beginning of `rest`; gives the bytes used. A `<` that opens no markup is one character.
    fn bracket(&mut self, rest: &str, names: &impl Names) -> usize {
        let inner = rest[1..].find(['<', '>', '\n']).map(|end| &rest[1..=end]);
        let is_closed = |inner: &&str| rest[1 + inner.len()..].starts_with('>');
        let Some(inner) = inner.filter(is_closed) else {
            self.text.push('<');
            return 1;
        };
        let (target, label) = match inner.split_once('|') {
            Some((target, label)) => (target, Some(label).filter(|l| !l.is_empty())),
            None => (inner, None),
        };
        let is_taken = match target.chars().next() {
            Some('@') => self.user(&target[1..], label, names),
            Some('#') => self.channel(&target[1..], label, names),
            Some('!') => self.command(&target[1..], label),
            _ => self.link(target, label),
        };
        if !is_taken {
            self.text.push('<');
            return 1;
        }
        inner.len() + 2
    }

    fn user(&mut self, id: &str, label: Option<&str>, names: &impl Names) -> bool {
        if !is_id(id, &['U', 'W', 'B']) {
            return false;
        }
        let known = names.user(id);
        let label = label.map(|l| unescape(l.trim_start_matches('@')));
        let name = known.map(|(name, _)| name).or(label.as_deref()).unwrap_or(id);
        self.mention(known.and_then(|(_, user)| user), name);
        true
    }

    fn channel(&mut self, id: &str, label: Option<&str>, names: &impl Names) -> bool {
        if !is_id(id, &['C', 'G', 'D']) {
            return false;
        }
        let label = label.map(unescape);
        let name = label.as_deref().or_else(|| names.channel(id)).unwrap_or(id);
        self.text.push('#');
        self.text.push_str(name.trim_start_matches('#'));
        true
    }

    fn command(&mut self, command: &str, label: Option<&str>) -> bool {
        let label = label.map(unescape);
        match command.split_once('^').map_or(command, |(word, _)| word) {
            "here" | "channel" | "everyone" | "group" => self.mention(Some(UserId(0)), command),
            "subteam" => {
                let name = label.as_deref().unwrap_or("group").trim_start_matches('@');
                self.mention(None, name);
            }
            "date" if label.is_some() => self.text.push_str(&label.unwrap_or_default()),
            _ => return false,
        }
        true
    }

    fn link(&mut self, target: &str, label: Option<&str>) -> bool {
        let is_mail = target.starts_with("mailto:") || target.starts_with("tel:");
        let scheme = target.split_once("://").map(|(scheme, _)| scheme);
        let is_scheme = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        };
        if !is_mail && !scheme.is_some_and(is_scheme) {
            return false;
        }
        let url = unescape(target);
        let shown = if is_mail { url.split_once(':').map_or(&*url, |(_, a)| a) } else { &*url };
        match label.map(unescape) {
            Some(label) if !is_same_link(&label, shown) => {
                self.text.push_str(&label);
                self.text.push_str(" (");
                self.text.push_str(shown);
                self.text.push(')');
            }
            _ => self.text.push_str(shown),
        }
        true
    }

    fn mention(&mut self, user: Option<UserId>, name: &str) {
        let start = self.text.len();
        self.text.push('@');
        self.text.push_str(name);
        if let Some(user) = user.filter(|_| self.mentions.len() < MENTIONS_MAX) {
            self.mentions.push(Named { user, start, len: self.text.len() - start });
        }
    }
}

/// Slack shows `example.org` for `http://example.org/`: the label says nothing new.
fn is_same_link(label: &str, url: &str) -> bool {
    let bare = url.split_once("://").map_or(url, |(_, bare)| bare);
    [url, bare].iter().any(|u| label.trim_end_matches('/') == u.trim_end_matches('/'))
}

/// A letter for the kind, then capitals and digits.
fn is_id(id: &str, kinds: &[char]) -> bool {
    id.len() >= 2
        && id.len() <= 64
        && id.starts_with(kinds)
        && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Sample;

    impl Names for Sample {
        fn user(&self, slack_id: &str) -> Option<(&str, Option<UserId>)> {
            match slack_id {
                "U1" => Some(("[1] bill", Some(UserId(11)))),
                "U2" => Some(("Only Named", None)),
                _ => None,
            }
        }
        fn channel(&self, slack_id: &str) -> Option<&str> {
            (slack_id == "C1").then_some("general")
        }
    }

    /// Every form of the markup, and texts that only look like it.
    #[test]
    fn forms() {
        let check = |raw: &str, expect: &str| assert_eq!(plain(raw, &Sample).text, expect, "{raw}");
        check("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c");
        check("&nbsp; & &", "&nbsp; & &");
        check("<@U1> hi", "@[1] bill hi");
        check("<@U1|bill>", "@[1] bill");
        check("<@U2>", "@Only Named");
        check("<@U9|some one>", "@some one");
        check("<@U9>", "@U9");
        check("<@root>", "<@root>");
        check("<#C1>, <#C1|old-name>, <#C9>", "#general, #old-name, #C9");
        check("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone");
        check("<!subteam^S1|@ops> <!subteam^S1>", "@ops @group");
        check("<!date^1392734382^{date}|Feb 18>", "Feb 18");
        check("<!DOCTYPE html>", "<!DOCTYPE html>");
        check("<http://a.org/?x=1&amp;y=2>", "http://a.org/?x=1&y=2");
        check("<http://a.org/|a.org>", "http://a.org/");
        check("<https://a.org/x|the page>", "the page (https://a.org/x)");
        check("<mailto:a@b.org|a@b.org>", "a@b.org");
        check("if a < b and c > d", "if a < b and c > d");
        check("#include <stdio.h>", "#include <stdio.h>");
        check("<bill> hi <<@U1>", "<bill> hi <@[1] bill");
        check("<>", "<>");
        check("<|x>", "<|x>");
        check("<@U1", "<@U1");
        check("< \n>", "< \n>");
        check("<1://x>", "<1://x>");
        check("", "");
    }

    /// A mention points at its characters and at the user; somebody who will not exist is named in the text alone.
    #[test]
    fn mentions_point_at_their_text() {
        let plain = plain("\u{e9}\u{1f600} <@U1>, <@U2> and <!channel>", &Sample);
        let named: Vec<_> = plain
            .mentions
            .iter()
            .map(|m| (m.user.0, &plain.text[m.start..m.start + m.len]))
            .collect();
        assert_eq!(named, [(11, "@[1] bill"), (0, "@channel")]);
    }

    proptest! {
        /// Any text gives some text, never a panic, and mentions lie inside it.
        #[test]
        fn any_text(raw in r"(<|>|@|U1|\||!|&|amp;|http://|\PC){0,60}") {
            let plain = plain(&raw, &Sample);
            for m in &plain.mentions {
                prop_assert!(plain.text.get(m.start..m.start + m.len).is_some_and(|t| t.starts_with('@')));
            }
        }

        /// An escaped text comes back.
        #[test]
        fn escaping_is_undone(text in r"(<|>|&|lt;|@U1|\PC){0,40}") {
            prop_assert_eq!(plain(&escape(&text), &Sample).text, text);
        }
    }
}
