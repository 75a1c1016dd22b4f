//! Calls of the app that wait for an answer.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::handle::{ClientError, HistoryRows};
use crate::row::Settled;

/// One call's way back.
pub(super) type Reply<T> = oneshot::Sender<Result<T, ClientError>>;

/// What a ticket waits for.
pub(super) enum Waiter {
    /// A command: durable, and then settled.
    Command { queued: Option<Reply<u64>>, settled: Option<Reply<Settled>> },
    /// Rows.
    History(Reply<HistoryRows>),
    /// A read.
    Request(Reply<Bytes>),
}

impl Waiter {
    pub(super) fn fail(self, error: &ClientError) {
        match self {
            Self::Command { queued, settled } => {
                queued.into_iter().for_each(|reply| answer(reply, Err(error.clone())));
                settled.into_iter().for_each(|reply| answer(reply, Err(error.clone())));
            }
            Self::History(reply) => answer(reply, Err(error.clone())),
            Self::Request(reply) => answer(reply, Err(error.clone())),
        }
    }
}

/// All calls, by ticket or by the local id of their command.
#[derive(Default)]
pub(super) struct Waiters {
    last: u64,
    by_ticket: BTreeMap<u64, Waiter>,
    by_local: BTreeMap<u64, Reply<Settled>>,
    joins: Vec<(u64, Reply<()>)>,
}

impl Waiters {
    pub(super) fn add(&mut self, waiter: Waiter) -> u64 {
        self.last += 1;
        self.by_ticket.insert(self.last, waiter);
        self.last
    }

    pub(super) fn take(&mut self, ticket: u64) -> Option<Waiter> {
        self.by_ticket.remove(&ticket)
    }

    pub(super) fn await_settled(&mut self, local: u64, reply: Reply<Settled>) {
        self.by_local.insert(local, reply);
    }

    pub(super) fn settled(&mut self, settled: &Settled) {
        if let Some(reply) = self.by_local.remove(&settled.local) {
            answer(reply, Ok(settled.clone()));
        }
    }

    pub(super) fn await_join(&mut self, conv: u64, reply: Reply<()>) {
        self.joins.push((conv, reply));
    }

    /// Answers those whose conversation is joined now.
    pub(super) fn joined(&mut self, is_joined: impl Fn(u64) -> bool) {
        for (conv, reply) in std::mem::take(&mut self.joins) {
            if is_joined(conv) {
                answer(reply, Ok(()));
            } else if !reply.is_closed() {
                self.joins.push((conv, reply));
            }
        }
    }

    /// Nobody will answer any more.
    pub(super) fn fail_all(&mut self, error: &ClientError) {
        for waiter in std::mem::take(&mut self.by_ticket).into_values() {
            waiter.fail(error);
        }
        for reply in std::mem::take(&mut self.by_local).into_values() {
            answer(reply, Err(error.clone()));
        }
        for (_, reply) in std::mem::take(&mut self.joins) {
            answer(reply, Err(error.clone()));
        }
    }
}

/// Answers a call; a caller that went away does not need it.
pub(super) fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
