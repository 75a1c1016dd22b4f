//! The state of one connection without its socket.
//!
//! ```text
//! AwaitHello -Hello-> Admitting -Admitted-> Attaching -Live-> Welcoming (tips) -HelloAck-> Live -> Over
//! ```
//!
//! [`Machine::turn`] does everything that can be done now; [`Machine::deadline`] says when to call it again at the latest.

mod down;
mod hello;
mod up;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tenon_base::{ConnectionId, ConversationId, Deadline, Pts, QueueEpoch, Rev};
use tenon_core::Author;
use tenon_core::admission::Admitted;
use tenon_core::handover::{Batch, DeviceLink, LinkKey};
use tenon_core::rate::Meter;
use tenon_wire::session::End;
use tenon_wire::{ErrorCode, ServerEvent, ServerSession, close_reason, v1};

use super::House;
use super::mailbox::{CloseOrder, Mail, Mailbox};
use crate::map::Reader;
use crate::map::hello::{Class, Presented};

/// Events of the session taken in one turn, so that one busy device does not hold a worker.
const EVENTS_PER_TURN: usize = 64;
/// Bytes asked of the session at once for the socket.
const WRITE_BYTES: usize = 32 * 1024;
/// A full window is told to the device after this long.
const STALL_AFTER: Duration = Duration::from_secs(5);
/// From a Hello to its HelloAck: the node's own time, so longer than what a silent peer gets.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);
/// Longest sleep of an idle connection; keeps a wrong deadline harmless.
const NAP_MAX: Duration = Duration::from_secs(600);

/// Where the connection stands.
#[derive(Debug)]
enum Phase {
    AwaitHello,
    Admitting { id: u32, presented: Presented },
    Attaching { id: u32, presented: Presented, admitted: Admitted },
    Welcoming { id: u32, welcome: Box<hello::Welcome> },
    Live,
    Over,
}

/// What is known of the device once it is admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device {
    pub(crate) author: Author,
    pub(crate) key: LinkKey,
}

impl Device {
    pub(crate) const fn reader(&self) -> Reader {
        Reader { org: self.author.org, user: self.author.user, device: self.author.device }
    }
}

/// The stream of batches to the device.
#[derive(Debug, Default)]
struct Stream {
    /// Epoch the device was told.
    queue_epoch: QueueEpoch,
    /// End of the last batch written, or where the stream began; `None` while a rebase is open.
    next_from: Option<Pts>,
    /// Last cursor the device told as stored.
    acked: Pts,
    /// A frame that waits for the window, and what follows it.
    held: Option<Box<v1::EventBatch>>,
    rest: Option<Batch>,
    window_full_since: Option<Deadline>,
}

/// How much is under way to other rooms.
#[derive(Debug, Default)]
struct Open {
    commands: usize,
    reads: usize,
    pings: usize,
    tips_read: bool,
}

/// Tips of pull-mode conversations this device follows.
#[derive(Debug, Default)]
struct Tips {
    /// Highest rev told.
    followed: BTreeMap<ConversationId, Rev>,
    /// Conversations on the screen.
    open: Vec<ConversationId>,
    next_at: Deadline,
    refreshed_at: Deadline,
}

/// One connection.
pub(crate) struct Machine {
    house: Arc<House>,
    id: ConnectionId,
    mailbox: Arc<Mailbox>,
    session: ServerSession,
    phase: Phase,
    device: Option<Device>,
    /// Sync holds this link. A Hello it refused must not detach the link that has the same key.
    is_attached: bool,
    binding: [u8; 32],
    features: u64,
    class: Class,
    first_page: usize,
    hold: Duration,
    rebases_open: usize,
    opened_at: Deadline,
    meter: Meter,
    owes_frame: bool,
    paused_until: Option<Deadline>,
    stream: Stream,
    open: Open,
    tips: Tips,
    end: Option<End>,
}

