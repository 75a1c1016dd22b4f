//! The row that says what the store stands for: applied positions, flush numbers, live spaces.

use std::collections::BTreeMap;

use bytes::Bytes;
use tenon_base::{Lsn, PartitionId};
use tenon_ports::{Checkpoint, KvSnapshot, Space};

use crate::codec::{FormatError, Reader, Writer, checked};
use crate::numbers::Numbers;
use crate::space::Live;

const VERSION: u8 = 1;
/// Organisation 0, tag 0: before all tables.
pub(crate) const KEY: &[u8] = &[0; 9];

/// What the checkpoint row holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ledger {
    /// Last record per partition whose effects are all in the engine.
    pub(crate) applied: BTreeMap<PartitionId, Lsn>,
    pub(crate) numbers: Numbers,
    pub(crate) live: Live,
}

impl Ledger {
    pub(crate) fn encode(&self) -> Checkpoint {
        let mut out = Writer::versioned(VERSION);
        out.varint(self.applied.len() as u64);
        for (partition, lsn) in &self.applied {
            out.varint(u64::from(partition.0)).fixed(lsn.0);
        }
        self.numbers.write(&mut out);
        self.live.write(&mut out);
        Checkpoint { key: Bytes::from_static(KEY), value: out.finish_checked(KEY) }
    }

    pub(crate) fn decode(value: &Bytes) -> Result<Self, FormatError> {
        let mut r = Reader::versioned(checked(value, KEY)?, VERSION)?;
        let mut applied = BTreeMap::new();
        for _ in 0..r.count()? {
            let partition = PartitionId(r.varint32()?);
            applied.insert(partition, Lsn(r.fixed()?));
        }
        Ok(Self { applied, numbers: Numbers::read(&mut r)?, live: Live::read(&mut r)? })
    }

    /// Reads the row of a store that is opened; an empty ledger for a new one.
    pub(crate) fn read(snapshot: &dyn KvSnapshot) -> Result<Self, crate::store::StoreError> {
        match snapshot.get(&Space::state(), KEY)? {
            Some(value) => Ok(Self::decode(&value)?),
            None => Ok(Self::default()),
        }
    }
}

/// Last record per partition whose effects an engine holds, read before the log is opened: the log's recovery takes it as
/// evidence against silent loss (K3). Empty for a new store.
///
/// # Errors
/// When the checkpoint cannot be read.
pub fn applied_in(
    snapshot: &dyn KvSnapshot,
) -> Result<Vec<(PartitionId, Lsn)>, crate::store::StoreError> {
    Ok(Ledger::read(snapshot)?.applied.into_iter().collect())
}

/// What is written comes back, but numbers that nobody can confirm any more.
#[test]
fn the_checkpoint_comes_back() {
    let mut ledger = Ledger::default();
    ledger.applied.insert(PartitionId(3), Lsn::new(1, 9));
    let space = ledger.live.target(crate::space::SpaceKind::Row, 8);
    ledger.live.fill(&space);
    let again = Ledger::decode(&ledger.encode().value).unwrap();
    assert_eq!(again, ledger);
    let mut bad = ledger.encode().value.to_vec();
    bad[3] ^= 1;
    assert_eq!(Ledger::decode(&bad.into()), Err(FormatError::Damaged));
}
