//! One device's messages into one conversation: numbered, bounded in flight, sent again until they are acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tenon_wire::v1::{self, content};
use tenon_wire::{Message as _, message_kind};
use tokio::time::Instant;

use crate::BenchError;
use crate::peer::Peer;

/// Digits of the number that begins each text.
const DIGITS: usize = 12;
/// Pause before a refused message is sent again, if the server names none.
const RETRY_MIN: Duration = Duration::from_millis(20);

/// A message without outcome.
#[derive(Debug, Clone, Copy)]
struct Open {
    n: u64,
    due: Instant,
}

/// The sending half of a conversation. Its messages carry 1, 2, 3, ... as cid and in their text.
#[derive(Debug)]
pub(crate) struct Sender {
    conv: u64,
    in_flight_max: usize,
    text_bytes: usize,
    next: Cell<u64>,
    open: RefCell<VecDeque<Open>>,
    waiting: RefCell<VecDeque<Instant>>,
    acked: Cell<u64>,
    retries: Cell<u64>,
    is_retrying: Cell<bool>,
}

impl Sender {
    pub(crate) const fn new(conv: u64, in_flight_max: usize, text_bytes: usize) -> Self {
        Self {
            conv,
            in_flight_max,
            text_bytes,
            next: Cell::new(1),
            open: RefCell::new(VecDeque::new()),
            waiting: RefCell::new(VecDeque::new()),
            acked: Cell::new(0),
            retries: Cell::new(0),
            is_retrying: Cell::new(false),
        }
    }

    pub(crate) const fn conv(&self) -> u64 {
        self.conv
    }

    /// Messages that were acknowledged; they are 1 to this.
    pub(crate) const fn acked(&self) -> u64 {
        self.acked.get()
    }

    /// Messages that had to be sent again.
    pub(crate) const fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// True if nothing is without outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.borrow().is_empty() && self.waiting.borrow().is_empty()
    }

    /// Sends a message that is due since `due`, or lets it wait while too many are under way. Its number, if it left.
    pub(crate) fn offer(&self, peer: &Peer, due: Instant) -> Option<u64> {
        if self.open.borrow().len() >= self.in_flight_max {
            self.waiting.borrow_mut().push_back(due);
            return None;
        }
        let n = self.next.replace(self.next.get() + 1);
        self.open.borrow_mut().push_back(Open { n, due });
        peer.account.note(|actor| actor.sends(&self.message(peer, n)));
        self.send(peer, n);
        Some(n)
    }

    /// The message that waits longest, if there is room for it now.
    pub(crate) fn offer_waiting(&self, peer: &Peer) -> Option<(u64, Instant)> {
        if self.open.borrow().len() >= self.in_flight_max {
            return None;
        }
        let due = self.waiting.borrow_mut().pop_front()?;
        self.offer(peer, due).map(|n| (n, due))
    }

    /// Takes an outcome: since when the message was due, if this settles it.
    ///
    /// # Errors
    /// When the server refuses for good.
    pub(crate) fn on_ack(
        self: &Rc<Self>,
        peer: &Rc<Peer>,
        ack: &v1::SendAck,
    ) -> Result<Option<Instant>, BenchError> {
        match ack.status() {
            v1::Status::Ok | v1::Status::Duplicate => {
                let mut open = self.open.borrow_mut();
                let Some(at) = open.iter().position(|open| open.n == ack.cid) else {
                    return Ok(None);
                };
                let settled = open.remove(at);
                peer.account.note(|actor| actor.acked(ack));
                let lowest = open.front().map_or(self.next.get(), |open| open.n);
                self.acked.set(lowest - 1);
                Ok(settled.map(|open| open.due))
            }
            v1::Status::Retry | v1::Status::Gap | v1::Status::Parked => {
                if !self.is_retrying.replace(true) {
                    let wait = Duration::from_millis(u64::from(ack.retry_after_ms)).max(RETRY_MIN);
                    let (sender, peer) = (Rc::clone(self), Rc::clone(peer));
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(wait).await;
                        sender.send_again(&peer);
                        // The device's own task finds out that the link is gone.
                        drop(peer.flush());
                    });
                }
                Ok(None)
            }
            _ => Err(BenchError::refused(format!("{ack:?}"))),
        }
    }

    /// Sends everything without outcome again, in order: after a refusal, or over a new connection.
    pub(crate) fn send_again(&self, peer: &Peer) {
        self.is_retrying.set(false);
        let open: Vec<u64> = self.open.borrow().iter().map(|open| open.n).collect();
        self.retries.set(self.retries.get() + open.len() as u64);
        for n in open {
            self.send(peer, n);
        }
    }

    fn send(&self, peer: &Peer, n: u64) {
        let send = self.message(peer, n);
        peer.say(|session| session.send_message(&send));
    }

    fn message(&self, peer: &Peer, n: u64) -> v1::Send {
        message(self.conv, peer.account.device_epoch(), n, self.text_bytes)
    }
}

/// Message `n` of a device into a conversation.
pub(crate) fn message(conv: u64, device_epoch: u32, n: u64, text_bytes: usize) -> v1::Send {
    v1::Send {
        conv,
        device_epoch,
        cid: n,
        kind: message_kind::TEXT,
        body: text(n, text_bytes).encode_to_vec().into(),
        ..v1::Send::default()
    }
}

/// Words of a chat, behind the number, up to `bytes`.
fn text(n: u64, bytes: usize) -> v1::Content {
    const WORDS: &str =
        "shall we meet at three in the small room and go through the plan once more ";
    let mut text = format!("{n:0DIGITS$} ");
    let start = usize::try_from(n % WORDS.len() as u64).unwrap_or(0);
    text.extend(WORDS.chars().cycle().skip(start).take(bytes.saturating_sub(text.len())));
    v1::Content { what: Some(content::What::Text(v1::Text { text })), ..v1::Content::default() }
}

/// The number of a message that [`Sender`] sent.
pub(crate) fn number(body: &bytes::Bytes) -> Option<u64> {
    match v1::Content::decode(body.clone()).ok()?.what? {
        content::What::Text(text) => text.text.get(..DIGITS)?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_size_and_gives_its_number_back() {
        for n in [1, 7, 123_456_789] {
            let content = text(n, 80);
            assert!(matches!(&content.what, Some(content::What::Text(t)) if t.text.len() == 80));
            assert_eq!(number(&content.encode_to_vec().into()), Some(n));
        }
    }
}
