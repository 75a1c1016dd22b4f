//! What a live device says, and the answers that come back.

use tenon_base::{Deadline, Pts, QueueEpoch};
use tenon_core::admission::{Read, Refusal};
use tenon_core::handover::{Handover, UserAnswer, UserQuestion};
use tenon_wire::{ErrorCode, ServerEvent, v1};

use super::{Device, Machine};
use crate::connection::mailbox::Mail;
use crate::map::hello::{self, Class};
use crate::map::{self, UNIT, answer, marks, op, read, send};

/// Reads under way per connection, cancelled ones included: twice what a device may have open.
const READS_MAX: usize = 16;
/// Pings under way; a device has one.
const PINGS_MAX: usize = 4;
/// Wait that goes with an answer `busy` or `overload`.
const RETRY_MS: u32 = 500;

impl Machine {
    pub(super) fn on_live_event(&mut self, event: ServerEvent, now: Deadline) {
        let Some(device) = self.device else { return };
        match event {
            ServerEvent::Ping(id, ping) => self.on_ping(device, id, &ping, now),
            ServerEvent::NetHint(hint) => self.on_net_hint(device, &hint),
            ServerEvent::Watch(watch) => self.on_watch(device, &watch),
            ServerEvent::Send(id, send) => self.on_send(device, id, *send),
            ServerEvent::Op(id, op) => self.on_op(device, id, &op),
            ServerEvent::ReadMarks(id, marks) => self.on_marks(device, id, &marks),
            ServerEvent::Ack(ack) => self.on_ack(device, &ack),
            ServerEvent::Subscribe(subscribe) => self.on_subscribe(device, &subscribe),
            ServerEvent::Request(id, request) => self.on_request(device, id, &request),
            ServerEvent::Error(id, info) => {
                tracing::debug!(connection = self.id.0, id, code = info.code, "device error");
            }
            // A cancelled answer is dropped by the session; Ephemeral is lossy and goes nowhere in this version.
            ServerEvent::Cancel(_) | ServerEvent::Ephemeral(_) => {}
            ServerEvent::Hello(..) | ServerEvent::Ended(_) => {}
        }
    }

