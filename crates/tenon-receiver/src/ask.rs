//! Questions to the partitions, as futures.

use tenon_base::{ConversationId, UserId};
use tenon_core::admission::Refusal;
use tenon_core::event::Item;
use tenon_core::handover::{
    ConversationAnswer, ConversationQuestion, Grant, Handover, Reply, UserAnswer, UserQuestion,
};
use tokio::sync::oneshot;

use crate::code;
use crate::service::Shared;

/// Wait that a full partition asks for.
pub(crate) const FULL_AFTER_MS: u32 = 200;

/// A reply and the future of its value; `None` when the room stopped.
pub(crate) fn reply<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<Option<T>>) {
    let (sender, receiver) = oneshot::channel();
    let reply = Reply::new(move |value| {
        // The asker may have gone; nobody else wants the value.
        drop(sender.send(value));
    });
    (reply, receiver)
}

/// The value, or the refusal of a room that stopped.
pub(crate) async fn value<T>(receiver: oneshot::Receiver<Option<T>>) -> Result<T, Refusal> {
    match receiver.await {
        Ok(Some(value)) => Ok(value),
        Ok(None) | Err(_) => Err(Refusal { code: code::NO_LEADER, after_ms: FULL_AFTER_MS }),
    }
}

impl Shared {
    pub(crate) async fn ask(
        &self,
        conv: ConversationId,
        question: ConversationQuestion,
    ) -> Result<ConversationAnswer, Refusal> {
        let (reply, answer) = reply();
        if self.doors.conversations.ask(self.options.org, conv, question, reply) == Handover::Full {
            return Err(Refusal { code: code::OVERLOAD, after_ms: FULL_AFTER_MS });
        }
        value(answer).await
    }

    pub(crate) async fn ask_user(
        &self,
        user: UserId,
        question: UserQuestion,
    ) -> Result<UserAnswer, Refusal> {
        let (reply, answer) = reply();
        if self.doors.users.ask(self.options.org, user, question, reply) == Handover::Full {
            return Err(Refusal { code: code::OVERLOAD, after_ms: FULL_AFTER_MS });
        }
        value(answer).await
    }

    /// The right to read, or `absent` for a conversation that is not there and for one the user may not see.
    pub(crate) async fn grant(&self, user: UserId, conv: ConversationId) -> Result<Grant, Refusal> {
        match self.ask(conv, ConversationQuestion::Grant { user }).await? {
            ConversationAnswer::Grant(grant) => Ok(*grant),
            _ => Err(Refusal::of(code::ABSENT)),
        }
    }

    /// The list line of a user, if he is in.
    pub(crate) async fn item(
        &self,
        user: UserId,
        conv: ConversationId,
    ) -> Result<Option<Item>, Refusal> {
        match self.ask(conv, ConversationQuestion::Item { user }).await? {
            ConversationAnswer::Item(item) => Ok(Some(*item)),
            _ => Ok(None),
        }
    }
}
