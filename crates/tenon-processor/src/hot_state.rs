//! Conversations in memory over the log, bounded in bytes; only clean ones leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tenon_base::{ConversationId, Map, OrgId, PartitionId, UserId};
use tenon_core::conversation::SenderKey;
use tenon_core::{Conversation, Layout, Sender};
use tenon_store::{ShardWriter, StoreError, View, table};

/// Members of a queue-mode conversation by the partition that keeps their queue.
pub type Recipients = Arc<Vec<(PartitionId, Vec<UserId>)>>;

/// One conversation in memory with what has changed since the last cut.
#[derive(Debug, Default)]
pub struct Hot {
    /// The state; `None` once it was looked for and does not exist.
    pub conversation: Conversation,
    /// Chains that were touched.
    pub senders: Map<SenderKey, Sender>,
    /// The header row must be written.
    pub header_dirty: bool,
    /// Member rows to write.
    pub members_dirty: BTreeSet<UserId>,
    /// Sender rows to write.
    pub senders_dirty: BTreeSet<SenderKey>,
    recipients: Option<Recipients>,
    used: u64,
}

impl Hot {
    /// True if nothing has to be written.
    fn is_clean(&self) -> bool {
        !self.header_dirty && self.members_dirty.is_empty() && self.senders_dirty.is_empty()
    }

    /// Estimated bytes in memory: a member row takes some 200, a chain with outcomes up to 5,000.
    fn bytes(&self) -> usize {
        600 + self.conversation.members.len() * 200
            + self.senders.values().map(|s| 80 + s.outcomes.len() * 72).sum::<usize>()
    }

    /// Forgets the recipient lists after a roster change.
    pub fn roster_changed(&mut self) {
        self.recipients = None;
    }

    /// Current members by user partition, computed once per roster.
    pub fn recipients(&mut self, layout: Layout) -> Recipients {
        if let Some(known) = &self.recipients {
            return Arc::clone(known);
        }
        let mut by_partition: BTreeMap<PartitionId, Vec<UserId>> = BTreeMap::new();
        for user in self.conversation.current() {
            by_partition.entry(layout.user(user)).or_default().push(user);
        }
        let made: Recipients = Arc::new(by_partition.into_iter().collect());
        self.recipients = Some(Arc::clone(&made));
        made
    }
}

/// All conversations a partition holds in memory.
#[derive(Debug)]
pub struct HotState {
    conversations: Map<ConversationId, Hot>,
    bytes_max: usize,
    turn: u64,
    loads: u32,
}

/// Members read in one scan while a roster is loaded.
const LOAD_PAGE: usize = 1024;
/// Loads between two looks at the size: looking costs a walk over the map.
const LOADS_PER_CHECK: u32 = 1024;

impl HotState {
    /// An empty one.
    pub fn new(bytes_max: usize) -> Self {
        Self { conversations: Map::default(), bytes_max, turn: 0, loads: 0 }
    }

    /// Conversations held.
    pub fn conversation_count(&self) -> usize {
        self.conversations.len()
    }

