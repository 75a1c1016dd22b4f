//! Values made of a seed.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConnCtr, ConvEpoch, ConversationId, DeviceEpoch, DeviceId, Lsn, MessageId,
    OpSeq, OrgId, OverlayVer, PartitionId, Pid, Pts, QueueEpoch, Random, Rev, SeededRandom, Seq,
    Timestamp, UserId, Ver,
};
use tenon_core::command::{CreateConversation, SummaryPatch};
use tenon_core::conversation::{Accepted, Fate, SenderOutcome};
use tenon_core::event::Tip;
use tenon_core::user::{
    DeviceState, FanOut, ListLine, OpChain, OpOutcome, QueueEntry, QueueItem, Summary, UserHeader,
};
use tenon_core::{
    Action, Author, Command, Header, ImportEntry, ImportItem, Interval, Item, Kind, Member,
    Message, Mode, ReadState, Rejection, Role, SendMessage, Sender, UserAction, UserCommand,
    UserEvent,
};

/// Draws values. The same seed draws the same ones.
pub(super) struct Values(SeededRandom);

impl Values {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    pub(super) fn id(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number of any length, 0 as well.
    pub(super) fn small(&mut self) -> u64 {
        let bits = self.below(64);
        self.id() & ((1 << bits) - 1)
    }

    pub(super) fn small32(&mut self) -> u32 {
        (self.small() & 0xffff_ffff) as u32
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.id() % n
    }

    pub(super) fn bool(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(super) fn some_id(&mut self) -> u64 {
        if self.bool() { self.id() | 1 } else { 0 }
    }

    pub(super) fn bytes(&mut self) -> Bytes {
        let mut bytes = vec![0; self.below(200) as usize];
        self.0.fill(&mut bytes);
        bytes.into()
    }

    pub(super) fn text(&mut self) -> String {
        let count = self.below(12);
        (0..count).map(|_| ['a', 'é', '中', '🙂'][self.below(4) as usize]).collect()
    }

    pub(super) fn digest(&mut self) -> [u8; 16] {
        let mut digest = [0; 16];
        self.0.fill(&mut digest);
        digest
    }

    pub(super) fn list<T>(&mut self, max: u64, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(max + 1);
        (0..count).map(|_| one(self)).collect()
    }

    fn users(&mut self) -> Vec<UserId> {
        self.list(6, |v| UserId(v.id()))
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(self.small())
    }

    fn role(&mut self) -> Role {
        [Role::Owner, Role::Admin, Role::Member, Role::Guest][self.below(4) as usize]
    }

    fn kind(&mut self) -> Kind {
        [Kind::Direct, Kind::Group][self.below(2) as usize]
    }

    fn mode(&mut self) -> Mode {
        [Mode::Queue, Mode::Pull][self.below(2) as usize]
    }

    fn rejection(&mut self) -> Rejection {
        Rejection::ALL[self.below(Rejection::ALL.len() as u64) as usize]
    }

    fn author(&mut self, org: OrgId) -> Author {
        Author {
            org,
            user: UserId(self.id()),
            device: DeviceId(self.some_id()),
            device_epoch: DeviceEpoch(self.small32()),
            app: AppId(self.some_id()),
        }
    }

    pub(super) fn commands(&mut self) -> Vec<Command> {
        let org = OrgId(self.id());
        (0..9)
            .map(|n| Command {
                author: self.author(org),
                conv: ConversationId(self.id()),
                cid: Cid(self.small()),
                digest: self.digest(),
                is_void: self.bool(),
                message_id: MessageId(self.id()),
                time: self.time(),
                refused: if self.bool() { Some(self.rejection()) } else { None },
                action: self.action(n),
            })
            .collect()
    }

    fn action(&mut self, n: u64) -> Action {
        match n {
            0 => Action::Send(SendMessage {
                kind: self.small32(),
                body: self.bytes(),
                reply_seq: Seq(self.small()),
                mentions: self.users(),
                flags: self.small32(),
                to: self.users(),
                expires_in_s: self.small32(),
                valid_for_s: self.small32(),
            }),
            1 => Action::Create(CreateConversation {
                kind: self.kind(),
                title: self.text(),
                owner: UserId(self.some_id()),
                members: self.users(),
                history_visible: self.bool(),
                queue_mode_max: self.small32(),
                pull_mode_min: self.small32(),
            }),
            2 => Action::Rename { title: self.text() },
            3 => Action::AddMembers { users: self.users() },
            4 => Action::RemoveMembers { users: self.users() },
            5 => Action::Leave,
            6 => Action::SetRole { user: UserId(self.id()), role: self.role() },
            7 => Action::ReadMark { up_to: Seq(self.small()), cnt: Cnt(self.small()) },
            _ => Action::Import { entries: self.list(5, Self::import) },
        }
    }

    fn import(&mut self) -> ImportEntry {
        let item = match self.below(3) {
            0 => ImportItem::Join,
            1 => ImportItem::Leave,
            _ => ImportItem::Message {
                kind: self.small32(),
                body: self.bytes(),
                root: if self.bool() { Some(self.digest()) } else { None },
                message_id: MessageId(self.id()),
                edited: self.time(),
            },
        };
        ImportEntry { key: self.digest(), time: self.time(), user: UserId(self.id()), item }
    }

    pub(super) fn user_commands(&mut self) -> Vec<UserCommand> {
        let org = OrgId(self.id());
        (0..5)
            .map(|n| UserCommand {
                author: self.author(org),
                op_seq: OpSeq(self.small()),
                digest: self.digest(),
                is_void: self.bool(),
                time: self.time(),
                action: match n {
                    0 => UserAction::RenewDeviceEpoch { presented: DeviceEpoch(self.small32()) },
                    1 => UserAction::ForgetDevice { device: DeviceId(self.id()) },
                    2 => UserAction::MadeConversation { conv: ConversationId(self.id()) },
                    3 => UserAction::SetSummary {
                        conv: ConversationId(self.id()),
                        patch: self.patch(),
                    },
                    _ => UserAction::Refused(self.rejection()),
                },
            })
            .collect()
    }

    fn patch(&mut self) -> SummaryPatch {
        let flag = |v: &mut Self| if v.bool() { Some(v.bool()) } else { None };
        SummaryPatch {
            pinned: flag(self),
            notify: if self.bool() { Some(self.below(3) as u32) } else { None },
            hidden: flag(self),
            marked_unread: flag(self),
            draft: if self.bool() { Some(self.bytes()) } else { None },
        }
    }

    pub(super) fn fan_outs(&mut self) -> Vec<FanOut> {
        (0..8)
            .map(|n| {
                let mut recipients = self.users();
                recipients.sort_unstable();
                FanOut {
                    org: OrgId(self.id()),
                    source: Lsn(self.id()),
                    index: self.small32(),
                    ts: self.time(),
                    item: self.queue_item(n),
                    recipients,
                }
            })
            .collect()
    }

    pub(super) fn queue_entry(&mut self) -> QueueEntry {
        let n = self.below(8);
        QueueEntry { pts: Pts(3), ts: self.time(), item: self.queue_item(n) }
    }

    fn queue_item(&mut self, n: u64) -> QueueItem {
        let conv = ConversationId(self.id());
        let event = match n {
            0 => UserEvent::ReadMarked { conv, read: self.read() },
            1 => UserEvent::Receipt {
                conv,
                user: UserId(self.id()),
                read_seq: Seq(self.small()),
                at: self.time(),
            },
            2 => UserEvent::ConversationAdded {
                item: Box::new(self.item()),
                reason: self.small32(),
                by: UserId(self.id()),
            },
            3 => UserEvent::ConversationRemoved {
                conv,
                reason: self.small32(),
                last_rev: Rev(self.small()),
                by: UserId(self.id()),
            },
            4 => UserEvent::Mention {
                conv,
                rev: Rev(self.small()),
                seq: Seq(self.small()),
                all: self.bool(),
            },
            5 => UserEvent::SummaryChanged { summary: self.summary() },
            _ => return QueueItem::Ref { conv, rev: Rev(self.small()), mode: self.mode() },
        };
        QueueItem::Inline(Arc::new(event))
    }

    fn read(&mut self) -> ReadState {
        ReadState { seq: Seq(self.small()), cnt: Cnt(self.small()), at: self.time() }
    }

    fn item(&mut self) -> Item {
        Item {
            tip: Tip {
                conv: ConversationId(self.id()),
                conv_epoch: ConvEpoch(self.small32()),
                rev: Rev(self.small()),
                seq: Seq(self.small()),
                cnt: Cnt(self.small()),
                mention_all_seq: Seq(self.small()),
            },
            kind: self.kind(),
            mode: self.mode(),
            title: self.text(),
            meta_ver: Rev(self.small()),
            owner: UserId(self.id()),
            peer: UserId(self.id()),
            member_count: self.small32(),
            roster_ver: Rev(self.small()),
            floor_seq: Seq(self.small()),
            floor_cnt: Cnt(self.small()),
            read: self.read(),
            peer_read_seq: Seq(self.small()),
            unread: self.small32(),
            role: self.role(),
            join_rev: Rev(self.small()),
            sort_ts: self.time(),
            last: None,
        }
    }

    fn summary(&mut self) -> Summary {
        Summary {
            conv: ConversationId(self.id()),
            ver: self.small(),
            pinned: self.bool(),
            notify: self.small32(),
            hidden: self.bool(),
            marked_unread: self.bool(),
            draft: self.bytes(),
        }
    }

    pub(super) fn header(&mut self) -> Header {
        Header {
            org: OrgId(self.id()),
            conv: ConversationId(self.id()),
            conv_epoch: ConvEpoch(self.small32()),
            kind: self.kind(),
            mode: self.mode(),
            title: self.text(),
            meta_ver: Rev(self.small()),
            owner: UserId(self.id()),
            peers: [UserId(self.id()), UserId(self.id())],
            seq: Seq(self.small()),
            rev: Rev(self.small()),
            cnt: Cnt(self.small()),
            pid: Pid(self.small()),
            last_ts: self.time(),
            mention_all_seq: Seq(self.small()),
            member_count: self.small32(),
            roster_ver: Rev(self.small()),
            leave_ver: self.small(),
            history_visible: self.bool(),
            queue_mode_max: self.small32(),
            pull_mode_min: self.small32(),
            created: self.time(),
            imported_seq: Seq(self.small()),
            imported_ts: self.time(),
            overlays: self.small32(),
        }
    }

    pub(super) fn member(&mut self) -> Member {
        Member {
            user: UserId(self.id()),
            role: self.role(),
            ver: Rev(self.small()),
            intervals: self.list(4, |v| Interval {
                join_rev: Rev(v.small()),
                join_seq: Seq(v.small()),
                joined: v.time(),
                leave_rev: Rev(v.small()),
                left: v.time(),
            }),
            floor_seq: Seq(self.small()),
            floor_cnt: Cnt(self.small()),
            read: self.read(),
            overlay_ver: OverlayVer(self.small()),
            muted_until: self.time(),
        }
    }

    pub(super) fn sender(&mut self) -> Sender {
        let outcomes = self.list(10, |v| SenderOutcome {
            cid: Cid(v.small()),
            digest: v.digest(),
            fate: if v.bool() {
                Fate::Rejected(v.rejection())
            } else {
                Fate::Accepted(Accepted {
                    seq: Seq(v.small()),
                    rev: Rev(v.small()),
                    cnt: Cnt(v.small()),
                    message_id: MessageId(v.id()),
                    ts: v.time(),
                })
            },
        });
        Sender { last: Cid(self.small()), outcomes: outcomes.into() }
    }

    pub(super) fn user_header(&mut self) -> UserHeader {
        UserHeader {
            org: OrgId(self.id()),
            user: UserId(self.id()),
            queue_epoch: QueueEpoch(self.small32()),
            tip: Pts(self.small()),
            floor: Pts(self.small()),
            epochs: self.list(8, |v| (QueueEpoch(v.small32()), Pts(v.small()))).into(),
            list_digest: self.id(),
            summary_ver: self.small(),
        }
    }

    pub(super) fn device(&mut self) -> DeviceState {
        DeviceState {
            device: DeviceId(self.id()),
            device_epoch: DeviceEpoch(self.small32()),
            conn_ctr: ConnCtr(self.small()),
            acked: Pts(self.small()),
            last_op: OpSeq(self.small()),
            outcomes: self.op_outcomes(),
            seen: self.time(),
            left: self
                .list(3, |v| OpChain {
                    device_epoch: DeviceEpoch(v.small32()),
                    last_op: OpSeq(v.small()),
                    outcomes: v.op_outcomes(),
                })
                .into(),
        }
    }

    fn op_outcomes(&mut self) -> VecDeque<OpOutcome> {
        let outcome = |v: &mut Self| OpOutcome {
            op_seq: OpSeq(v.small()),
            digest: v.digest(),
            fate: if v.bool() { Ok(v.id()) } else { Err(v.rejection()) },
        };
        self.list(10, outcome).into()
    }

    pub(super) fn line(&mut self) -> ListLine {
        ListLine {
            summary: self.summary(),
            mode: self.mode(),
            is_in: self.bool(),
            rev: Rev(self.small()),
            sort_ts: self.time(),
        }
    }

    pub(super) fn fan_out_source(&mut self) -> crate::table::fan_out_source::Row {
        let sources =
            self.list(6, |v| (PartitionId(v.below(256) as u32), (Lsn(v.small()), v.small32())));
        crate::table::fan_out_source::Row {
            epoch: QueueEpoch(self.small32()),
            sources: sources.into_iter().collect(),
        }
    }

    pub(super) fn message(&mut self, seq: u64) -> Message {
        Message {
            seq: Seq(seq),
            ver: Ver(self.small()),
            cnt: Cnt(self.small()),
            message_id: MessageId(self.id()),
            sender: UserId(self.id()),
            device: DeviceId(self.id()),
            device_epoch: DeviceEpoch(self.small32()),
            cid: Cid(self.small()),
            ts: self.time(),
            kind: self.small32(),
            flags: self.small32(),
            reply_seq: Seq(self.small()),
            mentions: self.users(),
            app: AppId(self.some_id()),
            edited: self.time(),
            expires: self.time(),
            body: self.bytes(),
        }
    }
}
