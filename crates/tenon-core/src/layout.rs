//! Which partition an id lives in.

use tenon_base::{ConversationId, PartitionId, Slot, UserId};

/// Slots to partitions, in equal shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Conversation partitions, 1..=256.
    pub conversations: u16,
    /// User partitions, 1..=255.
    pub users: u16,
}

impl Layout {
    /// The partition that orders a conversation.
    pub const fn conversation(self, conv: ConversationId) -> PartitionId {
        PartitionId::conversation(Slot::of(conv.0).share(self.conversations))
    }

    /// The partition that keeps a user's queue.
    pub const fn user(self, user: UserId) -> PartitionId {
        PartitionId::user(Slot::of(user.0).share(self.users))
    }

    /// All conversation partitions.
    pub fn conversation_partitions(self) -> impl Iterator<Item = PartitionId> {
        (0..self.conversations).map(PartitionId::conversation)
    }

    /// All user partitions.
    pub fn user_partitions(self) -> impl Iterator<Item = PartitionId> {
        (0..self.users).map(PartitionId::user)
    }
}
