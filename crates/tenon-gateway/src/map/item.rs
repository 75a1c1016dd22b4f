//! Lines of the conversation list.

use tenon_core::Kind;
use tenon_core::admission::{ListItem, ListPage};
use tenon_core::event::Item;
use tenon_core::user::Summary;
use tenon_wire::{Message as _, v1};

use super::{ROUTE_EPOCH, Reader, UNIT, message, mode, role};

/// A line with the user's own settings.
pub(crate) fn list_item(line: &ListItem, reader: Reader) -> v1::ConvItem {
    let summary = v1::Summary { conv: 0, ..summary(&line.summary) };
    v1::ConvItem { summary: Some(summary), ..item(&line.item, reader) }
}

/// A line. `conv` of its meta and summary is left 0: the line says it once.
pub(crate) fn item(item: &Item, reader: Reader) -> v1::ConvItem {
    v1::ConvItem {
        conv: item.tip.conv.0,
        conv_epoch: item.tip.conv_epoch.0,
        tip_rev: item.tip.rev.0,
        tip_seq: item.tip.seq.0,
        tip_cnt: item.tip.cnt.0,
        floor_seq: item.floor_seq.0,
        floor_cnt: item.floor_cnt.0,
        read: Some(v1::ReadState {
            read_seq: item.read.seq.0,
            read_cnt: item.read.cnt.0,
            read_pcnt: 0,
            at_ms: item.read.at.0,
        }),
        unread: item.unread,
        mention_seq: item.tip.mention_all_seq.0,
        last: item.last.as_deref().map(|last| message::row(last, reader)),
        sort_ts: item.sort_ts.0,
        meta: Some(meta(item, reader)),
        peer_read_seq: item.peer_read_seq.0,
        join_rev: item.join_rev.0,
        role: role(item.role),
        ..v1::ConvItem::default()
    }
}

fn meta(item: &Item, reader: Reader) -> v1::ConvMeta {
    let kind = match item.kind {
        Kind::Direct => v1::ConvKind::Direct,
        Kind::Group => v1::ConvKind::Group,
    };
    v1::ConvMeta {
        ver: item.meta_ver.0,
        kind: kind.into(),
        mode: mode(item.mode).into(),
        org: reader.org.0,
        title: item.title.clone(),
        owner: item.owner.0,
        member_count: item.member_count,
        roster_ver: item.roster_ver.0,
        peer: item.peer.0,
        unit: UNIT,
        route_epoch: ROUTE_EPOCH,
        ..v1::ConvMeta::default()
    }
}

/// Own settings of a line. A stored draft that does not decode is shown as none.
pub(crate) fn summary(summary: &Summary) -> v1::Summary {
    let draft = (!summary.draft.is_empty())
        .then(|| v1::Draft::decode(summary.draft.clone()).ok())
        .flatten();
    v1::Summary {
        conv: summary.conv.0,
        ver: summary.ver,
        pinned: summary.pinned,
        notify: summary.notify,
        hidden: summary.hidden,
        marked_unread: summary.marked_unread,
        draft,
        ..v1::Summary::default()
    }
}

/// A page of the list.
pub(crate) fn page(page: &ListPage, reader: Reader) -> v1::ConvListPage {
    v1::ConvListPage {
        items: page.items.iter().map(|line| list_item(line, reader)).collect(),
        next: page.next.clone(),
        done: page.next.is_empty(),
        entities: Vec::new(),
    }
}