    fn on_ping(&mut self, device: Device, id: u32, ping: &v1::Ping, now: Deadline) {
        if self.open.pings >= PINGS_MAX {
            return;
        }
        self.open.pings += 1;
        let n = ping.n;
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |answer| Mail::Numbers(id, n, answer));
        let (org, user) = (device.author.org, device.author.user);
        // A full room drops the reply, which answers it as unknown: the Pong leaves without numbers.
        let asked = self.house.doors.users.ask(org, user, UserQuestion::Numbers, reply);
        if asked == Handover::Full {
            tracing::debug!(connection = self.id.0, "numbers for a pong refused");
        }
        self.refresh_tips(now);
    }

    fn on_net_hint(&mut self, device: Device, hint: &v1::NetHint) {
        self.class = Class::new(hint.net, hint.background);
        if hint.window_bytes > 0 {
            let window = hello::window(hint.window_bytes, self.class);
            let (epoch, acked) = (self.stream.queue_epoch, self.stream.acked);
            self.house.doors.users.ack(device.key, epoch, acked, Some(window));
        }
    }

    fn on_send(&mut self, device: Device, id: u32, send: v1::Send) {
        self.open.commands += 1;
        let (conv, cid) = (send.conv, send.cid);
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |outcome| Mail::Sent(id, conv, cid, outcome));
        self.house.doors.admission.submit(send::submit(device.author, send), reply);
    }

    fn on_op(&mut self, device: Device, id: u32, frame: &v1::Op) {
        self.open.commands += 1;
        let asked = op::Asked { conv: frame.conv, n: frame.n, type_number: frame.r#type };
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |answer| Mail::Done(id, asked, answer));
        self.house.doors.admission.submit_op(op::submit(device.author, frame), reply);
    }

    fn on_marks(&mut self, device: Device, id: u32, frame: &v1::ReadMarks) {
        self.open.commands += 1;
        let asked = marks::read(frame);
        let convs = asked.iter().map(|(conv, _)| *conv).collect();
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |answer| Mail::Marked(id, convs, answer));
        self.house.doors.admission.mark_read(device.author, asked, reply);
    }

    fn on_ack(&mut self, device: Device, ack: &v1::Ack) {
        let window = (ack.window_bytes > 0).then(|| hello::window(ack.window_bytes, self.class));
        let own = hello::cursor(&ack.cursors);
        let Some((epoch, pts)) =
            own.or(window.map(|_| (self.stream.queue_epoch, self.stream.acked)))
        else {
            return;
        };
        if epoch == self.stream.queue_epoch {
            self.stream.acked = pts.max(self.stream.acked);
        }
        self.house.doors.users.ack(device.key, epoch, pts, window);
    }

    fn on_subscribe(&mut self, device: Device, subscribe: &v1::Subscribe) {
        if subscribe.unit != UNIT {
            return;
        }
        let (epoch, pts) = (QueueEpoch(subscribe.queue_epoch), Pts(subscribe.from_pts));
        self.restart_stream(Some(pts));
        self.stream.acked = pts;
        self.house.doors.users.subscribe(device.key, epoch, pts);
    }

    fn on_request(&mut self, device: Device, id: u32, request: &v1::ReadRequest) {
        if self.open.reads >= READS_MAX {
            self.session.send_error(id, &ErrorCode::Busy.info(RETRY_MS, ""));
            return;
        }
        let read = match read::read(request) {
            Ok(read) => read,
            Err(code) => return self.session.send_error(id, &code.info(0, "")),
        };
        self.open.reads += 1;
        self.ask(device, id, request.method, read);
    }

    fn ask(&self, device: Device, id: u32, method: u32, read: Read) {
        let mailbox = self.mailbox();
        let reply = mailbox.reply(move |answer| Mail::Read(id, method, answer));
        self.house.doors.admission.read(device.author, read, reply);
    }

    /// An answer of another room.
    pub(super) fn on_answer(&mut self, mail: Mail) {
        match mail {
            Mail::Sent(id, conv, cid, outcome) => {
                self.open.commands = self.open.commands.saturating_sub(1);
                match send::ack(conv, cid, outcome) {
                    Ok(ack) => self.session.send_ack(id, &ack),
                    Err(code) => self.session.send_error(id, &code.info(0, "")),
                }
            }
            Mail::Done(id, asked, answer) => {
                self.open.commands = self.open.commands.saturating_sub(1);
                match op::ack(&asked, answer) {
                    Ok(ack) => self.session.op_ack(id, &ack),
                    Err(code) => self.session.send_error(id, &code.info(0, "")),
                }
            }
            Mail::Marked(id, convs, answer) => {
                self.open.commands = self.open.commands.saturating_sub(1);
                self.session.read_marks_ack(id, &marks::ack(&convs, answer));
            }
            Mail::Read(id, method, answer) => {
                self.open.reads = self.open.reads.saturating_sub(1);
                self.respond(id, method, answer);
            }
            Mail::Numbers(id, n, answer) => self.pong(id, n, answer),
            Mail::Fresh(tips) => self.on_fresh_tips(tips),
            Mail::Admitted(_) | Mail::Attached(_) | Mail::Tips(_) | Mail::FirstPage(..) => {}
        }
    }

    fn respond(
        &mut self,
        id: u32,
        method: u32,
        answer: Option<Result<tenon_core::admission::Answer, Refusal>>,
    ) {
        let Some(device) = self.device else { return };
        let body = match answer {
            Some(Ok(answer)) => answer::body(method, &answer, device.reader()),
            Some(Err(refusal)) => {
                let info = v1::ErrorInfo {
                    code: refusal.code,
                    retry_after_ms: refusal.after_ms,
                    ..v1::ErrorInfo::default()
                };
                return self.session.send_error(id, &info);
            }
            None => Err(ErrorCode::NoLeader),
        };
        match body {
            Ok(body) => {
                let response = v1::ReadResponse { body, fence: None };
                // False: the device cancelled it meanwhile.
                if !self.session.respond(id, &response, read::prio(method)) {
                    tracing::trace!(connection = self.id.0, id, "answer to a cancelled request");
                }
            }
            Err(code) => self.session.send_error(id, &code.info(RETRY_MS, "")),
        }
    }

    fn pong(&mut self, id: u32, n: u32, answer: Option<UserAnswer>) {
        self.open.pings = self.open.pings.saturating_sub(1);
        let mut pong =
            v1::Pong { n, server_ms: self.house.doors.clock.now().0, ..v1::Pong::default() };
        if let Some(UserAnswer::Numbers { queue_epoch, tip, list_digest }) = answer {
            pong.units = vec![v1::UnitState {
                unit: UNIT,
                queue_epoch: queue_epoch.0,
                tip_pts: tip.0,
                action: v1::UnitAction::Continue.into(),
                endpoints: Vec::new(),
            }];
            pong.list_digest = list_digest;
            pong.list_digest_pts = tip.0;
        }
        let tips = self.unheard(self.mailbox.take_tips());
        self.note_told(&tips);
        pong.tips = tips.iter().map(map::tip).collect();
        self.session.pong(id, &pong);
    }

    fn on_watch(&mut self, device: Device, watch: &v1::Watch) {
        let open: Vec<_> = watch.open.iter().copied().map(tenon_base::ConversationId).collect();
        let org = device.author.org;
        for conv in self.tips.followed.keys() {
            let (is_open, was_open) = (open.contains(conv), self.tips.open.contains(conv));
            if is_open != was_open {
                self.house.registry.set_open(self.id, org, *conv, is_open);
            }
        }
        self.tips.open = open;
    }
}
