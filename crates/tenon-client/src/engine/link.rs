//! The link: connect, Hello, heartbeat, the end of a link and what follows it.

use std::time::Duration;

use bytes::Bytes;
use tenon_base::Deadline;
use tenon_wire::{
    ClientEvent, ClientSession, End, ErrorClass, ErrorCode, close_reason, feature, v1,
};

use super::backoff::{Backoff, after, between};
use super::stream::UNIT_CONTINUE;
use super::{AppEvent, Auth, ConnectionState, Effect, Engine, Now, Up};

/// Bytes of one write.
const TRANSMIT_BYTES: usize = 16 * 1024;
/// Seconds between beats on a young link.
const BEAT_S_YOUNG: u32 = 30;
/// Seconds between beats once three were answered.
const BEAT_S: u32 = 60;
/// A link that lived this long was a good one: the next pause is short.
const STABLE: Duration = Duration::from_secs(10);
/// The same RESYNC code this often in a row means a loop.
const RESYNC_MAX: u32 = 3;
/// Pause after a RESYNC loop.
const RESYNC_PAUSE: Duration = Duration::from_secs(300);

/// Where the link stands.
#[derive(Debug)]
enum Phase {
    /// Not wanted.
    Off,
    /// The driver opens a socket; give up at the deadline.
    Connecting,
    /// The Hello is out.
    Greeting(Deadline),
    /// Signed in.
    Live,
    /// Wait.
    Backoff(Deadline),
    /// Does not come back by itself.
    Stopped,
}

/// The link and its timers.
pub(super) struct Link {
    phase: Phase,
    number: u64,
    session: Option<ClientSession>,
    /// A session whose last frames are still to be written.
    closing: Option<ClientSession>,
    backoff: Backoff,
    beats: u32,
    beat_max: u32,
    live_since: Deadline,
    /// True if a batch came since the last Ping left.
    pub(super) is_fed: bool,
    leave_at: Option<Deadline>,
    resync: (u32, u32),
    watch: Option<v1::Watch>,
}

