//! Pages of a conversation's past.

use std::sync::Arc;

use tenon_base::digest::RangeSum;
use tenon_base::limits::HISTORY_ROWS_MAX;
use tenon_base::{ConversationId, Rev, Seq, Timestamp};
use tenon_core::admission::{Answer, HistoryPage, Refusal};
use tenon_core::handover::Grant;
use tenon_core::{Author, Message};
use tenon_ports::Direction;
use tenon_store::{Part, SeriesKey, StoreError, View, table};

use super::{decode, grant_at, store_refusal};
use crate::code;
use crate::service::Shared;

/// Bodies and headers of one page: below the largest frame down, with room for the encoding.
const PAGE_BYTES: usize = 160 * 1024;
/// Messages looked up by number at once.
const MESSAGES_MAX: usize = 100;
/// Ranges of one digest request.
const RANGES_MAX: usize = 64;
/// Rows summed by one digest request.
const SUMMED_MAX: u64 = 65_536;
/// Rows read in one step of a sum.
const SUM_STEP: usize = 2_048;

/// Which rows: above < seq < below, the highest or the lowest `limit` of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) above: Seq,
    pub(super) below: Seq,
    pub(super) limit: usize,
    pub(super) upward: bool,
}

pub(super) async fn page(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    range: Range,
    min_rev: Rev,
) -> Result<HistoryPage, Refusal> {
    let grant = grant_at(shared, author.user, conv, min_rev).await?;
    let view = shared.doors.store.view();
    read_page(&view, &grant, range).map_err(|error| store_refusal(shared, &error))
}

/// The page covers what it says even when a part of it is damaged: then it is not stable.
pub(super) fn read_page(
    view: &View,
    grant: &Grant,
    range: Range,
) -> Result<HistoryPage, StoreError> {
    let header = &grant.header;
    let low = range.above.0.max(grant.member.floor_seq.0).saturating_add(1);
    let top = grant.last_visible_seq().0;
    let high = if range.below.0 == 0 { top } else { top.min(range.below.0 - 1) };
    let mut page = HistoryPage {
        conv: header.conv,
        conv_epoch: header.conv_epoch,
        lo: Seq(low),
        hi: Seq(high),
        as_of: header.rev,
        is_floor: low <= grant.member.floor_seq.0 + 1,
        is_stable: true,
        ..HistoryPage::default()
    };
    if low > high {
        return Ok(page);
    }
    let limit = range.limit.clamp(1, HISTORY_ROWS_MAX);
    let direction = if range.upward { Direction::Forward } else { Direction::Backward };
    let series = SeriesKey::message(header.org, header.conv);
    let limits = (limit, PAGE_BYTES);
    let entries = match view.entries(&series, low, high, direction, limits, Part::Whole) {
        Ok(entries) => entries,
        Err(StoreError::Degraded { first, last, .. }) => {
            // What cannot be read is covered without rows and marked; the next page goes on behind it.
            page.is_stable = false;
            if range.upward {
                page.hi = Seq(high.min(last));
            } else {
                page.lo = Seq(low.max(first));
                page.is_floor = page.is_floor && page.lo.0 == low;
            }
            return Ok(page);
        }
        Err(error) => return Err(error),
    };
    let is_whole = entries.len() < limit && reaches_end(&entries, low, high, range.upward);
    if let (Some(last), false) = (entries.last(), is_whole) {
        if range.upward {
            page.hi = Seq(last.number);
        } else {
            page.lo = Seq(last.number);
            page.is_floor = page.is_floor && last.number == low;
        }
    }
    page.rows = entries.into_iter().map(decode).collect::<Result<_, _>>()?;
    if !range.upward {
        page.rows.reverse();
    }
    if tenon_base::planted!("page-without-first") && page.rows.len() > 2 {
        page.rows.remove(0);
    }
    Ok(page)
}

