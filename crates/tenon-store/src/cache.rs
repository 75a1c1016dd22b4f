//! Decoded blocks, kept by bytes. Many readers of one block decode it once.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::sync::Cache;
use tenon_base::ByteSize;

use crate::block::BlockKey;
use crate::space::SpaceKind;

/// Runs a short blocking job some time, or never. The server gives it a thread pool of low priority.
pub type Background = Box<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Mean weight that the cache's tables are sized for.
const BLOCK_BYTES_TYPICAL: u64 = 16 * 1024;

/// A decoded block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) headers: Vec<Bytes>,
    /// Empty when only headers were decoded.
    pub(crate) bodies: Vec<Bytes>,
    /// Memory it takes, about.
    pub(crate) weight: u64,
}

/// Which block, of which space, with or without bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) kind: SpaceKind,
    pub(crate) number: u32,
    pub(crate) block: BlockKey,
    pub(crate) is_whole: bool,
}

#[derive(Debug, Clone)]
struct Weight;

impl quick_cache::Weighter<CacheKey, Arc<Block>> for Weight {
    fn weight(&self, _: &CacheKey, block: &Arc<Block>) -> u64 {
        block.weight
    }
}

/// Decoded blocks by key; the least useful leave first.
pub(crate) struct BlockCache(Cache<CacheKey, Arc<Block>, Weight>);

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockCache")
    }
}

impl BlockCache {
    pub(crate) fn new(bytes: ByteSize) -> Self {
        let items = usize::try_from(bytes.0 / BLOCK_BYTES_TYPICAL).unwrap_or(usize::MAX).max(16);
        Self(Cache::with_weighter(items, bytes.0, Weight))
    }

    /// The block, decoded by `decode` if it is not there. Others who ask for it meanwhile wait for that one decode.
    pub(crate) fn load<E>(
        &self,
        key: &CacheKey,
        decode: impl FnOnce() -> Result<Arc<Block>, E>,
    ) -> Result<Arc<Block>, E> {
        self.0.get_or_insert_with(key, decode)
    }
}