    /// The load step: brings a conversation into memory. False if it does not exist.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(
        &mut self,
        view: &View,
        org: OrgId,
        conv: ConversationId,
    ) -> Result<bool, StoreError> {
        self.turn += 1;
        let turn = self.turn;
        if let Some(hot) = self.conversations.get_mut(&conv) {
            hot.used = turn;
            return Ok(hot.conversation.header.org == org);
        }
        let Some(bytes) = view.state(&table::header::key(org, conv))? else {
            return Ok(false);
        };
        let mut conversation =
            Conversation { header: table::header::decode(&bytes)?, ..Conversation::default() };
        let prefix = table::member::prefix(org, conv);
        let mut after = prefix.clone();
        loop {
            let rows = view.state_scan(&prefix, &after, LOAD_PAGE)?;
            let Some((last, _)) = rows.last() else { break };
            after = last.clone();
            let is_last_page = rows.len() < LOAD_PAGE;
            for (_, value) in &rows {
                let member = table::member::decode(value)?;
                conversation.members.insert(member.user, member);
            }
            if is_last_page {
                break;
            }
        }
        self.conversations.insert(conv, Hot { conversation, used: turn, ..Hot::default() });
        self.loads += 1;
        if self.loads >= LOADS_PER_CHECK {
            self.evict();
        }
        Ok(true)
    }

    /// The load step for a chain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load_sender(
        &mut self,
        view: &View,
        conv: ConversationId,
        key: SenderKey,
    ) -> Result<(), StoreError> {
        let Some(hot) = self.conversations.get_mut(&conv) else { return Ok(()) };
        if hot.senders.contains_key(&key) {
            return Ok(());
        }
        let org = hot.conversation.header.org;
        if let Some(bytes) = view.state(&table::sender::key(org, conv, key.0, key.1))? {
            hot.senders.insert(key, table::sender::decode(&bytes)?);
        }
        Ok(())
    }

    /// A loaded conversation.
    pub fn hot(&self, conv: ConversationId) -> Option<&Hot> {
        self.conversations.get(&conv)
    }

    /// A loaded conversation, to change.
    pub fn hot_mut(&mut self, conv: ConversationId) -> Option<&mut Hot> {
        self.conversations.get_mut(&conv)
    }

    /// A new conversation.
    pub fn create(&mut self, conv: ConversationId) -> &mut Hot {
        self.turn += 1;
        let used = self.turn;
        self.conversations.entry(conv).or_insert_with(|| Hot { used, ..Hot::default() })
    }

    /// Encodes everything dirty into the shard; afterwards all is clean.
    pub fn write_dirty(&mut self, writer: &mut ShardWriter) {
        let mut dirty: Vec<ConversationId> =
            self.conversations.iter().filter(|(_, h)| !h.is_clean()).map(|(c, _)| *c).collect();
        dirty.sort_unstable();
        for conv in dirty {
            if let Some(hot) = self.conversations.get_mut(&conv) {
                write_one(hot, writer);
            }
        }
        self.evict();
    }

    /// Lets clean conversations go, the longest unused first, until the bound holds with a tenth to spare.
    fn evict(&mut self) {
        self.loads = 0;
        let mut bytes: usize = self.conversations.values().map(Hot::bytes).sum();
        if bytes <= self.bytes_max {
            return;
        }
        let mut clean: Vec<(u64, ConversationId, usize)> = self
            .conversations
            .iter()
            .filter(|(_, h)| h.is_clean())
            .map(|(c, h)| (h.used, *c, h.bytes()))
            .collect();
        clean.sort_unstable();
        for (_, conv, cost) in clean {
            if bytes <= self.bytes_max / 10 * 9 {
                break;
            }
            self.conversations.remove(&conv);
            bytes = bytes.saturating_sub(cost);
        }
    }
}

fn write_one(hot: &mut Hot, writer: &mut ShardWriter) {
    let header = &hot.conversation.header;
    let (org, conv) = (header.org, header.conv);
    if std::mem::take(&mut hot.header_dirty) {
        writer.put(table::header::key(org, conv), Some(table::header::encode(header)));
    }
    for user in std::mem::take(&mut hot.members_dirty) {
        if tenon_base::planted!("members-not-flushed") {
            continue;
        }
        if let Some(member) = hot.conversation.members.get(&user) {
            writer.put(table::member::key(org, conv, user), Some(table::member::encode(member)));
        }
    }
    for key in std::mem::take(&mut hot.senders_dirty) {
        if tenon_base::planted!("sender-table-not-flushed") {
            continue;
        }
        if let Some(sender) = hot.senders.get(&key) {
            let row = table::sender::key(org, conv, key.0, key.1);
            writer.put(row, Some(table::sender::encode(sender)));
        }
    }
}