impl Machine {
    /// A connection that just opened. `binding` is the TLS exporter value where the device sees it too, else zeros.
    pub(crate) fn new(house: Arc<House>, binding: [u8; 32], features: u64) -> Box<Self> {
        let now = house.doors.clock.monotonic();
        let (id, mailbox) = house.enter();
        Box::new(Self {
            session: ServerSession::new(now),
            house,
            id,
            mailbox,
            phase: Phase::AwaitHello,
            device: None,
            is_attached: false,
            binding,
            features,
            class: Class::default(),
            first_page: 0,
            hold: Duration::ZERO,
            rebases_open: 0,
            opened_at: now,
            meter: Meter::default(),
            owes_frame: false,
            paused_until: None,
            stream: Stream::default(),
            open: Open::default(),
            tips: Tips::default(),
            end: None,
        })
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    pub(crate) fn now(&self) -> Deadline {
        self.house.doors.clock.monotonic()
    }

    pub(crate) fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// True once a Hello was answered: the connection does not count as unknown any more.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    /// True if everything asked is answered: what an exchange waits for.
    pub(crate) const fn is_quiet(&self) -> bool {
        let open = self.open.commands + self.open.reads + self.open.pings + self.rebases_open;
        self.is_live() && open == 0 && self.stream.rest.is_none()
    }

    /// How long the device lets an exchange without news be held.
    pub(crate) const fn hold(&self) -> Duration {
        self.hold
    }

    /// The end, once it is decided; what [`Self::transmit`] still gives is to be written first.
    pub(crate) const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Offers bytes; what the session has no room for stays in `bytes`.
    pub(crate) fn offer(&mut self, bytes: &mut BytesMut, now: Deadline) {
        let taken = self.session.handle_bytes(bytes, now);
        bytes::Buf::advance(bytes, taken);
        if bytes.is_empty() {
            *bytes = BytesMut::new();
        }
    }

    /// Next bytes for the socket: whole frames.
    pub(crate) fn transmit(&mut self) -> Option<Bytes> {
        self.session.poll_transmit(WRITE_BYTES)
    }

    /// Does what can be done now. True if there is more to do at once.
    pub(crate) fn turn(&mut self, now: Deadline) -> bool {
        self.session.handle_timeout(now);
        if self.handshake_ends().is_some_and(|at| now >= at) {
            self.close(close_reason::IDLE, None, "no verified hello in time");
        }
        // Mail first: it may bring the verdict on the Hello, and frames behind the Hello are heard in the same turn.
        self.take_mail(now);
        let more = self.take_events(now);
        if self.is_live() {
            self.pump(now);
            self.tell_tips(now);
        }
        if self.end.is_none() {
            // Whatever happened last may have ended the session.
            self.take_end();
        }
        more && self.end.is_none()
    }

    /// When [`Self::turn`] is due at the latest.
    pub(crate) fn deadline(&self, now: Deadline) -> Deadline {
        let mut at = self.session.deadline().min(now.plus(NAP_MAX));
        if let Some(end) = self.handshake_ends() {
            at = at.min(end);
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            at = at.min(until);
        }
        if !self.is_live() {
            return at;
        }
        if let Some(since) = self.stream.window_full_since {
            at = at.min(since.plus(STALL_AFTER));
        }
        if self.class.tips_ms().is_some() && self.mailbox.has_tips() {
            at = at.min(self.tips.next_at);
        }
        at
    }

    /// When a connection that is not live yet is given up.
    fn handshake_ends(&self) -> Option<Deadline> {
        match self.phase {
            Phase::AwaitHello => Some(self.opened_at.plus(self.house.options.hello_wait)),
            Phase::Live | Phase::Over => None,
            _ => Some(self.opened_at.plus(HANDSHAKE_MAX)),
        }
    }

    /// True if bytes of the device are wanted now.
    pub(crate) fn wants_bytes(&self, now: Deadline) -> bool {
        self.end.is_none() && self.may_hear() && self.paused_until.is_none_or(|until| now >= until)
    }

    /// A device that does not take answers, or has its bound of commands under way, is not heard meanwhile.
    fn may_hear(&self) -> bool {
        let is_full = self.open.commands >= tenon_base::limits::INFLIGHT_PER_DEVICE_MAX;
        self.session.is_writable() && !is_full
    }

    fn take_events(&mut self, now: Deadline) -> bool {
        for _ in 0..EVENTS_PER_TURN {
            if self.end.is_some() || !self.wants_bytes(now) || self.is_over_rate(now) {
                return false;
            }
            let Some(event) = self.session.poll_event() else { return false };
            self.house.metrics.frames.inc();
            self.owes_frame = true;
            self.on_event(event, now);
        }
        true
    }

    /// Pays for the last frame; until that is possible the device is not heard.
    fn is_over_rate(&mut self, now: Deadline) -> bool {
        self.paused_until = None;
        if self.owes_frame
            && let Err(wait_ms) = self.meter.take(self.house.options.frame_rate, now)
        {
            self.house.metrics.throttled.inc();
            self.paused_until = Some(now.plus(Duration::from_millis(u64::from(wait_ms))));
            return true;
        }
        self.owes_frame = false;
        false
    }

    fn take_end(&mut self) {
        if matches!(self.phase, Phase::Over)
            && let Some(ServerEvent::Ended(end)) = self.session.poll_event()
        {
            self.ended(end);
        }
    }

    fn on_event(&mut self, event: ServerEvent, now: Deadline) {
        match event {
            ServerEvent::Ended(end) => self.ended(end),
            ServerEvent::Hello(id, hello) => self.on_hello(id, &hello),
            other => self.on_live_event(other, now),
        }
    }

    fn take_mail(&mut self, now: Deadline) {
        let news = self.mailbox.take_news();
        for (conv, is_followed) in news.follows {
            self.follow(conv, is_followed);
        }
        for mail in news.mail {
            self.on_mail(mail, now);
        }
        if let Some(order) = news.rebase {
            self.start_rebase(order);
        }
        for push in news.pushes {
            self.tell_push(push);
        }
        if !news.hot_tips.is_empty() {
            self.write_tips(news.hot_tips);
        }
        if let Some(drain_ms) = news.go_away_ms {
            self.go_away(drain_ms);
        }
        let close = news.close.filter(|close| {
            close.reason != close_reason::SESSION_ENDED || !tenon_base::planted!("close-ignored")
        });
        if let Some(CloseOrder { reason, code }) = close {
            // A displaced link is gone from sync; what it knows by this key may be the same exchange, repeated.
            self.is_attached &= reason != close_reason::DISPLACED;
            let code = ErrorCode::from_number(code).or_else(|| code_of_close(reason));
            self.close(reason, code, "");
        }
    }

    fn on_mail(&mut self, mail: Mail, now: Deadline) {
        match mail {
            Mail::Admitted(result) => self.on_admitted(result),
            Mail::Attached(result) => self.on_attached(result),
            Mail::Tips(tips) => self.on_welcome_tips(&tips, now),
            Mail::FirstPage(order, answer) => {
                self.rebases_open = self.rebases_open.saturating_sub(1);
                self.on_first_page(order, answer);
            }
            other => self.on_answer(other),
        }
    }

    fn go_away(&mut self, drain_ms: u32) {
        if !self.is_live() {
            self.close(close_reason::SERVER_STOP, Some(ErrorCode::Draining), "");
            return;
        }
        self.session.go_away(&v1::GoAway {
            reason: tenon_wire::go_away_reason::RESTART,
            reconnect_after_ms: drain_ms.min(1_000),
            endpoints: Vec::new(),
            drain_ms,
        });
    }

    /// Says Close; the end follows from the session.
    fn close(&mut self, reason: u32, code: Option<ErrorCode>, text: &str) {
        self.session.close_with(reason, code, text);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Live => {
                self.house.metrics.sessions.dec();
                Phase::Over
            }
            _ => Phase::Over,
        };
    }

