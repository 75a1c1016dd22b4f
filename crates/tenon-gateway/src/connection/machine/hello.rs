//! The handshake: Hello, admission, attach, HelloAck.

use std::sync::Arc;
use std::time::Duration;

use tenon_base::{ConversationId, Deadline};
use tenon_core::admission::{Admitted, Answer, Read, Refusal};
use tenon_core::event::Tip;
use tenon_core::handover::{Attach, Attached, Handover, LinkKey, Reply};
use tenon_wire::{ErrorClass, ErrorCode, close_reason, v1};

use super::{Device, Machine, Phase};
use crate::connection::mailbox::{Mail, RebaseOrder};
use crate::map::{self, UNIT, hello};

/// Tips of pull-mode conversations in one HelloAck.
const TIPS_MAX: usize = 64;
/// Heartbeat until the device states its own, and its bounds, seconds (section 9).
const HEARTBEAT_S: u32 = 30;
const HEARTBEAT_S_MIN: u32 = 10;
const HEARTBEAT_S_MAX: u32 = 600;

/// Everything of a HelloAck but the tips, and what follows it.
#[derive(Debug)]
pub(crate) struct Welcome {
    ack: v1::HelloAck,
    rebase: Option<RebaseOrder>,
    /// Pull-mode conversations whose tips do not fit the HelloAck.
    later: Vec<ConversationId>,
}

impl Machine {
    pub(super) fn on_hello(&mut self, id: u32, hello: &v1::Hello) {
        let (request, presented) = match hello::read(hello, self.binding, self.features) {
            Ok(read) => read,
            Err(code) => return self.refuse(code, ""),
        };
        self.phase = Phase::Admitting { id, presented };
        let mailbox = self.mailbox();
        let reply = mailbox.reply(Mail::Admitted);
        self.house.doors.admission.hello(request, reply);
    }

