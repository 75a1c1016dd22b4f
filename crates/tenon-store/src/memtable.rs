//! The memtable: one shard per partition, written by the partition's loop alone, read by everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::{ConversationId, Lsn, Map, OrgId, PartitionId, UserId};

use crate::codec::{FormatError, Reader};
use crate::home;
use crate::store::{Cut, Inner};

/// What a value costs in memory besides its bytes: its place in the list and the two counts behind its bytes.
const ENTRY_BYTES: usize = 96;

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

impl Series {
    pub(crate) const fn from_number(number: u8) -> Result<Self, FormatError> {
        match number {
            0x10 => Ok(Self::Message),
            0x11 => Ok(Self::Event),
            0x12 => Ok(Self::Inbox),
            0x13 => Ok(Self::Queue),
            other => Err(FormatError::Unknown(other as u64)),
        }
    }
}

/// Names one run: a conversation's messages, a user's queue. Orders as its engine keys do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// Whose organisation.
    pub org: OrgId,
    /// What it is.
    pub series: Series,
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
    /// A user's own rows of a conversation.
    pub const fn inbox(org: OrgId, user: UserId, conv: ConversationId) -> Self {
        Self { series: Series::Inbox, org, a: user.0, b: conv.0 }
    }
    /// A user's queue.
    pub const fn queue(org: OrgId, user: UserId) -> Self {
        Self { series: Series::Queue, org, a: user.0, b: 0 }
    }

    /// org | tag | a | b of an inbox.
    pub(crate) fn write_prefix(&self, key: &mut BytesMut) {
        key.put_u64(self.org.0);
        key.put_u8(self.series as u8);
        key.put_u64(self.a);
        if self.series == Series::Inbox {
            key.put_u64(self.b);
        }
    }

    pub(crate) const fn prefix_len(&self) -> usize {
        if matches!(self.series, Series::Inbox) { 25 } else { 17 }
    }

    /// Prefix | number, big-endian so that it orders. The upper 48 bits of the number are the bucket (65,536 numbers), at
    /// which a wide-column engine splits its partitions.
    pub(crate) fn row(&self, number: u64) -> Bytes {
        let mut key = BytesMut::with_capacity(33);
        self.write_prefix(&mut key);
        key.put_u64(number);
        key.freeze()
    }

    /// The series and number of an engine key made by [`Self::row`].
    pub(crate) fn decode_row(key: &Bytes) -> Result<(Self, u64), FormatError> {
        let mut r = Reader::plain(key.clone());
        let org = OrgId(r.fixed_be()?);
        let series = Series::from_number(r.byte()?)?;
        let a = r.fixed_be()?;
        let b = if series == Series::Inbox { r.fixed_be()? } else { 0 };
        Ok((Self { org, series, a, b }, r.fixed_be()?))
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
    /// Ascending by number: they are given so, and a page is a slice.
    pub(crate) series: Map<SeriesKey, Vec<Entry>>,
    pub(crate) state: BTreeMap<Bytes, Option<Bytes>>,
}

impl ShardData {
    fn append(&mut self, key: SeriesKey, entry: Entry) {
        let entries = self.series.entry(key).or_default();
        if entries.last().is_none_or(|last| last.number < entry.number) {
            entries.push(entry);
            return;
        }
        match entries.binary_search_by_key(&entry.number, |e| e.number) {
            Ok(at) => entries[at] = entry,
            Err(at) => entries.insert(at, entry),
        }
    }

    /// Entries with `from <= number <= to`.
    pub(crate) fn entries(&self, key: &SeriesKey, from: u64, to: u64) -> &[Entry] {
        let entries = self.series.get(key).map_or(&[][..], Vec::as_slice);
        let start = entries.partition_point(|e| e.number < from);
        let end = entries.partition_point(|e| e.number <= to);
        entries.get(start..end).unwrap_or(&[])
    }
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

    /// Adds a value that is written once. Whoever reads bounds himself by a tip that was published with the value or later.
    pub fn append(&mut self, key: &SeriesKey, number: u64, header: Bytes, body: Bytes) {
        self.appends.push((*key, Entry { number, header, body }));
    }

    /// Puts a state value; `None` deletes it.
    pub fn put(&mut self, key: Bytes, value: Option<Bytes>) {
        self.puts.push((key, value));
    }

    /// Makes everything added so far visible, under one lock. Not durable: the log is.
    pub fn publish(&mut self) {
        if self.appends.is_empty() && self.puts.is_empty() {
            return;
        }
        self.check_homes();
        let mut memory_bytes = 0;
        let mut user_bytes = 0;
        let mut data = self.shard.data.write().unwrap_or_else(PoisonError::into_inner);
        for (key, entry) in self.appends.drain(..) {
            let bytes = entry.header.len() + entry.body.len();
            user_bytes += bytes;
            memory_bytes += bytes + ENTRY_BYTES;
            data.append(key, entry);
        }
        for (key, value) in self.puts.drain(..) {
            let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
            user_bytes += bytes;
            memory_bytes += bytes + ENTRY_BYTES;
            data.state.insert(key, value);
        }
        drop(data);
        self.inner.grow(memory_bytes, user_bytes);
    }

    /// A value in the wrong memtable would not be found.
    fn check_homes(&self) {
        let Some(layout) = self.inner.options.layout else { return };
        let is_ours = |home: Option<PartitionId>| home.is_none_or(|home| home == self.partition);
        for (key, _) in &self.appends {
            tenon_base::always!(is_ours(home::of_series(layout, key)), "wrong partition: {key:?}");
        }
        for (key, _) in &self.puts {
            tenon_base::always!(is_ours(home::of_state(layout, key)), "wrong partition: {key:?}");
        }
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
