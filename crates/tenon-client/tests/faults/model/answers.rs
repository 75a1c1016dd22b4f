//! What the model answers to reads: lists, history, differences.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use tenon_wire::{ErrorCode, Prio, event_type, flag, method, v1};

use super::{DIFF_BEHIND, DIFF_MAX, Entry, Model, PAGE, UNIT};

impl Model {
    /// The rows of a conversation after all its events.
    pub fn rows(&self, conv: u64) -> BTreeMap<u64, v1::MessageRow> {
        let mut rows = BTreeMap::new();
        for event in &self.convs[&conv].events {
            match event.r#type {
                event_type::MESSAGE => {
                    let row = v1::MessageRow {
                        seq: event.seq,
                        ver: event.rev,
                        cnt: event.cnt,
                        message_id: event.message_id,
                        sender: event.sender,
                        ts: event.ts,
                        kind: event.kind,
                        body: event.body.clone(),
                        ..v1::MessageRow::default()
                    };
                    rows.insert(event.seq, row);
                }
                event_type::MESSAGE_RECALLED => {
                    let row = rows.get_mut(&event.seq).unwrap();
                    (row.ver, row.body) = (event.rev, Bytes::new());
                    row.flags |= flag::RECALLED;
                }
                _ => {}
            }
        }
        rows
    }

    pub(super) fn item(&self, conv: u64, user: u64) -> v1::ConvItem {
        let c = &self.convs[&conv];
        let mode = if c.is_pull { v1::Mode::Pull } else { v1::Mode::Queue };
        v1::ConvItem {
            conv,
            tip_rev: c.events.len() as u64,
            tip_seq: c.tip_seq,
            tip_cnt: c.tip_seq,
            last: self.rows(conv).pop_last().map(|(_, row)| row),
            sort_ts: c.events.last().map_or(0, |e| e.ts),
            join_rev: c.members.get(&user).copied().unwrap_or(0),
            read: Some(v1::ReadState {
                read_seq: c.reads.get(&user).copied().unwrap_or(0),
                read_cnt: c.reads.get(&user).copied().unwrap_or(0),
                ..v1::ReadState::default()
            }),
            meta: Some(v1::ConvMeta { mode: mode.into(), unit: UNIT, ..Default::default() }),
            ..v1::ConvItem::default()
        }
    }

    pub(super) fn list_page(&self, device: u64, from: u64) -> v1::ConvListPage {
        let user = self.devices[&device].user;
        let mine = self.convs.range(from..).filter(|(_, c)| c.members.contains_key(&user));
        let convs: Vec<u64> = mine.map(|(conv, _)| *conv).collect();
        let items = convs.iter().take(PAGE).map(|conv| self.item(*conv, user)).collect();
        let next = convs.get(PAGE).map(|conv| conv.to_string().into()).unwrap_or_default();
        let done = convs.len() <= PAGE;
        v1::ConvListPage { items, next, done, entities: Vec::new() }
    }

    pub(super) fn on_marks(&mut self, conn: u64, id: u32, marks: &v1::ReadMarks) {
        let user = self.devices[&self.conns[&conn].device].user;
        let mut ack = v1::ReadMarksAck::default();
        for mark in &marks.marks {
            ack.done.push(mark.conv);
            let Some(c) = self.convs.get_mut(&mark.conv) else { continue };
            let held = c.reads.entry(user).or_default();
            *held = (*held).max(mark.up_to_seq.min(c.tip_seq));
            let read = v1::ReadState { read_seq: *held, read_cnt: *held, ..Default::default() };
            let body = v1::ReadMarked { read: Some(read) }.encode_to_vec().into();
            let (conv, r#type) = (mark.conv, event_type::READ_MARKED);
            let event = v1::SyncEvent { r#type, conv, body, ..v1::SyncEvent::default() };
            self.enqueue(user, Entry::Plain(Box::new(event)));
        }
        if !self.chance(self.faults.lose_ack) {
            self.conns.get_mut(&conn).unwrap().session.read_marks_ack(id, &ack);
        }
    }

    pub(super) fn on_request(&mut self, conn: u64, id: u32, request: v1::ReadRequest) {
        let device = self.conns[&conn].device;
        let is_slow = self.chance(self.faults.throttle);
        let answer = match request.method {
            _ if is_slow => Err(ErrorCode::NotAppliedYet),
            method::GET_CONV_DIFF => {
                let want = v1::GetConvDiff::decode(request.body).unwrap();
                self.diff(device, &want).map(|answer| answer.encode_to_vec())
            }
            method::GET_CONV_DIFFS => {
                let wants = v1::GetConvDiffs::decode(request.body).unwrap().wants;
                let answers = wants.iter().map(|want| self.diff(device, want).unwrap_or_default());
                Ok(v1::ConvDiffAnswers { answers: answers.collect() }.encode_to_vec())
            }
            method::GET_CONV_LIST => {
                let want = v1::GetConvList::decode(request.body).unwrap();
                let from = std::str::from_utf8(&want.token).unwrap().parse().unwrap_or(0);
                Ok(self.list_page(device, from).encode_to_vec())
            }
            method::GET_CONV_ITEMS => {
                let want = v1::GetConvItems::decode(request.body).unwrap();
                Ok(self.items(device, &want).encode_to_vec())
            }
            method::GET_HISTORY => {
                let want = v1::GetHistory::decode(request.body).unwrap();
                Ok(self.history(&want).encode_to_vec())
            }
            method::RESOLVE_NAMES => {
                let want = v1::ResolveNames::decode(request.body).unwrap();
                let named = |name: String| {
                    let id = name.strip_prefix("user ").and_then(|id| id.parse().ok());
                    v1::NamedId { id: id.unwrap_or(0), name }
                };
                let users = want.users.into_iter().map(named).collect();
                Ok(v1::ResolvedNames { users, groups: Vec::new() }.encode_to_vec())
            }
            method::LOOKUP_SEND => {
                let want = v1::LookupSend::decode(request.body).unwrap();
                let chain = self.convs.get(&want.conv);
                let chain = chain.and_then(|c| c.chains.get(&(device, want.device_epoch)));
                let first = chain.and_then(|c| c.outcomes.get(&want.n)).cloned();
                let first = first.unwrap_or_default();
                Ok(v1::SendOutcome {
                    status: first.status,
                    seq: first.seq,
                    rev: first.rev,
                    message_id: first.message_id,
                    code: first.code,
                    ..v1::SendOutcome::default()
                }
                .encode_to_vec())
            }
            _ => Err(ErrorCode::KindRefused),
        };
        let session = &mut self.conns.get_mut(&conn).unwrap().session;
        match answer {
            Ok(body) => {
                let response = v1::ReadResponse { body: body.into(), fence: None };
                session.respond(id, &response, Prio::Normal);
            }
            Err(code) => session.send_error(id, &code.info(100, "request")),
        }
    }

    pub(super) fn diff(
        &self,
        device: u64,
        want: &v1::GetConvDiff,
    ) -> Result<v1::ConvDiffAnswer, ErrorCode> {
        use v1::conv_diff_answer::What;
        let user = self.devices[&device].user;
        let c = self.convs.get(&want.conv).ok_or(ErrorCode::Absent)?;
        if !c.members.contains_key(&user) {
            return Err(ErrorCode::Absent);
        }
        let tip_rev = c.events.len() as u64;
        if tip_rev.saturating_sub(want.since_rev) > DIFF_BEHIND {
            let rows = self.rows(want.conv);
            let last = rows.values().rev().take(3).rev().cloned().collect();
            let item = Some(self.item(want.conv, user));
            let too_long = v1::ConvTooLong { item, last, oldest_rev: 1 };
            return Ok(v1::ConvDiffAnswer { what: Some(What::TooLong(too_long)) });
        }
        let rest = &c.events[want.since_rev.min(tip_rev) as usize..];
        let mut events: Vec<_> = rest.iter().take(DIFF_MAX).cloned().collect();
        events.iter_mut().for_each(|event| self.personal(event, device));
        let to_rev = want.since_rev + events.len() as u64;
        let diff = v1::ConvDiff {
            conv: want.conv,
            from_rev: want.since_rev,
            to_rev,
            r#final: to_rev == tip_rev,
            events,
            tip_rev,
            tip_seq: c.tip_seq,
            tip_cnt: c.tip_seq,
            ..v1::ConvDiff::default()
        };
        Ok(v1::ConvDiffAnswer { what: Some(What::Diff(diff)) })
    }

    pub(super) fn items(&self, device: u64, want: &v1::GetConvItems) -> v1::ConvItems {
        let user = self.devices[&device].user;
        let mut items = v1::ConvItems::default();
        for conv in &want.convs {
            match self.convs.get(conv).filter(|c| c.members.contains_key(&user)) {
                None => items.absent.push(*conv),
                Some(c) if want.tips_only => items.tips.push(v1::ConvTip {
                    conv: *conv,
                    rev: c.events.len() as u64,
                    seq: c.tip_seq,
                    cnt: c.tip_seq,
                    ..v1::ConvTip::default()
                }),
                Some(_) => items.items.push(self.item(*conv, user)),
            }
        }
        items
    }

    pub(super) fn history(&self, want: &v1::GetHistory) -> v1::HistoryPage {
        let c = &self.convs[&want.conv];
        let top = if want.below_seq == 0 { c.tip_seq } else { want.below_seq - 1 }.min(c.tip_seq);
        let lo = top.saturating_sub(u64::from(want.limit) - 1).max(want.above_seq + 1);
        let rows = self.rows(want.conv);
        let mut page = v1::HistoryPage {
            conv: want.conv,
            as_of_rev: c.events.len() as u64,
            floor: lo <= 1,
            stable: true,
            ..v1::HistoryPage::default()
        };
        if lo <= top {
            (page.lo_seq, page.hi_seq) = (lo, top);
            page.normal = rows.range(lo..=top).map(|(_, row)| row.clone()).collect();
        }
        page
    }
}
