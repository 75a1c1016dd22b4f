//! The store of a real device: one SQLite file, one transaction per commit.
//!
//! Ids and numbers are 64 bits without sign; SQLite has a sign, so they are stored bit by bit. Ranges of seqs stay
//! below 2^63, where both orders agree.

use std::path::Path;

use prost::Message;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tenon_wire::v1;

use super::{RowRange, Store, StoreError, StoreOp};
use crate::row::{IntervalsRow, Loaded};

/// Schema of the file; a newer one is refused.
const SCHEMA: u32 = 1;
/// Pages kept in memory, in KiB: the engine holds what it needs often.
const CACHE_KIB: i64 = 512;

/// How long another process may take to let go of the file: one that is closing needs little.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_millis(500);

const TABLES: &str = "
CREATE TABLE device (id INTEGER PRIMARY KEY CHECK (id = 1), row BLOB NOT NULL);
CREATE TABLE cursor (unit INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE conversation (conv INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE interval (conv INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE message (conv INTEGER, seq INTEGER, ver INTEGER NOT NULL, row BLOB NOT NULL,
                      PRIMARY KEY (conv, seq)) WITHOUT ROWID;
CREATE TABLE private_message (conv INTEGER, anchor_seq INTEGER, pid INTEGER, ver INTEGER NOT NULL, row BLOB NOT NULL,
                              PRIMARY KEY (conv, anchor_seq, pid)) WITHOUT ROWID;
CREATE TABLE outbox (local INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE read_pending (conv INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE module_inbox (n INTEGER PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE opaque (pts INTEGER PRIMARY KEY, row BLOB NOT NULL);
";

/// A local store in one file. Only one process may have it open.
#[derive(Debug)]
pub struct SqliteStore {
    db: Connection,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl SqliteStore {
    /// Opens or makes the file. Its folder must exist.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a file of a newer version; [`StoreError::Engine`] if another process has it open
    /// or it is no such file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(BUSY_WAIT)?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > SCHEMA {
            return Err(StoreError::Newer { found, known: SCHEMA });
        }
        if found == 0 {
            let tx = db.transaction()?;
            tx.execute_batch(TABLES)?;
            tx.pragma_update(None, "user_version", SCHEMA)?;
            tx.commit()?;
        }
        db.set_prepared_statement_cache_capacity(32);
        Ok(Self { db })
    }

    fn rows<M: Message + Default>(&self, sql: &str) -> Result<Vec<M>, StoreError> {
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(M::decode(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
        }
        Ok(out)
    }

    fn intervals(&self) -> Result<Vec<(u64, IntervalsRow)>, StoreError> {
        let mut statement = self.db.prepare("SELECT row, conv FROM interval")?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let conv: i64 = row.get(1)?;
            out.push((conv.cast_unsigned(), IntervalsRow::decode(blob)?));
        }
        out.sort_by_key(|(conv, _)| *conv);
        Ok(out)
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut conversations: Vec<crate::row::ConversationRow> =
            self.rows("SELECT row FROM conversation")?;
        conversations.sort_by_key(|row| row.conv);
        let mut reads: Vec<crate::row::ReadPendingRow> =
            self.rows("SELECT row FROM read_pending")?;
        reads.sort_by_key(|row| row.conv);
        Ok(Loaded {
            device: self.rows("SELECT row FROM device")?.pop(),
            streams: self.rows("SELECT row FROM cursor ORDER BY unit")?,
            conversations,
            intervals: self.intervals()?,
            outbox: self.rows("SELECT row FROM outbox ORDER BY local")?,
            reads,
            events: self.rows("SELECT row FROM module_inbox ORDER BY n")?,
        })
    }

    fn commit(&mut self, ops: Vec<StoreOp>) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        for op in ops {
            apply(&tx, op)?;
        }
        tx.commit()?;
        Ok(())
    }

    fn messages(&mut self, range: RowRange) -> Result<Vec<v1::MessageRow>, StoreError> {
        let order = if range.is_upward { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT row FROM message WHERE conv = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq {order} LIMIT ?4"
        );
        let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
        let (lo, hi) = (signed(range.lo), signed(range.hi));
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params![range.conv.cast_signed(), lo, hi, limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            out.push(v1::MessageRow::decode(blob)?);
        }
        if !range.is_upward {
            out.reverse();
        }
        Ok(out)
    }

    fn privates(
        &mut self,
        conv: u64,
        lo: u64,
        hi: u64,
    ) -> Result<Vec<v1::PrivateMessage>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT row FROM private_message WHERE conv = ?1 AND anchor_seq BETWEEN ?2 AND ?3 ORDER BY anchor_seq, pid",
        )?;
        let mut rows = statement.query(params![conv.cast_signed(), signed(lo), signed(hi)])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            out.push(v1::PrivateMessage::decode(blob)?);
        }
        Ok(out)
    }
}

/// A seq or version as SQLite orders it; above 2^63 there is none.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn apply(tx: &Transaction<'_>, op: StoreOp) -> Result<(), StoreError> {
    match op {
        StoreOp::Device(row) => put(tx, "device", "id", 1, &row),
        StoreOp::Stream(row) => put(tx, "cursor", "unit", i64::from(row.unit), &row),
        StoreOp::Conversation(row) => {
            put(tx, "conversation", "conv", row.conv.cast_signed(), row.as_ref())
        }
        StoreOp::Intervals(conv, row) if row.intervals.is_empty() => {
            delete(tx, "interval", "conv", conv.cast_signed())
        }
        StoreOp::Intervals(conv, row) => put(tx, "interval", "conv", conv.cast_signed(), &row),
        StoreOp::Message(conv, row) => put_message(tx, conv, &row),
        StoreOp::Change { conv, seq, ver, change } => {
            let mut held = tx.prepare_cached(
                "SELECT row FROM message WHERE conv = ?1 AND seq = ?2 AND ver < ?3",
            )?;
            let key = params![conv.cast_signed(), signed(seq), signed(ver)];
            let blob: Option<Vec<u8>> = held.query_row(key, |row| row.get(0)).optional()?;
            let Some(blob) = blob else { return Ok(()) };
            let mut row = v1::MessageRow::decode(blob.as_slice())?;
            change.apply(&mut row, ver);
            put_message(tx, conv, &row)
        }
        StoreOp::Gone { conv, lo, hi } => {
            tx.prepare_cached("DELETE FROM message WHERE conv = ?1 AND seq BETWEEN ?2 AND ?3")?
                .execute(params![conv.cast_signed(), signed(lo), signed(hi)])?;
            Ok(())
        }
        StoreOp::Private(conv, row) => put_private(tx, conv, &row),
        StoreOp::Outbox(row) => put(tx, "outbox", "local", signed(row.local), row.as_ref()),
        StoreOp::OutboxDone(local) => delete(tx, "outbox", "local", signed(local)),
        StoreOp::ReadPending(row) => put(tx, "read_pending", "conv", row.conv.cast_signed(), &row),
        StoreOp::ReadDone(conv) => delete(tx, "read_pending", "conv", conv.cast_signed()),
        StoreOp::Event(row) => put(tx, "module_inbox", "n", signed(row.n), row.as_ref()),
        StoreOp::EventsDone(n) => {
            tx.prepare_cached("DELETE FROM module_inbox WHERE n <= ?1")?.execute([signed(n)])?;
            Ok(())
        }
        StoreOp::Opaque(row) => put(tx, "opaque", "pts", signed(row.pts), row.as_ref()),
    }
}

