//! Ids that come out the same in every run and on every node that has the organisation's id key.

use std::collections::BTreeMap;

use tenon_base::{ConversationId, MessageId, UserId};

/// Import key: BLAKE3-128 of (source, kind, natural key), each part with its length before it.
pub(crate) fn import_key(source: &str, kind: &str, natural: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let parts = [source.as_bytes(), kind.as_bytes()];
    for part in parts.iter().chain(natural) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}

/// Gives ids to what an archive names. Cheap to clone for an archive whose users are all new.
///
/// A new id is the keyed BLAKE3 hash of the import key under the organisation's id key: 63 bits, never 0. Whoever does
/// not have the key cannot guess it.
#[derive(Debug, Clone)]
pub struct Ids {
    id_key: [u8; 32],
    source: &'static str,
    matched: BTreeMap<String, UserId>,
}

impl Ids {
    /// Ids for a Slack export under an organisation's id key.
    pub const fn slack(id_key: [u8; 32]) -> Self {
        Self { id_key, source: "slack", matched: BTreeMap::new() }
    }

    /// Takes an existing user for a user of the archive (matched by a verified e-mail, say). The same matches must be
    /// given in every run of one archive.
    pub fn match_user(&mut self, slack_id: &str, user: UserId) {
        self.matched.insert(slack_id.to_owned(), user);
    }

    /// The user of a name in the archive.
    pub fn user(&self, slack_id: &str) -> UserId {
        if let Some(user) = self.matched.get(slack_id) {
            return *user;
        }
        UserId(self.number(&import_key(self.source, "user", &[slack_id.as_bytes()])))
    }

    /// The conversation of a channel.
    pub fn conversation(&self, channel_id: &str) -> ConversationId {
        let key = import_key(self.source, "conversation", &[channel_id.as_bytes()]);
        ConversationId(self.number(&key))
    }

    /// The message of an import key.
    pub fn message(&self, key: &[u8; 16]) -> MessageId {
        MessageId(self.number(key))
    }

    fn number(&self, key: &[u8; 16]) -> u64 {
        let hash = blake3::keyed_hash(&self.id_key, key);
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(number) >> 1).max(1)
    }
}

/// Parts with lengths: moving a byte from one part to the next is another key.
#[test]
fn keys_are_unambiguous() {
    let key = |parts: &[&[u8]]| import_key("slack", "message", parts);
    assert_ne!(key(&[b"C1", b"23"]), key(&[b"C12", b"3"]));
    assert_ne!(key(&[b"C1"]), key(&[b"C1", b""]));
    assert_eq!(key(&[b"C1", b"23"]), key(&[b"C1", b"23"]));
}

/// Another id key gives other ids; a matched user keeps his.
#[test]
fn ids_follow_the_key_and_the_matches() {
    let (mut one, two) = (Ids::slack([1; 32]), Ids::slack([2; 32]));
    assert_ne!(one.user("U1"), two.user("U1"));
    assert_ne!(one.user("U1").0, one.conversation("U1").0);
    assert_eq!(one.user("U1"), one.clone().user("U1"));
    one.match_user("U1", UserId(7));
    assert_eq!(one.user("U1"), UserId(7));
    assert_ne!(one.user("U2"), UserId(7));
}
