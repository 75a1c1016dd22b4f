//! The ordered store on fjall (`docs/decisions/0003`): ingestion only, `state` with the checkpoint last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, Readable,
    Snapshot,
};
use tenon_base::ByteSize;
use tenon_ports::kv::{Page, check_flush, check_space};
use tenon_ports::{Checkpoint, Direction, Kv, KvError, KvSnapshot, Run, Space};

use crate::blocking::blocking;

/// Values of block spaces from this size on lie in value files, so that compaction never copies them.
const SEPARATION_BYTES: u32 = 1536;
/// Target size of a value file.
const VALUE_FILE_BYTES: u64 = 64 << 20;
/// Data block of the key files: little dearer to read than 4 KiB, and it compresses better.
const DATA_BLOCK_BYTES: u32 = 16 << 10;
/// Values from this size on are handed out without a copy; smaller ones are copied, so that they do not pin a whole block.
const SHARE_BYTES: usize = 1024;

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct KvOptions {
    /// Memory for the engine's cache of blocks and values.
    pub cache: ByteSize,
    /// Threads that compact.
    pub workers: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self { cache: ByteSize::mib(128), workers: 2 }
    }
}

/// The ordered store of one node, in one directory.
///
/// One flush at a time; a flush becomes visible as a whole, when it returns. The first error or panic of the engine shuts the
/// store: reads go on from the last picture, flushes end [`KvError::Shut`] until the directory is opened again.
pub struct FjallKv {
    engine: Arc<Engine>,
}

struct Engine {
    path: PathBuf,
    database: Database,
    /// One writer: a flush or a drop. Inside: why the store is shut, if it is.
    writer: Mutex<Option<String>>,
    /// The newest picture. Replaced after the last `finish` of a flush, so no reader sees half of one.
    picture: Mutex<Arc<Picture>>,
}

/// An engine snapshot with the spaces that existed when it was taken.
struct Picture {
    snapshot: Snapshot,
    spaces: BTreeMap<Space, Keyspace>,
}

impl FjallKv {
    /// Opens the store in `path`, or makes an empty one where nothing is. It is made beside `path`, as `NAME.new`, and
    /// gets its name when it is whole and synced: the engine does not open one whose making was interrupted.
    ///
    /// # Errors
    /// [`KvError::Engine`] when the engine refuses the directory.
    pub fn open(path: &Path, options: &KvOptions) -> Result<Self, KvError> {
        let database = catch_unwind(|| {
            if is_absent(path)? {
                bear(path)?;
            }
            let database = Database::builder(path)
                .cache_size(options.cache.0)
                .worker_threads(options.workers.max(1))
                .open()?;
            let mut spaces = BTreeMap::new();
            for name in database.list_keyspace_names() {
                // Options are those the keyspace was made with.
                let keyspace = database.keyspace(&name, KeyspaceCreateOptions::default)?;
                spaces.insert(Space::new(&name), keyspace);
            }
            Ok((database, spaces))
        });
        let (database, spaces) = database
            .unwrap_or_else(|_| Err(fjall::Error::Unrecoverable))
            .map_err(|error| engine_error(&error))?;
        let picture = Picture { snapshot: database.snapshot(), spaces };
        let engine = Engine {
            path: path.to_owned(),
            database,
            writer: Mutex::new(None),
            picture: Mutex::new(Arc::new(picture)),
        };
        Ok(Self { engine: Arc::new(engine) })
    }
}

#[async_trait]
impl Kv for FjallKv {
    async fn flush(&self, runs: Vec<Run>, checkpoint: Checkpoint) -> Result<(), KvError> {
        check_flush(&runs, &checkpoint)?;
        let engine = Arc::clone(&self.engine);
        let write = move || engine.write(|spaces| engine.flush(spaces, runs, checkpoint));
        blocking(write).await.map_err(|_| KvError::Engine("flush panicked".to_owned()))?
    }

    fn snapshot(&self) -> Arc<dyn KvSnapshot> {
        self.engine.picture() as Arc<dyn KvSnapshot>
    }

    fn spaces(&self) -> Vec<Space> {
        self.engine.picture().spaces.keys().cloned().collect()
    }

    async fn drop_space(&self, space: &Space) -> Result<(), KvError> {
        check_space(space)?;
        let (engine, space) = (Arc::clone(&self.engine), space.clone());
        let write = move || {
            engine.write(|spaces| match spaces.remove(&space) {
                Some(keyspace) => engine.database.delete_keyspace(keyspace),
                None => Ok(()),
            })
        };
        blocking(write).await.map_err(|_| KvError::Engine("drop panicked".to_owned()))?
    }

    fn disk_bytes(&self) -> u64 {
        let spaces = &self.engine.picture().spaces;
        spaces.values().map(Keyspace::disk_space).sum()
    }
}

impl Engine {
    fn picture(&self) -> Arc<Picture> {
        Arc::clone(&locked(&self.picture))
    }

    /// Runs one change with the spaces as they are, then publishes what came out. An error or a panic shuts the store.
    fn write(
        &self,
        act: impl FnOnce(&mut BTreeMap<Space, Keyspace>) -> fjall::Result<()>,
    ) -> Result<(), KvError> {
        let mut shut = locked(&self.writer);
        if let Some(reason) = shut.as_ref() {
            return Err(KvError::Shut(reason.clone()));
        }
        let mut spaces = self.picture().spaces.clone();
        match catch_unwind(AssertUnwindSafe(|| act(&mut spaces))) {
            Ok(Ok(())) => {
                let picture = Picture { snapshot: self.database.snapshot(), spaces };
                *locked(&self.picture) = Arc::new(picture);
                Ok(())
            }
            Ok(Err(error)) => {
                *shut = Some(error.to_string());
                Err(engine_error(&error))
            }
            Err(_) => {
                *shut = Some("the engine panicked".to_owned());
                Err(KvError::Engine("the engine panicked".to_owned()))
            }
        }
    }

