//! The memtable: one shard per partition, written by the partition's loop alone, read by everybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::{ConversationId, Lsn, Map, OrgId, PartitionId, UserId};

use crate::store::{Cut, Inner};

/// What a run of numbered values is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Series {
    /// Messages of a conversation by seq.
    Message = 0x10,
    /// Events of a conversation by rev.
    Event = 0x11,
    /// A user's own rows of a conversation.
    Inbox = 0x12,
    /// A user's queue by pts.
    Queue = 0x13,
}

/// Names one run: a conversation's messages, a user's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// What it is.
    pub series: Series,
    /// Whose organisation.
    pub org: OrgId,
    /// Conversation or user.
    pub a: u64,
    /// Conversation of an inbox, else 0.
    pub b: u64,
}

impl SeriesKey {
    /// Messages of a conversation.
    pub const fn message(org: OrgId, conv: ConversationId) -> Self {
        Self { series: Series::Message, org, a: conv.0, b: 0 }
    }
    /// Events of a conversation.
    pub const fn event(org: OrgId, conv: ConversationId) -> Self {
        Self { series: Series::Event, org, a: conv.0, b: 0 }
    }
    /// A user's queue.
    pub const fn queue(org: OrgId, user: UserId) -> Self {
        Self { series: Series::Queue, org, a: user.0, b: 0 }
    }
    /// Key of one entry in the engine: org | tag | a | b | number, big-endian so that it orders.
    pub fn row(&self, number: u64) -> Bytes {
        let mut key = BytesMut::with_capacity(33);
        key.put_u64(self.org.0);
        key.put_u8(self.series as u8);
        key.put_u64(self.a);
        key.put_u64(self.b);
        key.put_u64(number);
        key.freeze()
    }
}

/// One numbered value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// The small clear part.
    pub header: Bytes,
    /// The body; empty when only headers were asked for.
    pub body: Bytes,
}

/// Values of one partition since one cut.
#[derive(Debug, Default)]
pub(crate) struct ShardData {
    pub(crate) series: Map<SeriesKey, BTreeMap<u64, (Bytes, Bytes)>>,
    pub(crate) state: BTreeMap<Bytes, Option<Bytes>>,
}

/// A shard. The lock guards the data; writers hold it for one batch, readers for one page.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(crate) data: RwLock<ShardData>,
}

/// The pen of one partition's loop.
#[derive(Debug)]
pub struct ShardWriter {
    partition: PartitionId,
    inner: Arc<Inner>,
    shard: Arc<Shard>,
    appends: Vec<(SeriesKey, Entry)>,
    puts: Vec<(Bytes, Option<Bytes>)>,
    /// Rotation this writer has cut for.
    cut_for: u64,
    rotation: tokio::sync::watch::Receiver<u64>,
}

impl ShardWriter {
    pub(crate) fn new(partition: PartitionId, inner: Arc<Inner>, shard: Arc<Shard>) -> Self {
        let rotation = inner.rotation.subscribe();
        let cut_for = *rotation.borrow();
        Self { partition, inner, shard, appends: Vec::new(), puts: Vec::new(), cut_for, rotation }
    }

    /// Adds a value that is written once.
    pub fn append(&mut self, key: &SeriesKey, number: u64, header: Bytes, body: Bytes) {
        self.appends.push((*key, Entry { number, header, body }));
    }

    /// Puts a state value; `None` deletes it.
    pub fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        self.puts.push((key, value));
    }

    /// Makes everything added so far visible, under one lock.
    pub fn publish(&mut self) {
        if self.appends.is_empty() && self.puts.is_empty() {
            return;
        }
        let mut bytes = 0;
        let mut data = self.shard.data.write().unwrap_or_else(PoisonError::into_inner);
        for (key, entry) in self.appends.drain(..) {
            bytes += entry.header.len() + entry.body.len() + 64;
            data.series.entry(key).or_default().insert(entry.number, (entry.header, entry.body));
        }
        for (key, value) in self.puts.drain(..) {
            bytes += key.len() + value.as_ref().map_or(0, Bytes::len) + 64;
            data.state.insert(key, value);
        }
        drop(data);
        self.inner.grow(bytes);
    }

    /// True when the memtable rotates and this partition has not cut yet.
    pub fn rotation_wanted(&self) -> bool {
        *self.rotation.borrow() > self.cut_for
    }

    /// Waits until [`Self::rotation_wanted`].
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn rotation(&mut self) {
        let cut_for = self.cut_for;
        // The sender lives in the store, which this writer keeps alive; an error cannot happen.
        if self.rotation.wait_for(|wanted| *wanted > cut_for).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the shard between two records: the state put so far stands for everything up to `applied`, and for fan-outs up
    /// to the given positions. The partition goes on in a new shard.
    pub fn cut(&mut self, applied: Lsn, fan_out: &[(PartitionId, Lsn)]) {
        self.publish();
        self.cut_for = *self.rotation.borrow();
        let cut = Cut { applied, fan_out: fan_out.to_vec() };
        self.shard = self.inner.cut(self.partition, cut);
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        self.inner.writer_gone(self.partition);
    }
}

/// Bytes in the active shards.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn add(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