/// Numbers are dense, so a page that stops early stopped at its byte bound or before damage.
fn reaches_end(entries: &[tenon_store::Entry], low: u64, high: u64, upward: bool) -> bool {
    let wanted = if upward { high } else { low };
    entries.last().is_some_and(|e| e.number == wanted)
}

pub(super) async fn messages(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    seqs: &[Seq],
    min_rev: Rev,
) -> Result<HistoryPage, Refusal> {
    if seqs.len() > MESSAGES_MAX {
        return Err(Refusal::of(code::TOO_MANY));
    }
    let grant = grant_at(shared, author.user, conv, min_rev).await?;
    let view = shared.doors.store.view();
    let mut rows: Vec<Arc<Message>> = Vec::new();
    let mut wanted: Vec<Seq> = seqs.iter().copied().filter(|s| grant.may_see(*s)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    for seq in wanted {
        let row = table::message::read(&view, grant.header.org, conv, seq)
            .map_err(|error| store_refusal(shared, &error))?;
        rows.extend(row.map(Arc::new));
    }
    Ok(HistoryPage {
        conv,
        conv_epoch: grant.header.conv_epoch,
        lo: Seq(1),
        hi: Seq(0),
        as_of: grant.header.rev,
        rows,
        is_floor: false,
        is_stable: true,
    })
}

/// Display time rises with seq, so halving finds the first message at or after a time.
pub(super) async fn seq_at_time(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    time: Timestamp,
) -> Result<Seq, Refusal> {
    let grant = grant_at(shared, author.user, conv, Rev(0)).await?;
    let view = shared.doors.store.view();
    let series = SeriesKey::message(grant.header.org, conv);
    let (mut low, mut high) = (grant.member.floor_seq.0 + 1, grant.header.seq.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let limits = (1, usize::MAX);
        let is_before = view
            .entries(&series, middle, middle, Direction::Forward, limits, Part::Headers)
            .and_then(|mut e| e.pop().map(decode).transpose())
            .map_err(|error| store_refusal(shared, &error))?
            .is_none_or(|message| message.ts < time);
        if is_before {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(if low > grant.header.seq.0 { Seq(0) } else { Seq(low) })
}

pub(super) async fn digest(
    shared: &Shared,
    author: Author,
    conv: ConversationId,
    ranges: Vec<(Seq, Seq)>,
    min_rev: Rev,
) -> Result<Answer, Refusal> {
    let grant = grant_at(shared, author.user, conv, min_rev).await?;
    let (floor, top) = (grant.member.floor_seq.0 + 1, grant.header.seq.0);
    let clipped = |(lo, hi): (Seq, Seq)| (lo.0.max(floor), hi.0.min(top));
    let total: u64 = ranges
        .iter()
        .map(|r| clipped(*r))
        .map(|(lo, hi)| (hi + 1).saturating_sub(lo))
        .fold(0, u64::saturating_add);
    if ranges.len() > RANGES_MAX || total > SUMMED_MAX {
        return Err(Refusal::of(code::TOO_MANY));
    }
    let view = shared.doors.store.view();
    let series = SeriesKey::message(grant.header.org, conv);
    let mut sums = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (lo, hi) = clipped(range);
        let sum = sum(&view, &series, lo, hi).map_err(|error| store_refusal(shared, &error))?;
        sums.push((range, sum));
    }
    Ok(Answer::Digest { as_of: grant.header.rev, sums })
}

fn sum(view: &View, series: &SeriesKey, mut lo: u64, hi: u64) -> Result<RangeSum, StoreError> {
    let mut sum = RangeSum::default();
    while lo <= hi {
        let limits = (SUM_STEP, usize::MAX);
        let rows = view.entries(series, lo, hi, Direction::Forward, limits, Part::Headers)?;
        let Some(last) = rows.last() else { break };
        lo = last.number + 1;
        for row in &rows {
            sum.add(row.number, table::message::ver(&row.header)?.0);
        }
    }
    Ok(sum)
}