impl Link {
    pub(super) const fn new(backoff_min: Duration) -> Self {
        Self {
            phase: Phase::Off,
            number: 0,
            session: None,
            closing: None,
            backoff: Backoff::new(backoff_min),
            beats: 0,
            beat_max: 0,
            live_since: Deadline(0),
            is_fed: false,
            leave_at: None,
            resync: (0, 0),
            watch: None,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    pub(super) const fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Runs `f` on the session, if there is one.
    pub(super) fn with<T: Default>(&mut self, f: impl FnOnce(&mut ClientSession) -> T) -> T {
        self.session.as_mut().map_or_else(T::default, f)
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        if let Some(closing) = &mut self.closing {
            let bytes = closing.poll_transmit(TRANSMIT_BYTES);
            if bytes.is_none() {
                self.closing = None;
            }
            return bytes;
        }
        self.session.as_mut()?.poll_transmit(TRANSMIT_BYTES)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let phase = match self.phase {
            Phase::Greeting(at) | Phase::Backoff(at) => Some(at),
            Phase::Live => self.session.as_ref().map(ClientSession::deadline),
            _ => None,
        };
        phase.into_iter().chain(self.leave_at).min()
    }

    /// Ends everything at once: the store failed.
    pub(super) fn abandon(&mut self) {
        self.phase = Phase::Stopped;
        self.session = None;
    }

    /// Ends the session politely and forgets it.
    fn hang_up(&mut self, text: &str) {
        if let Some(mut session) = self.session.take() {
            session.close(close_reason::NORMAL, text);
            self.closing = Some(session);
        }
    }
}

impl Engine {
    pub(super) fn start(&mut self) {
        if matches!(self.link.phase, Phase::Off | Phase::Stopped | Phase::Backoff(_)) {
            self.connect();
        }
    }

    pub(super) fn stop(&mut self) {
        if matches!(self.link.phase, Phase::Off) || self.tx.is_failed {
            return;
        }
        self.send_ack();
        self.drop_link("the app stops");
        self.link.phase = Phase::Off;
        self.event(AppEvent::State(ConnectionState::Offline));
    }

    pub(super) fn authorize(&mut self, auth: Auth) {
        self.config.auth = auth;
        if matches!(self.link.phase, Phase::Stopped) {
            self.connect();
        }
    }

    pub(super) fn watch(&mut self, watch: v1::Watch) {
        self.link.watch = Some(watch.clone());
        self.up(Up::Watch(watch));
    }

    /// The driver opened a link: the Hello is the first thing on it. Does nothing if none was asked for.
    pub fn handle_link_up(&mut self, now: Now) {
        if !self.link.is_connecting() {
            return;
        }
        self.link.number += 1;
        self.link.closing = None;
        let hello = self.hello();
        match ClientSession::new(&hello, now.mono) {
            Ok(session) => {
                self.link.session = Some(session);
                self.link.phase = Phase::Greeting(now.mono.plus(self.config.hello_timeout));
            }
            Err(error) => self.give_up(0, error.to_string()),
        }
    }

    /// A link ended or could not be opened.
    pub fn handle_link_down(&mut self, text: &str, now: Now) {
        if matches!(self.link.phase, Phase::Connecting | Phase::Greeting(_) | Phase::Live) {
            self.lost(0, text.to_owned(), None, now);
        }
    }

    /// Takes bytes of the link and says how many; offer the rest again when [`Self::has_room`].
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> usize {
        let Some(session) = &mut self.link.session else { return bytes.len() };
        let taken = session.handle_bytes(bytes, now.mono);
        while let Some(event) = self.link.session.as_mut().and_then(ClientSession::poll_event) {
            self.on_event(event, now);
        }
        taken
    }

    pub(super) fn link_timeout(&mut self, now: Now) {
        match self.link.phase {
            Phase::Backoff(at) if at <= now.mono => self.connect(),
            Phase::Greeting(at) if at <= now.mono => {
                self.lost(0, "hello was not answered".into(), None, now);
            }
            Phase::Live => {
                let event = self.link.session.as_mut().and_then(|s| s.handle_timeout(now.mono));
                match event {
                    Some(ClientEvent::BeatDue) => self.ping(now),
                    Some(ClientEvent::BeatMissed) => {
                        self.lost(0, "a ping was not answered".into(), None, now);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        if self.link.leave_at.is_some_and(|at| at <= now.mono) {
            self.drop_link("as the server asked");
            self.connect();
        }
    }

    /// Sends a Ping with the committed cursors.
    pub(super) fn ping(&mut self, now: Now) {
        let young = self.link.beats < 3;
        let base = Duration::from_secs(u64::from(if young { BEAT_S_YOUNG } else { BEAT_S }));
        let base = match self.link.beat_max {
            0 => base,
            max => base.min(Duration::from_secs(u64::from(max))),
        };
        let next = between(self.random.as_ref(), base * 9 / 10, base * 11 / 10);
        let next_s = u32::try_from(next.as_secs()).unwrap_or(BEAT_S);
        let ack = self.take_ack();
        self.link.is_fed = false;
        let n = self.link.beats;
        self.link.with(|s| s.ping(&v1::Ping { n, next_s, ack }, now.mono));
    }

    fn connect(&mut self) {
        if self.tx.is_failed {
            return;
        }
        self.device.conn_ctr += 1;
        self.tx.pending.is_device_dirty = true;
        self.link.phase = Phase::Connecting;
        self.event(AppEvent::State(ConnectionState::Connecting));
        self.tx.pending.effects.push(Effect::Connect);
    }

    fn hello(&self) -> v1::Hello {
        let auth = match &self.config.auth {
            Auth::Ticket(bytes) => v1::hello::Auth::Ticket(bytes.clone()),
            Auth::Credential(bytes) => v1::hello::Auth::Credential(bytes.clone()),
        };
        v1::Hello {
            proto_min: 1,
            proto_max: 1,
            sdk: self.config.sdk.as_ref().to_owned(),
            features: feature::EPHEMERAL | feature::CONV_PUSH | feature::CHUNKED_RESPONSE,
            device: self.device.device,
            device_epoch: self.device.device_epoch,
            conn_ctr: self.device.conn_ctr,
            auth: Some(auth),
            renew_device_epoch: self.device.needs_epoch,
            cursors: self.ack.committed.values().copied().collect(),
            net: self.config.net,
            window_bytes: self.config.window_bytes,
            first_page: self.config.first_page,
            ..v1::Hello::default()
        }
    }

    fn on_event(&mut self, event: ClientEvent, now: Now) {
        match event {
            ClientEvent::HelloAck(ack) => self.on_hello_ack(*ack, now),
            ClientEvent::GoAway(go) => {
                let base = Duration::from_millis(u64::from(go.reconnect_after_ms.max(100)));
                let wait = between(self.random.as_ref(), base / 2, base * 3 / 2);
                self.link.leave_at = Some(now.mono.plus(wait));
            }
            ClientEvent::Pong(pong) => self.on_pong(*pong, now),
            ClientEvent::SendAck(id, ack) => self.on_send_ack(id, ack, now),
            ClientEvent::OpAck(id, ack) => self.on_op_ack(id, ack, now),
            ClientEvent::ReadMarksAck(id, ack) => self.on_read_marks_ack(id, &ack, now),
            ClientEvent::EventBatch(batch) => self.on_batch(batch, now),
            ClientEvent::Rebase(rebase) => self.on_rebase(*rebase, now),
            ClientEvent::UnitState(state) => self.on_unit_state(&state, true),
            ClientEvent::ConvTips(tips) => self.on_tips(&tips.tips, now),
            ClientEvent::ConvPush(diff) => self.on_diff(diff, now),
            ClientEvent::Ephemeral(e) => self.event(AppEvent::Ephemeral(e)),
            ClientEvent::DeviceBatch(_) | ClientEvent::BeatDue | ClientEvent::BeatMissed => {}
            ClientEvent::Response(id, method, response) => {
                self.on_response(id, method, response, now);
            }
            ClientEvent::Error(id, info) => self.on_error(id, &info, now),
            ClientEvent::Ended(end) => self.on_ended(end, now),
        }
    }

    fn on_hello_ack(&mut self, ack: v1::HelloAck, now: Now) {
        if self.device.needs_epoch {
            if ack.device_epoch == 0 || ack.device_epoch == self.device.device_epoch {
                self.lost(0, "no new device epoch was given".into(), None, now);
                return;
            }
            if ack.device_epoch > self.device.device_epoch.saturating_add(1) {
                // An epoch was given in between, to a life of the store that is lost or in an answer that was.
                self.store_fell_back(now);
            }
            self.enter_device_epoch(ack.device_epoch);
        } else if ack.store_rolled_back || ack.last_op_seq >= self.device.next_op_seq {
            self.store_fell_back(now);
            self.renew_device_epoch(now);
            return;
        }
        if (self.device.user, self.device.org) != (ack.user, ack.org) {
            (self.device.user, self.device.org) = (ack.user, ack.org);
            self.tx.pending.is_device_dirty = true;
        }
        self.link.phase = Phase::Live;
        self.link.live_since = now.mono;
        self.link.beats = 0;
        self.link.beat_max = ack.heartbeat_s_max;
        self.link.leave_at = None;
        self.link.resync = (0, 0);
        self.ack.restart();
        self.event(AppEvent::State(ConnectionState::Live));
        for state in &ack.units {
            self.on_unit_state(state, false);
        }
        if let Some(watch) = self.link.watch.clone() {
            self.up(Up::Watch(watch));
        }
        self.on_tips(&ack.tips, now);
        self.rebase_goes_on(now);
        self.outbox_link_up(now);
        self.asks_link_up(now);
        self.reads_link_up(now);
        self.debts_link_up(now);
        let is_settled = ack.units.iter().all(|u| u.action == UNIT_CONTINUE);
        if is_settled && self.streams.values().all(|s| !s.is_paging()) {
            self.event(AppEvent::ListComplete);
        }
    }

    fn on_pong(&mut self, pong: v1::Pong, now: Now) {
        self.link.beats = self.link.beats.saturating_add(1);
        for state in &pong.units {
            self.on_pong_unit(state);
        }
        if !tenon_base::planted!("no-pong-tips") {
            self.on_tips(&pong.tips, now);
        }
        self.on_list_digest(pong.list_digest, pong.list_digest_pts, now);
    }

    fn on_error(&mut self, id: u32, info: &v1::ErrorInfo, now: Now) {
        if !self.link.is_live() {
            self.lost(info.code, info.text.clone(), Some(info.retry_after_ms), now);
        } else if !self.on_ask_error(id, info, now) {
            self.on_row_error(id, info, now);
        }
    }

    fn on_ended(&mut self, end: End, now: Now) {
        let retry = (end.retry_after_ms > 0).then_some(end.retry_after_ms);
        let is_final = end.is_by_peer
            && matches!(
                end.reason,
                close_reason::DISPLACED
                    | close_reason::SESSION_ENDED
                    | close_reason::UPGRADE_REQUIRED
            );
        if is_final {
            self.give_up(end.code, close_text(end.reason).to_owned());
        } else {
            self.lost(end.code, end.text, retry, now);
        }
    }

    /// The link is over for `code`: decides whether, when and how to come back.
    pub(super) fn lost(&mut self, code: u32, text: String, retry: Option<u32>, now: Now) {
        if self.link.is_live() && now.mono.since(self.link.live_since) >= STABLE {
            self.link.backoff.reset();
        }
        self.drop_link("");
        let max = self.config.backoff_max;
        let mut wait = self.link.backoff.next(self.random.as_ref(), max);
        if let Some(ms) = retry {
            wait = wait.max(after(self.random.as_ref(), ms));
        }
        match ErrorClass::of(code) {
            Some(ErrorClass::Auth) if code < ErrorCode::SessionEnded.number() => {
                self.event(AppEvent::AuthWanted);
                if matches!(self.config.auth, Auth::Ticket(_)) {
                    self.give_up(code, text);
                    return;
                }
                wait = wait.max(Duration::from_secs(5));
            }
            Some(ErrorClass::Auth | ErrorClass::Upgrade) => {
                self.give_up(code, text);
                return;
            }
            Some(ErrorClass::Resync) => {
                let times = if self.link.resync.0 == code { self.link.resync.1 + 1 } else { 1 };
                self.link.resync = (code, times);
                if times >= RESYNC_MAX {
                    wait = RESYNC_PAUSE;
                }
            }
            _ => {}
        }
        self.link.phase = Phase::Backoff(now.mono.plus(wait));
        self.on_resync(code, now);
        self.event(AppEvent::State(ConnectionState::Backoff { wait, code, text }));
    }

    /// The server knows a later life of this device's store.
    fn on_resync(&mut self, code: u32, now: Now) {
        let renews =
            [ErrorCode::ConnectionStale, ErrorCode::DeviceEpochStale, ErrorCode::CidReused];
        if !self.device.needs_epoch && renews.iter().any(|c| c.number() == code) {
            self.want_epoch();
            self.store_fell_back(now);
        }
    }

    const fn want_epoch(&mut self) {
        self.device.needs_epoch = true;
        self.tx.pending.is_device_dirty = true;
    }

    /// Asks for a new device epoch at the next Hello, and leaves the link for it: nothing may be sent in the old one.
    pub(super) fn renew_device_epoch(&mut self, now: Now) {
        let is_asked = self.device.needs_epoch;
        self.want_epoch();
        if !is_asked && self.link.session.is_some() {
            self.lost(ErrorCode::DeviceEpochStale.number(), "new device epoch".into(), None, now);
        }
    }

    fn give_up(&mut self, code: u32, text: String) {
        self.drop_link("");
        self.link.phase = Phase::Stopped;
        self.event(AppEvent::State(ConnectionState::Stopped { code, text }));
    }

    fn drop_link(&mut self, text: &str) {
        let had_link = self.link.session.is_some();
        self.link.hang_up(text);
        self.link.leave_at = None;
        self.ack.due = None;
        if had_link {
            self.tx.pending.effects.push(Effect::CloseLink);
        }
        self.outbox_link_down();
        self.asks_link_down();
        self.debts_link_down();
        self.reads.link_down();
        self.streams.values_mut().for_each(super::stream::Stream::link_down);
    }
}

const fn close_text(reason: u32) -> &'static str {
    match reason {
        close_reason::DISPLACED => "another link of this device took over",
        close_reason::SESSION_ENDED => "the session was ended",
        _ => "an upgrade is required",
    }
}