    /// Append spaces first, then the state run and the checkpoint in one ingestion (E5): it alone decides.
    fn flush(
        &self,
        spaces: &mut BTreeMap<Space, Keyspace>,
        runs: Vec<Run>,
        checkpoint: Checkpoint,
    ) -> fjall::Result<()> {
        let mut of_state = Vec::new();
        for run in runs {
            if run.space == Space::state() {
                of_state = run.rows;
            } else if !run.rows.is_empty() {
                let keyspace = self.space(spaces, &run.space, run.large_values)?;
                ingest(&keyspace, &run.rows)?;
            }
        }
        let at = of_state.partition_point(|(key, _)| *key < checkpoint.key);
        of_state.insert(at, (checkpoint.key, Some(checkpoint.value)));
        let keyspace = self.space(spaces, &Space::state(), false)?;
        ingest(&keyspace, &of_state)
    }

    fn space(
        &self,
        spaces: &mut BTreeMap<Space, Keyspace>,
        space: &Space,
        large_values: bool,
    ) -> fjall::Result<Keyspace> {
        if let Some(keyspace) = spaces.get(space) {
            return Ok(keyspace.clone());
        }
        let keyspace = self.database.keyspace(&space.0, || space_options(large_values))?;
        // The engine syncs the new directory's parents lazily; its name must be there before a checkpoint tells of it.
        sync_directory(&self.path.join("keyspaces"))?;
        spaces.insert(space.clone(), keyspace.clone());
        Ok(keyspace)
    }
}

/// True where nothing is, or an empty directory.
fn is_absent(path: &Path) -> io::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes an empty store that is there as a whole or not at all.
fn bear(path: &Path) -> fjall::Result<()> {
    let unborn = path.with_extension("new");
    if unborn.exists() {
        std::fs::remove_dir_all(&unborn)?;
    }
    drop(Database::builder(&unborn).worker_threads(1).open()?);
    sync_tree(&unborn)?;
    std::fs::rename(&unborn, path)?;
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Syncs every file and name below a directory.
fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(path)?.sync_all()
}

/// One sorted run, visible in one step and synced on return.
fn ingest(keyspace: &Keyspace, rows: &[(Bytes, Option<Bytes>)]) -> fjall::Result<()> {
    let mut ingestion = keyspace.start_ingestion()?;
    for (key, value) in rows {
        match value {
            Some(value) => ingestion.write(key.as_ref(), value.as_ref())?,
            None => ingestion.write_tombstone(key.as_ref())?,
        }
    }
    ingestion.finish()?;
    // Version 3.1 syncs value files but not the name of a new one.
    sync_directory(&keyspace.path().join("blobs"))
}

fn sync_directory(path: &Path) -> fjall::Result<()> {
    match File::open(path) {
        Ok(directory) => Ok(directory.sync_all()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn space_options(large_values: bool) -> KeyspaceCreateOptions {
    let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
    let separation = KvSeparationOptions::default()
        .compression(CompressionType::None)
        .separation_threshold(SEPARATION_BYTES)
        .file_target_size(VALUE_FILE_BYTES);
    KeyspaceCreateOptions::default()
        .data_block_size_policy(BlockSizePolicy::all(DATA_BLOCK_BYTES))
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        .filter_policy(FilterPolicy::all(bloom))
        .with_kv_separation(large_values.then_some(separation))
}

impl KvSnapshot for Picture {
    fn get(&self, space: &Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let Some(keyspace) = self.spaces.get(space) else { return Ok(None) };
        if key.is_empty() {
            return Ok(None);
        }
        let value = guarded(|| self.snapshot.get(keyspace, key))?;
        Ok(value.map(value_bytes))
    }

    fn scan(
        &self,
        space: &Space,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let Some(keyspace) = self.spaces.get(space).filter(|_| from < to) else {
            return Ok(Vec::new());
        };
        guarded(|| {
            let bounds = (Bound::Included(from), Bound::Excluded(to));
            let mut range = self.snapshot.range::<&[u8], _>(keyspace, bounds);
            let mut page = Page::new(rows_max, bytes_max);
            while !page.is_full() {
                let next = match direction {
                    Direction::Forward => range.next(),
                    Direction::Backward => range.next_back(),
                };
                let Some(guard) = next else { break };
                let (key, value) = guard.into_inner()?;
                page.push(Bytes::copy_from_slice(&key), value_bytes(value));
            }
            Ok(page.into_rows())
        })
    }
}

/// Runs a read; a panic of the engine is an error of this read only.
fn guarded<T>(read: impl FnOnce() -> fjall::Result<T>) -> Result<T, KvError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| engine_error(&error)),
        Err(_) => Err(KvError::Engine("the engine panicked".to_owned())),
    }
}

fn value_bytes(value: fjall::UserValue) -> Bytes {
    if value.len() < SHARE_BYTES {
        Bytes::copy_from_slice(&value)
    } else {
        Bytes::from_owner(value)
    }
}

fn engine_error(error: &fjall::Error) -> KvError {
    match error {
        fjall::Error::Storage(
            fjall::LsmError::ChecksumMismatch { .. } | fjall::LsmError::InvalidTrailer,
        )
        | fjall::Error::InvalidTrailer => KvError::Damaged(error.to_string()),
        _ => KvError::Engine(error.to_string()),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
