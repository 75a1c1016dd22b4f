//! Plays entries into a conversation by the rules of the server.

use std::collections::BTreeSet;
use std::sync::Arc;

use tenon_base::{Cid, ConversationId, Map, MessageId, Rev, Seq, Timestamp, UserId};
use tenon_core::command::CreateConversation;
use tenon_core::conversation::Outcome;
use tenon_core::conversation::decide::{Decision, Loaded, decide};
use tenon_core::{Action, Author, Command, Conversation, EventBody, ImportEntry, Kind, Message};
use tenon_import::Batches;

/// A conversation with what was imported into it.
pub(crate) struct Replay {
    pub(crate) conversation: Conversation,
    imported: Map<[u8; 16], Seq>,
    /// Messages in seq order.
    pub(crate) messages: Vec<Arc<Message>>,
    /// Sums of the outcomes.
    pub(crate) added: u64,
    pub(crate) known: u64,
    pub(crate) refused: u64,
}

fn command(action: Action, time: Timestamp) -> Command {
    Command {
        author: Author { org: tenon_base::OrgId(1), ..Author::default() },
        conv: ConversationId(1),
        cid: Cid(0),
        digest: [0; 16],
        is_void: false,
        message_id: MessageId(0),
        time,
        refused: None,
        action,
    }
}

impl Replay {
    /// A group without members.
    pub(crate) fn new(created: Timestamp) -> Self {
        let create = CreateConversation {
            kind: Kind::Group,
            title: "general".to_owned(),
            owner: UserId(0),
            members: Vec::new(),
            history_visible: true,
            queue_mode_max: 500,
            pull_mode_min: 400,
        };
        let create = command(Action::Create(create), created);
        let mut replay = Self {
            conversation: Conversation::default(),
            imported: Map::default(),
            messages: Vec::new(),
            added: 0,
            known: 0,
            refused: 0,
        };
        match decide(None, &Loaded::default(), &create) {
            Decision::Commit(change) => replay.conversation.commit(&change),
            Decision::Answer(outcome) => assert_eq!(outcome, Outcome::Absent, "a group is made"),
        }
        replay
    }

    /// Plays all entries in batches; the same may be played again.
    pub(crate) fn play(&mut self, entries: &[ImportEntry]) {
        let entries = entries.iter().cloned().map(Ok::<_, std::convert::Infallible>);
        for batch in Batches::new(entries) {
            let Ok(entries) = batch;
            self.batch(entries);
        }
    }

    fn batch(&mut self, entries: Vec<ImportEntry>) {
        let time = Timestamp(4_000_000_000_000);
        let command = command(Action::Import { entries }, time);
        let loaded = Loaded { sender: None, imported: Some(&self.imported) };
        let Decision::Commit(change) = decide(Some(&self.conversation), &loaded, &command) else {
            panic!("an import is committed");
        };
        let Outcome::Imported { added, known, refused } = change.outcome else {
            panic!("an import answers so: {:?}", change.outcome);
        };
        self.added += u64::from(added);
        self.known += u64::from(known);
        self.refused += u64::from(refused);
        self.conversation.commit(&change);
        let keys = change.imported.iter().map(|(key, seq, _): &(_, _, Rev)| (*key, *seq));
        self.imported.extend(keys);
        self.messages.extend(change.events.into_iter().filter_map(|event| match event.body {
            EventBody::Message(message) => Some(message),
            _ => None,
        }));
    }

    /// Who is in.
    pub(crate) fn members(&self) -> BTreeSet<UserId> {
        self.conversation.current().collect()
    }
}
