//! Fan-out: one record per destination partition, recipients inside, tagged with the source position.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenon_base::{Lsn, OrgId, PartitionId, UserId};
use tenon_core::Layout;
use tenon_core::conversation::decide::{Recipients, Tell};
use tenon_core::user::FanOut;
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError};
use tenon_store::record;

use crate::hot_state::Hot;

/// Payload above which a record is closed: half of what a record may hold, so that one more item always fits.
const RECORD_BYTES_TARGET: usize = 128 * 1024;
/// Estimated bytes of an item without recipients (an inline list line is the largest).
const ITEM_BYTES: usize = 160;
/// Estimated bytes per recipient: deltas of random ids.
const RECIPIENT_BYTES: usize = 9;

/// Gathers what a batch of records tells, by destination.
#[derive(Debug)]
pub struct Gather {
    source: PartitionId,
    layout: Layout,
    /// Position up to which each destination has applied this source; a replay tells only what lies behind.
    resume: BTreeMap<PartitionId, (Lsn, u32)>,
    pending: BTreeMap<PartitionId, Vec<FanOut>>,
    /// Last position written per destination, for the cut (E4).
    written: BTreeMap<PartitionId, Lsn>,
}

impl Gather {
    /// Nothing gathered yet.
    pub fn new(
        source: PartitionId,
        layout: Layout,
        resume: BTreeMap<PartitionId, (Lsn, u32)>,
    ) -> Self {
        Self { source, layout, resume, pending: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// Takes the tells of one command of the record at `lsn`; `index` counts over the whole record. Returns recipients.
    pub fn tell(
        &mut self,
        org: OrgId,
        lsn: Lsn,
        index: &mut u32,
        hot: &mut Hot,
        tells: Vec<Tell>,
    ) -> u64 {
        let mut told = 0;
        for tell in tells {
            let at = *index;
            *index += 1;
            match &tell.to {
                Recipients::Members => {
                    for (partition, users) in hot.recipients(self.layout).iter() {
                        told += self.add(*partition, org, (lsn, at), &tell, users.clone());
                    }
                }
                Recipients::Users(users) => {
                    let mut split: BTreeMap<PartitionId, Vec<UserId>> = BTreeMap::new();
                    for user in users {
                        split.entry(self.layout.user(*user)).or_default().push(*user);
                    }
                    for (partition, users) in split {
                        told += self.add(partition, org, (lsn, at), &tell, users);
                    }
                }
            }
        }
        told
    }

    fn add(
        &mut self,
        partition: PartitionId,
        org: OrgId,
        at: (Lsn, u32),
        tell: &Tell,
        recipients: Vec<UserId>,
    ) -> u64 {
        let lost = u64::from(tenon_base::planted!("resume-too-far"));
        let is_applied = |seen: &(Lsn, u32)| (Lsn(at.0.0.saturating_sub(lost)), at.1) <= *seen;
        let is_told = self.resume.get(&partition).is_some_and(is_applied);
        if is_told && !tenon_base::planted!("no-resume") {
            return 0;
        }
        let count = recipients.len() as u64;
        self.pending.entry(partition).or_default().push(FanOut {
            org,
            source: at.0,
            index: at.1,
            ts: tell.ts,
            item: tell.item.clone(),
            recipients,
        });
        count
    }

    /// Puts what was gathered into the user logs, lazily: it is derived, and the checkpoint of this partition waits for it.
    ///
    /// # Errors
    /// When the log refuses; nothing gathered is forgotten.
    pub async fn flush(&mut self, log: &Arc<dyn Log>, time_us: u64) -> Result<(), LogError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut appends = Vec::new();
        for (partition, items) in &self.pending {
            for chunk in chunks(items) {
                appends.push(Append {
                    partition: *partition,
                    producer: u64::from(self.source.0),
                    producer_seq: chunk.last().map_or(0, |f| f.source.0),
                    time_us,
                    key_id: 0,
                    leader_epoch: 0,
                    kind: kind::FAN_OUT,
                    payload: record::encode_fan_out(chunk),
                });
            }
        }
        let partitions: Vec<PartitionId> = appends.iter().map(|a| a.partition).collect();
        let lsns = loop {
            match log.append(appends.clone(), Durability::Lazy).await {
                // The records behind this turn are durable: nothing is answered until what follows from them has its place.
                Err(LogError::Full | LogError::DiskFull) => log.room().await,
                other => break other?,
            }
        };
        for (partition, lsn) in partitions.into_iter().zip(lsns) {
            self.written.insert(partition, lsn);
        }
        self.pending.clear();
        Ok(())
    }

    /// The last fan-out positions, which must be durable before a checkpoint that stands on them.
    pub fn written(&self) -> Vec<(PartitionId, Lsn)> {
        self.written.iter().map(|(p, l)| (*p, *l)).collect()
    }
}

/// Cuts items into records.
fn chunks(items: &[FanOut]) -> Vec<&[FanOut]> {
    let mut out = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, item) in items.iter().enumerate() {
        bytes += ITEM_BYTES + item.recipients.len() * RECIPIENT_BYTES;
        if bytes > RECORD_BYTES_TARGET && i > start {
            out.push(&items[start..i]);
            start = i;
            bytes = ITEM_BYTES + item.recipients.len() * RECIPIENT_BYTES;
        }
    }
    if start < items.len() {
        out.push(&items[start..]);
    }
    out
}