    fn ended(&mut self, end: End) {
        if self.is_live() {
            self.house.metrics.sessions.dec();
        }
        self.phase = Phase::Over;
        let user = self.device.map_or(0, |d| d.author.user.0);
        let device = self.device.map_or(0, |d| d.author.device.0);
        tracing::debug!(
            connection = self.id.0,
            user,
            device,
            reason = end.reason,
            code = end.code,
            is_by_peer = end.is_by_peer,
            "session ended"
        );
        self.house.metrics.closes.with_label_values(&[reason_label(end.reason)]).inc();
        self.end = Some(end);
    }

    /// A link for sync: it holds the mailbox, not the connection.
    fn link(&self) -> Arc<dyn DeviceLink> {
        Arc::clone(&self.mailbox) as Arc<dyn DeviceLink>
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let is_attached = self.mailbox.shut() || self.is_attached;
        if self.is_live() {
            self.house.metrics.sessions.dec();
        }
        if let Some(device) = self.device.filter(|_| is_attached) {
            self.house.doors.users.detach(device.key);
            let convs = self.tips.followed.keys().copied();
            self.house.registry.leave(self.id, device.key.org, convs);
        }
        self.house.leave(self.id);
    }
}

/// The code that goes with a close which sync orders by its reason alone.
const fn code_of_close(reason: u32) -> Option<ErrorCode> {
    match reason {
        close_reason::SESSION_ENDED => Some(ErrorCode::SessionEnded),
        close_reason::OVERLOAD => Some(ErrorCode::Overload),
        close_reason::SERVER_STOP => Some(ErrorCode::Draining),
        _ => None,
    }
}

const fn reason_label(reason: u32) -> &'static str {
    match reason {
        close_reason::NORMAL => "normal",
        close_reason::DISPLACED => "displaced",
        close_reason::IDLE => "idle",
        close_reason::SLOW => "slow",
        close_reason::SESSION_ENDED => "session_ended",
        close_reason::SERVER_STOP => "server_stop",
        close_reason::PROTOCOL_ERROR => "protocol_error",
        close_reason::UPGRADE_REQUIRED => "upgrade_required",
        close_reason::OVERLOAD => "overload",
        close_reason::AUTH_FAILED => "auth_failed",
        _ => "other",
    }
}
