//! Both stores give the same rows after the same transactions.

#![allow(
    clippy::unwrap_used,
    reason = "the whole file is a test; its helpers stand outside the test functions"
)]

use tenon_base::{Random, SeededRandom};
use tenon_client::row::{
    ConversationRow, DeviceRow, EventRow, EventWhat, IntervalRow, IntervalsRow, OpaqueRow,
    OutboxRow, ReadPendingRow, Rebased, StreamRow,
};
use tenon_client::store::{Change, RowRange};
use tenon_client::{MemoryStore, SqliteStore, Store, StoreOp};
use tenon_wire::{flag, v1};

/// Ids at both ends of the range, so that the sign is met.
const CONVS: [u64; 3] = [1, 7, u64::MAX];

fn op(random: &SeededRandom) -> StoreOp {
    let draw = |n: u64| random.next_u64() % n;
    let conv = CONVS[usize::try_from(draw(3)).unwrap()];
    let seq = draw(9) + 1;
    let ver = draw(12) + 1;
    let body = bytes::Bytes::from(draw(1_000).to_string());
    match draw(16) {
        0 => StoreOp::Device(DeviceRow { conn_ctr: ver, ..Default::default() }),
        1 => StoreOp::Stream(StreamRow { unit: 1, pts: ver, ..Default::default() }),
        2 => StoreOp::Conversation(Box::new(ConversationRow {
            conv,
            rev: ver,
            ..Default::default()
        })),
        3 => {
            let intervals =
                (0..draw(3)).map(|i| IntervalRow { lo: i * 9 + 1, hi: i * 9 + 2, vrev: ver });
            StoreOp::Intervals(conv, IntervalsRow { intervals: intervals.collect() })
        }
        4..7 => StoreOp::Message(
            conv,
            Box::new(v1::MessageRow { seq, ver, body, ..Default::default() }),
        ),
        7 => StoreOp::Change { conv, seq, ver, change: Change::Tombstone(flag::RECALLED) },
        8 => {
            let change = Change::Content { kind: 0, body, mentions: vec![1], edited_ms: 5 };
            StoreOp::Change { conv, seq, ver, change }
        }
        9 => StoreOp::Gone { conv, lo: seq, hi: if draw(2) == 0 { u64::MAX } else { seq } },
        10 => {
            let message = Some(v1::MessageRow { ver, body, ..Default::default() });
            let row = v1::PrivateMessage {
                anchor_seq: seq,
                pid: draw(2) + 1,
                message,
                ..Default::default()
            };
            StoreOp::Private(conv, Box::new(row))
        }
        11 => {
            StoreOp::Outbox(Box::new(OutboxRow { local: seq, conv, n: ver, ..Default::default() }))
        }
        12 => StoreOp::OutboxDone(seq),
        13 if draw(2) == 0 => StoreOp::ReadDone(conv),
        13 => StoreOp::ReadPending(ReadPendingRow { conv, up_to_seq: seq, up_to_pcnt: 0 }),
        14 if draw(3) == 0 => StoreOp::EventsDone(seq),
        14 => {
            let what = Some(EventWhat::Rebased(Rebased { unit: 1, reason: 2 }));
            StoreOp::Event(Box::new(EventRow { n: seq, what }))
        }
        _ => StoreOp::Opaque(Box::new(OpaqueRow { pts: ver, event: None })),
    }
}

fn assert_equal(a: &mut dyn Store, b: &mut dyn Store, seed: u64) {
    assert_eq!(a.load().unwrap(), b.load().unwrap(), "seed {seed}");
    for conv in CONVS {
        for (limit, is_upward) in [(100, true), (3, true), (3, false)] {
            let range = RowRange { conv, lo: 2, hi: u64::MAX, limit, is_upward };
            assert_eq!(a.messages(range).unwrap(), b.messages(range).unwrap(), "seed {seed}");
        }
        assert_eq!(a.privates(conv, 1, 5).unwrap(), b.privates(conv, 1, 5).unwrap(), "seed {seed}");
    }
}

/// Random transactions leave both stores equal, also after the file was closed and opened.
#[test]
fn stores_agree() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..20 {
        let random = SeededRandom::new(seed);
        let path = folder.path().join(format!("{seed}.db"));
        let (mut memory, mut sqlite) = (MemoryStore::default(), SqliteStore::open(&path).unwrap());
        for round in 0..30 {
            let ops: Vec<_> = (0..random.next_u64() % 8).map(|_| op(&random)).collect();
            memory.commit(ops.clone()).unwrap();
            sqlite.commit(ops).unwrap();
            if round == 15 {
                drop(sqlite);
                sqlite = SqliteStore::open(&path).unwrap();
            }
        }
        assert_equal(&mut memory, &mut sqlite, seed);
    }
}

/// A second process does not get the file, and a file of a newer version is refused.
#[test]
fn a_store_is_opened_once_and_not_by_an_old_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let store = SqliteStore::open(&path).unwrap();
    assert!(SqliteStore::open(&path).is_err());
    drop(store);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 9).unwrap();
    drop(db);
    let error = SqliteStore::open(&path).unwrap_err().to_string();
    assert_eq!(error, "local store has schema 9, this version knows 1");
}
