//! Pieces of an archive that fit one record of the log.

use tenon_base::limits::RECORD_BYTES_MAX;
use tenon_core::{ImportEntry, ImportItem};

/// Largest sum of [`entry_bytes`] in one batch: a record, less 32 KiB for its head, sealing and growth of the form.
pub const BATCH_BYTES_MAX: usize = RECORD_BYTES_MAX - 32 * 1024;
/// Most entries in one batch: each becomes an event and a row, so that one commit stays below a few thousand writes.
pub const BATCH_ENTRIES_MAX: usize = 512;

/// Upper bound of an entry's bytes in a record: key 16, time 10, user 8, tag 1; for a message kind 5, length 10, root
/// 17, id 8, edit 10 besides the body.
pub fn entry_bytes(entry: &ImportEntry) -> usize {
    let head = 16 + 10 + 8 + 1;
    match &entry.item {
        ImportItem::Message { body, .. } => head + 5 + 10 + 17 + 8 + 10 + body.len(),
        ImportItem::Join | ImportItem::Leave => head,
    }
}

/// Cuts a stream of entries into batches, in order, none empty.
///
/// Every batch has at most [`BATCH_ENTRIES_MAX`] entries and [`BATCH_BYTES_MAX`] bytes. After an error nothing more
/// comes; the entries before it come first.
#[derive(Debug)]
pub struct Batches<I, E> {
    entries: I,
    next: Option<ImportEntry>,
    failed: Option<E>,
    is_done: bool,
}

impl<I, E> Batches<I, E>
where
    I: Iterator<Item = Result<ImportEntry, E>>,
{
    /// Batches of `entries`.
    pub const fn new(entries: I) -> Self {
        Self { entries, next: None, failed: None, is_done: false }
    }

    /// The stream behind, with its report.
    pub const fn inner(&self) -> &I {
        &self.entries
    }

    fn pull(&mut self) -> Option<ImportEntry> {
        if self.is_done {
            return None;
        }
        match self.entries.next() {
            Some(Ok(entry)) => Some(entry),
            Some(Err(error)) => {
                self.failed = Some(error);
                self.is_done = true;
                None
            }
            None => {
                self.is_done = true;
                None
            }
        }
    }
}

impl<I, E> Iterator for Batches<I, E>
where
    I: Iterator<Item = Result<ImportEntry, E>>,
{
    type Item = Result<Vec<ImportEntry>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.next.take().or_else(|| self.pull()) {
            bytes += entry_bytes(&entry);
            let is_full = batch.len() >= BATCH_ENTRIES_MAX || bytes > BATCH_BYTES_MAX;
            if is_full && !batch.is_empty() {
                self.next = Some(entry);
                return Some(Ok(batch));
            }
            batch.push(entry);
        }
        if !batch.is_empty() {
            return Some(Ok(batch));
        }
        self.failed.take().map(Err)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tenon_base::limits::BODY_BYTES_MAX;
    use tenon_base::{MessageId, Timestamp, UserId};

    use super::*;

    fn message(n: u64, body: usize) -> ImportEntry {
        let item = ImportItem::Message {
            kind: 1,
            body: Bytes::from(vec![b'x'; body]),
            root: None,
            message_id: MessageId(n),
            edited: Timestamp(0),
        };
        ImportEntry { key: [0; 16], time: Timestamp(n), user: UserId(1), item }
    }

    fn cut(
        entries: Vec<Result<ImportEntry, &'static str>>,
    ) -> Vec<Result<Vec<ImportEntry>, &'static str>> {
        Batches::new(entries.into_iter()).collect()
    }

    /// Nothing is lost, repeated or moved, and both bounds hold, also for the largest bodies.
    #[test]
    fn batches_hold_their_bounds_and_the_order() {
        for body in [0, 100, 900, BODY_BYTES_MAX] {
            let entries: Vec<_> = (0..2000).map(|n| Ok(message(n, body))).collect();
            let mut times = Vec::new();
            for batch in cut(entries) {
                let batch = batch.expect("no error in");
                assert!(!batch.is_empty() && batch.len() <= BATCH_ENTRIES_MAX);
                assert!(batch.iter().map(entry_bytes).sum::<usize>() <= BATCH_BYTES_MAX);
                times.extend(batch.iter().map(|e| e.time.0));
            }
            assert!(times.iter().copied().eq(0..2000), "body of {body}");
        }
    }

    /// What came before an error is given first, then the error, then nothing.
    #[test]
    fn an_error_ends_the_batches() {
        let batches = cut(vec![Ok(message(1, 1)), Err("torn"), Ok(message(2, 1))]);
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[0].as_ref().map(Vec::len), Ok(1));
        assert_eq!(batches[1], Err("torn"));
    }
}