fn put<M: Message>(
    tx: &Transaction<'_>,
    table: &str,
    key: &str,
    id: i64,
    row: &M,
) -> Result<(), StoreError> {
    let sql = format!("INSERT OR REPLACE INTO {table} ({key}, row) VALUES (?1, ?2)");
    tx.prepare_cached(&sql)?.execute(params![id, row.encode_to_vec()])?;
    Ok(())
}

fn delete(tx: &Transaction<'_>, table: &str, key: &str, id: i64) -> Result<(), StoreError> {
    tx.prepare_cached(&format!("DELETE FROM {table} WHERE {key} = ?1"))?.execute([id])?;
    Ok(())
}

fn put_message(tx: &Transaction<'_>, conv: u64, row: &v1::MessageRow) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO message (conv, seq, ver, row) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET ver = excluded.ver, row = excluded.row WHERE excluded.ver > ver",
    )?
    .execute(params![
        conv.cast_signed(),
        signed(row.seq),
        signed(row.ver),
        row.encode_to_vec()
    ])?;
    Ok(())
}

fn put_private(
    tx: &Transaction<'_>,
    conv: u64,
    row: &v1::PrivateMessage,
) -> Result<(), StoreError> {
    let ver = row.message.as_ref().map_or(0, |message| message.ver);
    let (anchor, pid) = (signed(row.anchor_seq), signed(row.pid));
    tx.prepare_cached(
        "INSERT INTO private_message (conv, anchor_seq, pid, ver, row) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET ver = excluded.ver, row = excluded.row WHERE excluded.ver > ver",
    )?
    .execute(params![conv.cast_signed(), anchor, pid, signed(ver), row.encode_to_vec()])?;
    Ok(())
}
