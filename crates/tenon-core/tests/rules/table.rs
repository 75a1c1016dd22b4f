//! A conversation at a table: commands in, outcomes out, chains and import keys kept as a room would keep them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConversationId, DeviceEpoch, DeviceId, Map, MessageId, OrgId, Seq, Timestamp,
    UserId,
};
use tenon_core::command::CreateConversation;
use tenon_core::conversation::decide::{Change, Decision, Loaded, decide};
use tenon_core::conversation::{Accepted, Outcome, SenderKey};
use tenon_core::{Action, Author, Command, Conversation, Kind, Rejection, SendMessage, Sender};

pub(crate) const CONV: ConversationId = ConversationId(77);

/// One conversation and what its partition keeps beside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) conversation: Option<Conversation>,
    pub(crate) senders: BTreeMap<SenderKey, Sender>,
    pub(crate) imported: Map<[u8; 16], Seq>,
}

impl Table {
    /// A group of these members; the first one owns it.
    pub(crate) fn group(members: &[u64]) -> Self {
        let mut table = Self::default();
        let outcome = table.apply(&create(Kind::Group, members)).0;
        assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
        table
    }

    /// Load, decide, commit; gives the answer and what changed.
    pub(crate) fn apply(&mut self, command: &Command) -> (Outcome, Option<Change>) {
        let key = (command.author.device, command.author.device_epoch);
        let loaded = Loaded { sender: self.senders.get(&key), imported: Some(&self.imported) };
        match decide(self.conversation.as_ref(), &loaded, command) {
            Decision::Answer(outcome) => (outcome, None),
            Decision::Commit(change) => {
                self.conversation.get_or_insert_default().commit(&change);
                if let Some(fate) = change.fate
                    && command.cid != Cid(0)
                {
                    let sender = self.senders.entry(key).or_default();
                    sender.record(command.cid, command.digest, fate);
                }
                for (key, seq, _) in &change.imported {
                    self.imported.insert(*key, *seq);
                }
                (change.outcome, Some(*change))
            }
        }
    }

    /// Does an action of a user's only device, with the next cid.
    pub(crate) fn act(&mut self, user: u64, action: Action) -> Outcome {
        let author = author(user);
        let last = self.senders.get(&(author.device, author.device_epoch)).map_or(0, |s| s.last.0);
        self.apply(&command(author, last + 1, action)).0
    }

    /// The same, by local administration: no device, no chain.
    pub(crate) fn administrate(&mut self, action: Action) -> Outcome {
        let local = Author { org: OrgId(1), ..Author::default() };
        self.apply(&command(local, 0, action)).0
    }

    pub(crate) fn conversation(&self) -> &Conversation {
        self.conversation.as_ref().expect("it was created")
    }
}

/// Device 10 x user of a user.
pub(crate) fn author(user: u64) -> Author {
    Author {
        org: OrgId(1),
        user: UserId(user),
        device: DeviceId(user * 10),
        device_epoch: DeviceEpoch(1),
        app: AppId(0),
    }
}

pub(crate) fn command(author: Author, cid: u64, action: Action) -> Command {
    Command {
        author,
        conv: CONV,
        cid: Cid(cid),
        digest: [u8::try_from(cid % 251).unwrap(); 16],
        is_void: false,
        message_id: MessageId(1_000 + cid),
        time: Timestamp(1_000_000),
        refused: None,
        action,
    }
}

pub(crate) fn create(kind: Kind, members: &[u64]) -> Command {
    let members: Vec<UserId> = members.iter().copied().map(UserId).collect();
    let owner = if kind == Kind::Group { members[0] } else { UserId(0) };
    let create = CreateConversation {
        kind,
        title: String::new(),
        owner,
        members,
        history_visible: false,
        queue_mode_max: 6,
        pull_mode_min: 4,
    };
    command(author(owner.0.max(1)), 0, Action::Create(create))
}

pub(crate) fn text(body: &str) -> SendMessage {
    SendMessage { kind: 1, body: Bytes::copy_from_slice(body.as_bytes()), ..SendMessage::default() }
}

pub(crate) fn users(ids: &[u64]) -> Vec<UserId> {
    ids.iter().copied().map(UserId).collect()
}

pub(crate) fn read_mark(up_to: u64, cnt: u64) -> Action {
    Action::ReadMark { up_to: Seq(up_to), cnt: Cnt(cnt) }
}

pub(crate) fn accepted(outcome: Outcome) -> Accepted {
    match outcome {
        Outcome::Ok(accepted) => accepted,
        other => panic!("not accepted: {other:?}"),
    }
}

pub(crate) fn rejected(outcome: Outcome) -> Rejection {
    match outcome {
        Outcome::Rejected(rejection) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}