    pub(super) fn on_admitted(&mut self, result: Option<Result<Admitted, Refusal>>) {
        let Phase::Admitting { id, presented } = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return;
        };
        let admitted = match result {
            Some(Ok(admitted)) => admitted,
            Some(Err(refusal)) => return self.refuse_hello(refusal),
            None => return self.refuse(ErrorCode::NoLeader, ""),
        };
        let author = admitted.author;
        let key = LinkKey {
            org: author.org,
            user: author.user,
            device: author.device,
            conn_ctr: presented.conn_ctr,
            exchange: presented.exchange,
        };
        self.device = Some(Device { author, key });
        self.class = presented.class;
        self.first_page = presented.first_page;
        self.hold = Duration::from_millis(u64::from(presented.wait_ms));
        let attach = Attach {
            key,
            device_epoch: author.device_epoch,
            cursor: presented.cursor,
            window_bytes: presented.window_bytes,
            backlog_max: presented.backlog_max,
            link: self.link(),
            time: self.house.doors.clock.now(),
        };
        self.phase = Phase::Attaching { id, presented, admitted };
        let mailbox = self.mailbox();
        let users = Arc::clone(&self.house.doors.users);
        let reply = Reply::new(move |result| {
            let is_live = matches!(result, Some(Attached::Live { .. }));
            if !mailbox.answer(Mail::Attached(result)) && is_live {
                users.detach(key);
            }
        });
        if self.house.doors.users.attach(attach, reply) == Handover::Full {
            self.refuse(ErrorCode::Overload, "");
        }
    }

    pub(super) fn on_attached(&mut self, result: Option<Attached>) {
        let Phase::Attaching { id, presented, admitted } =
            std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return;
        };
        let live = match result {
            Some(Attached::DeviceEpochStale) => {
                return self.refuse(ErrorCode::DeviceEpochStale, "");
            }
            Some(Attached::ConnectionStale) => return self.refuse(ErrorCode::ConnectionStale, ""),
            Some(Attached::SessionEnded) => return self.refuse(ErrorCode::SessionEnded, ""),
            None => return self.refuse(ErrorCode::NoLeader, ""),
            Some(live) => live,
        };
        self.is_attached = true;
        let ack = self.hello_ack(&presented, &admitted, &live);
        let Attached::Live { queue_epoch, tip, rebase, pull_convs, .. } = live else { return };
        self.stream.queue_epoch = queue_epoch;
        let start = presented.cursor.map(|(_, pts)| pts).filter(|_| rebase.is_none());
        self.stream.next_from = start;
        self.stream.acked = start.unwrap_or(tip);
        for conv in &pull_convs {
            self.follow(*conv, true);
        }
        let mut first = pull_convs;
        let later = first.split_off(first.len().min(TIPS_MAX));
        let rebase = rebase.map(|reason| RebaseOrder { queue_epoch, tip, reason });
        let welcome = Box::new(Welcome { ack, rebase, later });
        self.phase = Phase::Welcoming { id, welcome };
        self.read_welcome_tips(first);
    }

    fn read_welcome_tips(&mut self, convs: Vec<ConversationId>) {
        let Some(device) = self.device else { return };
        let mailbox = self.mailbox();
        if convs.is_empty() {
            mailbox.answer(Mail::Tips(Vec::new()));
            return;
        }
        let reply = mailbox.reply(move |answer| Mail::Tips(tips_of(answer)));
        self.house.doors.admission.read(
            device.author,
            Read::Items { convs, tips_only: true },
            reply,
        );
    }

    pub(super) fn on_welcome_tips(&mut self, tips: &[Tip], now: Deadline) {
        let Phase::Welcoming { id, welcome } = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return;
        };
        let Welcome { mut ack, rebase, later } = *welcome;
        self.note_told(tips);
        ack.tips = tips.iter().map(map::tip).collect();
        self.session.accept(id, &ack);
        self.phase = Phase::Live;
        self.tips.refreshed_at = now;
        self.house.metrics.sessions.inc();
        self.house.metrics.hellos.with_label_values(&["ok"]).inc();
        if let Some(device) = &self.device {
            tracing::debug!(
                connection = self.id.0,
                org = device.author.org.0,
                user = device.author.user.0,
                device = device.author.device.0,
                conn_ctr = device.key.conn_ctr.0,
                rebase = rebase.map_or(0, |r| r.reason),
                "session live"
            );
        }
        if let Some(order) = rebase {
            self.start_rebase(order);
        }
        for convs in later.chunks(TIPS_MAX) {
            self.read_fresh_tips(convs.to_vec());
        }
    }

    fn hello_ack(
        &self,
        presented: &hello::Presented,
        admitted: &Admitted,
        live: &Attached,
    ) -> v1::HelloAck {
        let mut ack = v1::HelloAck {
            proto: hello::PROTO,
            session: admitted.session,
            resume: admitted.resume.clone(),
            resume_key: admitted.resume_key.clone(),
            server_ms: self.house.doors.clock.now().0,
            features: presented.features,
            heartbeat_s: HEARTBEAT_S,
            heartbeat_s_min: HEARTBEAT_S_MIN,
            heartbeat_s_max: HEARTBEAT_S_MAX,
            window_bytes: presented.window_bytes,
            limits: Some(hello::limits()),
            device_epoch: admitted.author.device_epoch.0,
            user: admitted.author.user.0,
            org: admitted.author.org.0,
            ..v1::HelloAck::default()
        };
        if let Attached::Live {
            queue_epoch,
            tip,
            rebase,
            last_op,
            store_rolled_back,
            list_digest,
            ..
        } = live
        {
            let action = match rebase {
                None => v1::UnitAction::Continue,
                Some(_) => v1::UnitAction::Rebase,
            };
            ack.units = vec![v1::UnitState {
                unit: UNIT,
                queue_epoch: queue_epoch.0,
                tip_pts: tip.0,
                action: action.into(),
                endpoints: Vec::new(),
            }];
            ack.list_digest = *list_digest;
            ack.list_digest_pts = tip.0;
            ack.last_op_seq = last_op.0;
            ack.store_rolled_back = *store_rolled_back;
        }
        ack
    }

    fn refuse_hello(&mut self, refusal: Refusal) {
        let code = ErrorCode::from_number(refusal.code);
        self.refuse_with(refusal.code, code, refusal.after_ms);
    }

    /// Ends the handshake with a code; the device acts by its class.
    pub(super) fn refuse(&mut self, code: ErrorCode, text: &str) {
        tracing::debug!(connection = self.id.0, code = code.number(), text, "hello refused");
        self.refuse_with(code.number(), Some(code), 0);
    }

    fn refuse_with(&mut self, number: u32, code: Option<ErrorCode>, retry_after_ms: u32) {
        let label = code.map_or("other", ErrorCode::text);
        self.house.metrics.hellos.with_label_values(&[label]).inc();
        self.phase = Phase::Over;
        self.session.close(tenon_wire::session::End {
            reason: close_reason_of(number),
            code: number,
            retry_after_ms,
            text: String::new(),
            is_by_peer: false,
        });
    }
}

/// The tips of an answer; nothing for a refusal, since every tip may be lost.
pub(super) fn tips_of(answer: Option<Result<Answer, Refusal>>) -> Vec<Tip> {
    match answer {
        Some(Ok(Answer::Items { tips, .. })) => tips,
        _ => Vec::new(),
    }
}

fn close_reason_of(code: u32) -> u32 {
    let is_ended = [ErrorCode::SessionEnded, ErrorCode::DeviceRemoved, ErrorCode::AccountDisabled]
        .iter()
        .any(|ended| ended.number() == code);
    match ErrorClass::of(code) {
        _ if is_ended => close_reason::SESSION_ENDED,
        Some(ErrorClass::Retry | ErrorClass::Limit | ErrorClass::Route) => close_reason::OVERLOAD,
        Some(ErrorClass::Upgrade) => close_reason::UPGRADE_REQUIRED,
        Some(ErrorClass::Client) => close_reason::PROTOCOL_ERROR,
        _ => close_reason::AUTH_FAILED,
    }
}
