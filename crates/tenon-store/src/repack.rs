//! Re-pack: rows of a full generation join their neighbours in blocks, and the generation is dropped whole.

use bytes::Bytes;
use tenon_base::Lsn;
use tenon_ports::{Direction, Space};

use crate::flush::breathe;
use crate::memtable::{Entry, SeriesKey};
use crate::pack::{Packer, Policy, Shape};
use crate::row::Row;
use crate::space::{LiveSpace, SpaceKind};
use crate::store::{Inner, Store, StoreError};
use crate::view::Chains;

/// Rows of one step: bounds what is in memory and how long a step computes.
const STEP_ROWS: usize = 1024;
/// Bytes of one step.
const STEP_BYTES: usize = 1 << 20;
/// Packed bytes that are written at once.
const CHUNK_BYTES: usize = 16 << 20;

/// What a re-pack did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repacked {
    /// Rows that were read and count.
    pub rows: u64,
    /// Rows of aborted flushes, passed over.
    pub skipped: u64,
    /// Rows that do not verify, carried along as they are.
    pub damaged: u64,
    /// In what shape the values left.
    pub shape: Shape,
}

impl Store {
    /// Re-packs the oldest full generation, if there is one. What it wrote is durable on return, and in every new view.
    ///
    /// # Cancel safety
    /// May be dropped: what was written so far is never read.
    ///
    /// # Errors
    /// When the engine fails; it can be done again.
    pub async fn repack_once(&self) -> Result<Option<Repacked>, StoreError> {
        let inner = &*self.inner;
        let _one_at_a_time = inner.repacking.lock().await;
        let found = {
            let ledger = inner.ledger.lock().await;
            let (live, max) = (&ledger.live, inner.options.generation_fills);
            live.full(SpaceKind::Long, max).or_else(|| live.full(SpaceKind::Row, max)).cloned()
        };
        let Some(source) = found else { return Ok(None) };
        let (number, packer) = inner.begin(SpaceKind::Long).await?;
        // Taken after `begin`: a view that another publishes meanwhile hides this number.
        let chains = inner.view.load_full();
        let repacked = repack(inner, &chains, &source, number, packer).await;
        match &repacked {
            Ok(repacked) => inner.counters.repacked(&repacked.shape),
            Err(_) => {
                inner.counters.failed();
                inner.abort(number).await;
            }
        }
        repacked.map(Some)
    }

    /// Re-packs whenever a generation is full. Ends when dropped.
    ///
    /// Compresses on the thread that polls it, in steps of some milliseconds: give it a thread of low priority, not the one of
    /// the flush.
    ///
    /// # Errors
    /// When a re-pack fails.
    pub async fn run_repack(self) -> Result<(), StoreError> {
        loop {
            while self.repack_once().await?.is_some() {}
            self.inner.generation_full.notified().await;
        }
    }
}

async fn repack(
    inner: &Inner,
    chains: &Chains,
    source: &LiveSpace,
    number: u64,
    mut packer: Packer,
) -> Result<Repacked, StoreError> {
    // A long generation ends here: its last singles become blocks of one.
    let policy = Policy::Values(if source.kind == SpaceKind::Long { 1 } else { 2 });
    let long_space =
        inner.ledger.lock().await.live.target(SpaceKind::Long, inner.options.generation_fills);
    let mut reader = Reader { chains, source, from: Bytes::new(), done: Repacked::default() };
    let mut pending: Option<(SeriesKey, Vec<(Entry, Lsn)>)> = None;
    while let Some(rows) = reader.step(inner)? {
        for found in rows {
            match (found, &mut pending) {
                (Found::Value(series, entry, lsn), Some((key, entries))) if *key == series => {
                    entries.push((entry, lsn));
                }
                (Found::Value(series, entry, lsn), _) => {
                    add(&mut packer, pending.take(), policy);
                    pending = Some((series, vec![(entry, lsn)]));
                }
                (Found::Damaged(key, value), _) => {
                    // It must stay readable as damaged, and in its order.
                    add(&mut packer, pending.take(), policy);
                    packer.add_raw(key, value);
                }
            }
        }
        if packer.held_bytes() >= CHUNK_BYTES {
            let ledger = inner.ledger.lock().await;
            inner.kv.flush(packer.take_runs(), ledger.encode()).await?;
        }
        breathe().await;
    }
    add(&mut packer, pending, policy);
    let mut done = reader.done;
    let runs = packer.take_runs();
    done.shape = packer.shape;
    let from_rows = source.kind == SpaceKind::Row;
    let change = |ledger: &mut crate::checkpoint::Ledger| {
        ledger.live.remove(&source.space);
        if from_rows {
            ledger.live.fill(&long_space);
        }
    };
    inner.commit(number, runs, &[], change).await?;
    drop_space(inner, &source.space).await;
    Ok(done)
}

/// Old views go on reading it; a failure leaves a stray, which the next open finds.
async fn drop_space(inner: &Inner, space: &Space) {
    if inner.kv.drop_space(space).await.is_err() {
        inner.counters.failed();
    }
}

fn add(packer: &mut Packer, pending: Option<(SeriesKey, Vec<(Entry, Lsn)>)>, policy: Policy) {
    if let Some((series, entries)) = pending {
        let lsn = entries.iter().map(|(_, lsn)| *lsn).max().unwrap_or_default();
        let entries: Vec<Entry> = entries.into_iter().map(|(entry, _)| entry).collect();
        packer.add(series, &entries, lsn, policy);
    }
}

enum Found {
    Value(SeriesKey, Entry, Lsn),
    Damaged(Bytes, Bytes),
}

struct Reader<'a> {
    chains: &'a Chains,
    source: &'a LiveSpace,
    from: Bytes,
    done: Repacked,
}

impl Reader<'_> {
    fn step(&mut self, inner: &Inner) -> Result<Option<Vec<Found>>, StoreError> {
        let rows = self.chains.snapshot.scan(
            &self.source.space,
            &self.from,
            &[0xff; 64],
            Direction::Forward,
            STEP_ROWS,
            STEP_BYTES,
        )?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let mut from = last.to_vec();
        from.push(0);
        self.from = from.into();
        let mut found = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let decoded =
                SeriesKey::decode_row(&key).and_then(|at| Ok((at, Row::decode(&key, &value)?)));
            match decoded {
                Err(_) => {
                    self.done.damaged += 1;
                    inner.counters.found_damage();
                    found.push(Found::Damaged(key, value));
                }
                Ok((_, row)) if self.chains.hidden.hides(row.flush) => self.done.skipped += 1,
                Ok(((series, number), row)) => {
                    self.done.rows += 1;
                    let entry = Entry { number, header: row.header, body: row.body };
                    found.push(Found::Value(series, entry, row.lsn));
                }
            }
        }
        Ok(Some(found))
    }
}
