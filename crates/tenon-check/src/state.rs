//! What is known of devices, conversations and messages while a history is read.

use std::collections::BTreeMap;

use tenon_base::Map;

use crate::finding::Place;
use crate::ranges::Ranges;

/// Index of a user, device or conversation.
pub(crate) type Index = u32;

/// Names, each with its index.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: Map<Box<str>, Index>,
    names: Vec<Box<str>>,
}

impl Names {
    /// The index of a name, a new one if it is new.
    pub(crate) fn index(&mut self, name: &str) -> Index {
        if let Some(&index) = self.by_name.get(name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).unwrap_or(Index::MAX);
        self.names.push(name.into());
        self.by_name.insert(name.into(), index);
        index
    }

    pub(crate) fn find(&self, name: &str) -> Option<Index> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, index: Index) -> &str {
        self.names.get(index as usize).map_or("?", |name| name)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// What is known of the message at one place. 0 = not known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) body: u128,
    pub(crate) sender: Option<Index>,
    pub(crate) rev: u64,
    pub(crate) cnt: u64,
    pub(crate) at_ms: u64,
    /// The idempotency key: device, its life, number.
    pub(crate) key: (u64, u32, u64),
    /// When its send began.
    pub(crate) sent_us: u64,
    /// When a device was told first.
    pub(crate) told_us: u64,
    pub(crate) is_acked: bool,
    /// Edited, recalled or expired: its content is not compared any more.
    pub(crate) is_changed: bool,
    /// The line that said so first.
    pub(crate) place: Place,
}

/// When a user was in a conversation, by the answers to the changes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stay {
    pub(crate) floor_rev: u64,
    pub(crate) since_us: u64,
    pub(crate) until: Option<Until>,
    pub(crate) place: Place,
}

/// The end of a stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    pub(crate) rev: Option<u64>,
    pub(crate) at_us: u64,
    pub(crate) place: Place,
}

/// A conversation.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) messages: BTreeMap<u64, Message>,
    /// Empty: members are not in the history.
    pub(crate) members: BTreeMap<Index, Vec<Stay>>,
}

/// A send without answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenCall {
    pub(crate) conversation: Index,
    pub(crate) body: u128,
    pub(crate) begun_us: u64,
    /// The highest seq this device had been answered when it began.
    pub(crate) behind: u64,
    pub(crate) place: Place,
}

/// A line of the conversation list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListLine {
    pub(crate) rev: u64,
    pub(crate) seq: u64,
    pub(crate) read_seq: u64,
    /// Not said where it cannot be judged: the user came later, and what was before does not count for him.
    pub(crate) unread: Option<u64>,
    pub(crate) session: u64,
    pub(crate) place: Place,
}

/// Where the stream of one conversation stands on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Nothing is known: the next event may be any.
    Anywhere,
    /// Events up to this rev and seq may have been told; the next may repeat, but not skip.
    AtMost(u64, u64),
    /// Told up to this rev, within this session.
    At(u64),
}

/// What one device holds of one conversation.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) position: Position,
    /// Highest seq told; `None` after a jump, until the next message.
    pub(crate) last_seq: Option<u64>,
    pub(crate) seq_max: u64,
    pub(crate) rev_max: u64,
    /// The stream owes what comes next: nothing was skipped since the last message.
    pub(crate) owes: bool,
    pub(crate) got: Ranges,
    /// Seqs that the stream does not owe.
    pub(crate) excused: Ranges,
    /// Covered by a page that does not show them.
    pub(crate) missing: Ranges,
    pub(crate) gone: Ranges,
    /// Seqs of the device's own answered sends.
    pub(crate) own: Ranges,
    pub(crate) acked_max: u64,
    pub(crate) read_seq: u64,
    pub(crate) list: Option<ListLine>,
    /// The line before.
    pub(crate) place: Place,
    pub(crate) session: u64,
    pub(crate) rebases: u64,
}

impl Held {
    fn new(session: u64, rebases: u64) -> Self {
        Self {
            position: Position::Anywhere,
            last_seq: None,
            seq_max: 0,
            rev_max: 0,
            owes: false,
            got: Ranges::default(),
            excused: Ranges::default(),
            missing: Ranges::default(),
            gone: Ranges::default(),
            own: Ranges::default(),
            acked_max: 0,
            read_seq: 0,
            list: None,
            place: Place::default(),
            session,
            rebases,
        }
    }

    /// The next event may be any; what lies between is not owed.
    pub(crate) fn jump(&mut self) {
        self.position = Position::Anywhere;
        self.last_seq = None;
        self.owes = false;
    }
}

/// A device: one actor that was opened.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) user: Index,
    pub(crate) session: u64,
    pub(crate) rebases: u64,
    pub(crate) is_at_rest: bool,
    pub(crate) told_us: u64,
    pub(crate) told_place: Place,
    pub(crate) rest_place: Place,
    pub(crate) revoked: Option<(u64, Place)>,
    pub(crate) calls: BTreeMap<u64, OpenCall>,
    pub(crate) held: BTreeMap<Index, Held>,
}

impl Device {
    pub(crate) fn new(user: Index) -> Self {
        Self {
            user,
            session: 0,
            rebases: 0,
            is_at_rest: false,
            told_us: 0,
            told_place: Place::default(),
            rest_place: Place::default(),
            revoked: None,
            calls: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// What it holds of a conversation, brought up to this session and the last rebase.
    pub(crate) fn held(&mut self, conversation: Index) -> &mut Held {
        let (session, rebases) = (self.session, self.rebases);
        let held = self.held.entry(conversation).or_insert_with(|| Held::new(session, rebases));
        if held.session != session {
            held.session = session;
            held.read_seq = 0;
            held.last_seq = None;
            if held.position != Position::Anywhere {
                held.position = Position::AtMost(held.rev_max, held.seq_max);
            }
        }
        if held.rebases != rebases {
            held.rebases = rebases;
            held.jump();
        }
        held
    }
}
