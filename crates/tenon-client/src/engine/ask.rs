//! Requests: at most eight on the link, the rest wait; those of the app survive a lost link.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tenon_base::Deadline;
use tenon_wire::session::REQUESTS_MAX;
use tenon_wire::{ErrorClass, ErrorCode, method, v1};

use super::backoff::after;
use super::history::HistoryAsk;
use super::{Answer, Engine, Now, Up};

/// Requests of the app that may wait.
const WAITING_MAX: usize = 256;
/// Tries of a request before its error is told.
const TRIES_MAX: u32 = 8;

/// A request and what its answer is for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: u32,
    pub(super) body: Bytes,
    pub(super) purpose: Purpose,
    tries: u32,
    /// Turns at that time.
    asked_at: u64,
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Purpose {
    App(u64),
    History(HistoryAsk),
    /// Differences of these conversations.
    Diffs(Vec<u64>),
    Inbox(u64),
    /// A page of the list of this unit.
    List(u32),
    /// Lines of these conversations.
    Items(Vec<u64>),
    /// Tips after a digest that did not match.
    Tips,
    /// The outcome of the outbox row with this local id.
    Lookup(u64),
}

impl Purpose {
    /// True if the app waits for it, so that it is asked again on the next link. The others are found again.
    const fn is_of_app(&self) -> bool {
        matches!(self, Self::App(_) | Self::History(_))
    }
}

/// All requests.
#[derive(Debug, Default)]
pub(super) struct Asks {
    waiting: VecDeque<Ask>,
    delayed: Vec<(Deadline, Ask)>,
    open: BTreeMap<u32, Ask>,
    /// Handed to the transaction, not yet on the link.
    leaving: usize,
    /// Times the user came into a conversation or left one.
    pub(super) turns: u64,
    /// The same when the question was asked that is being answered.
    pub(super) asked_at: u64,
}

impl Asks {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.delayed.iter().map(|(at, _)| *at).min()
    }
}

impl Engine {
    /// Any read for the app.
    pub(super) fn request(&mut self, ticket: u64, method: u32, body: Bytes, _now: Now) {
        if self.asks.waiting.len() >= WAITING_MAX {
            self.refuse(ticket, &ErrorCode::Busy.info(1_000, "too many requests wait"));
            return;
        }
        self.ask(method, body, Purpose::App(ticket));
    }

    pub(super) fn refuse(&mut self, ticket: u64, info: &v1::ErrorInfo) {
        self.answer(ticket, Answer::Refused(info.clone()));
    }

    pub(super) fn ask(&mut self, method: u32, body: Bytes, purpose: Purpose) {
        let asked_at = self.asks.turns;
        self.asks.waiting.push_back(Ask { method, body, purpose, tries: 0, asked_at });
        self.send_asks();
    }

    fn send_asks(&mut self) {
        while self.link.is_live() && self.asks.open.len() + self.asks.leaving < REQUESTS_MAX {
            let Some(ask) = self.asks.waiting.pop_front() else { return };
            self.asks.leaving += 1;
            self.up(Up::Ask(Box::new(ask)));
        }
    }

    pub(super) fn transmit_ask(&mut self, ask: Ask, now: Now) {
        self.asks.leaving = self.asks.leaving.saturating_sub(1);
        let request = v1::ReadRequest { method: ask.method, body: ask.body.clone(), fence: None };
        let id = self.link.with(|session| session.send_request(&request).ok());
        match id {
            Some(id) => drop(self.asks.open.insert(id, ask)),
            None => self.asks.delayed.push((now.mono.plus(self.config.backoff_min), ask)),
        }
    }

    /// The link it was meant for is gone.
    pub(super) fn ask_lost(&mut self, ask: Ask) {
        if ask.purpose.is_of_app() {
            self.asks.waiting.push_front(ask);
            self.send_asks();
        }
    }

    pub(super) fn asks_link_down(&mut self) {
        let open = std::mem::take(&mut self.asks.open);
        let delayed = std::mem::take(&mut self.asks.delayed);
        self.asks.leaving = 0;
        let again = open.into_values().chain(delayed.into_iter().map(|(_, ask)| ask));
        let again = again.chain(self.asks.waiting.drain(..));
        self.asks.waiting = again.filter(|ask| ask.purpose.is_of_app()).collect();
    }

    pub(super) fn asks_link_up(&mut self, _now: Now) {
        self.send_asks();
    }

    pub(super) fn asks_timeout(&mut self, now: Now) {
        let mut at = 0;
        while at < self.asks.delayed.len() {
            if self.asks.delayed[at].0 <= now.mono {
                let (_, ask) = self.asks.delayed.swap_remove(at);
                self.asks.waiting.push_back(ask);
            } else {
                at += 1;
            }
        }
        self.send_asks();
    }

    pub(super) fn on_response(&mut self, id: u32, _: u32, response: v1::ReadResponse, now: Now) {
        let Some(ask) = self.asks.open.remove(&id) else { return };
        let body = response.body;
        self.asks.asked_at = ask.asked_at;
        match ask.purpose {
            Purpose::App(ticket) => self.answer(ticket, Answer::Response(body)),
            Purpose::History(history) => self.on_history_page(history, body, now),
            Purpose::Diffs(convs) => self.on_diffs(&convs, ask.method, body, now),
            Purpose::Inbox(conv) => self.on_inbox_page(conv, body, now),
            Purpose::List(unit) => self.on_list_page(unit, body, now),
            Purpose::Items(convs) => self.on_items(&convs, body, now),
            Purpose::Tips => self.on_digest_tips(body, now),
            Purpose::Lookup(local) => self.on_lookup(local, body, now),
        }
        self.send_asks();
    }

    /// True if the frame was a request.
    pub(super) fn on_ask_error(&mut self, id: u32, info: &v1::ErrorInfo, now: Now) -> bool {
        let Some(mut ask) = self.asks.open.remove(&id) else { return false };
        let is_transient = matches!(
            ErrorClass::of(info.code),
            Some(ErrorClass::Retry | ErrorClass::Limit | ErrorClass::Route)
        );
        ask.tries += 1;
        if is_transient && (ask.tries < TRIES_MAX || !ask.purpose.is_of_app()) {
            let wait = after(self.random.as_ref(), info.retry_after_ms);
            let wait = wait.saturating_mul(1 << ask.tries.min(6));
            self.asks.delayed.push((now.mono.plus(wait), ask));
        } else {
            self.ask_refused(ask, info, now);
        }
        self.send_asks();
        true
    }

    fn ask_refused(&mut self, ask: Ask, info: &v1::ErrorInfo, now: Now) {
        let is_absent =
            info.code == ErrorCode::Absent.number() || info.code == ErrorCode::NotMember.number();
        self.asks.asked_at = ask.asked_at;
        match ask.purpose {
            Purpose::App(ticket) => self.refuse(ticket, info),
            Purpose::History(history) => self.history_refused(history, info),
            Purpose::Diffs(convs) if ask.method == method::GET_CONV_DIFF => {
                for conv in convs {
                    if is_absent {
                        self.told_absent(conv);
                    }
                    self.pull_ended(conv, is_absent, now);
                }
            }
            Purpose::Diffs(convs) => self.pull_alone(&convs, now),
            Purpose::Inbox(conv) => {
                if is_absent {
                    self.told_absent(conv);
                }
                self.pull_ended(conv, is_absent, now);
            }
            Purpose::List(unit) => self.list_refused(unit, info, now),
            Purpose::Items(_) | Purpose::Tips => {}
            Purpose::Lookup(local) => self.resend_from(local, now),
        }
    }
}
