//! Taking an archive: every entry once, in its old order, with its old time.

use bytes::Bytes;
use tenon_base::{MessageId, Seq, Timestamp, UserId};
use tenon_core::conversation::Outcome;
use tenon_core::conversation::decide::Change;
use tenon_core::event::{EventBody, Item};
use tenon_core::{Action, Author, ImportEntry, ImportItem};

use crate::table::{Table, accepted, command, text};

fn entry(key: u8, time: u64, user: u64, item: ImportItem) -> ImportEntry {
    ImportEntry { key: [key; 16], time: Timestamp(time), user: UserId(user), item }
}

fn said(key: u8, time: u64, user: u64, root: Option<u8>) -> ImportEntry {
    let item = ImportItem::Message {
        kind: 1,
        body: Bytes::from_static(b"old"),
        root: root.map(|root| [root; 16]),
        message_id: MessageId(u64::from(key)),
        edited: Timestamp(0),
    };
    entry(key, time, user, item)
}

fn import(table: &mut Table, entries: Vec<ImportEntry>) -> ((u32, u32, u32), Change) {
    match table.apply(&command(Author::default(), 0, Action::Import { entries })) {
        (Outcome::Imported { added, known, refused }, Some(change)) => {
            ((added, known, refused), change)
        }
        other => panic!("{other:?}"),
    }
}

/// Times and threads come over; nobody has anything unread.
#[test]
fn an_archive_keeps_times_and_threads() {
    let mut table = Table::group(&[1, 2]);
    let entries = vec![said(1, 500, 1, None), said(2, 600, 2, Some(1)), said(3, 600, 1, Some(9))];
    let (counts, change) = import(&mut table, entries);
    assert_eq!(counts, (3, 0, 0));
    let messages: Vec<(u64, u64, Seq)> = change
        .events
        .iter()
        .map(|event| match &event.body {
            EventBody::Message(m) => (m.seq.0, m.message_id.0, m.reply_seq),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(messages, [(1, 1, Seq(0)), (2, 2, Seq(1)), (3, 3, Seq(0))]);
    let header = &table.conversation().header;
    assert_eq!((header.cnt.0, header.imported_seq), (0, Seq(3)));
    let line = Item::of(header, table.conversation().member(UserId(2)).unwrap());
    assert_eq!(line.unread, 0);
}

/// A second run of the same archive adds nothing, a longer one adds its end.
#[test]
fn an_archive_is_taken_once() {
    let mut table = Table::group(&[1, 2]);
    let first = vec![said(1, 500, 1, None), said(2, 600, 2, None)];
    import(&mut table, first.clone());
    let before = table.clone();
    assert_eq!(import(&mut table, first.clone()).0, (0, 2, 0));
    assert_eq!(table, before);
    let longer = [first, vec![said(3, 700, 1, Some(1))]].concat();
    let (counts, change) = import(&mut table, longer);
    assert_eq!(counts, (1, 2, 0));
    let EventBody::Message(m) = &change.events[0].body else { panic!("no message") };
    assert_eq!((m.seq, m.reply_seq), (Seq(3), Seq(1)), "its thread began in an earlier run");
}

/// What is older than the last imported entry, or would stand before native messages, is refused.
#[test]
fn nothing_is_put_in_the_middle() {
    let mut table = Table::group(&[1, 2]);
    import(&mut table, vec![said(1, 500, 1, None)]);
    assert_eq!(import(&mut table, vec![said(2, 499, 1, None)]).0, (0, 0, 1));
    accepted(table.act(1, Action::Send(text("native"))));
    assert_eq!(import(&mut table, vec![said(3, 900, 1, None), said(1, 500, 1, None)]).0, (0, 1, 1));
}

/// Who talks is in, whether the archive kept his join or not; a leave takes him out.
#[test]
fn members_follow_the_archive() {
    let mut table = Table::group(&[1]);
    let entries = vec![
        said(1, 500, 7, None),
        entry(2, 510, 8, ImportItem::Join),
        entry(3, 520, 9, ImportItem::Leave),
        entry(4, 530, 7, ImportItem::Leave),
    ];
    import(&mut table, entries);
    let current: Vec<u64> = table.conversation().current().map(|u| u.0).collect();
    assert_eq!(current, [1, 8]);
    assert_eq!(table.conversation().header.member_count, 2);
    let former = &table.conversation().members[&UserId(9)];
    assert_eq!(former.intervals.len(), 1, "had been in since the beginning");
}
