//! Reading a page of a series: memtables, blocks and row generations merged by number, in both directions.
//!
//! A number is in one place only, so a source that has exactly the next number settles the question: the others are not asked.
//! Places are asked in the order of what they cost: memory, blocks, rows.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tenon_ports::Direction;

use crate::block::{BlockKey, Index};
use crate::cache::{Block, CacheKey};
use crate::codec::FormatError;
use crate::memtable::{Entry, SeriesKey};
use crate::row::Row;
use crate::space::{LiveSpace, SpaceKind};
use crate::store::{Inner, StoreError};
use crate::view::{Chains, Part};

/// Rows asked of a generation at a time.
const ROWS_STEP: usize = 64;
/// Bytes asked of a generation at a time.
const ROWS_STEP_BYTES: usize = 256 * 1024;
/// What a decoded entry costs besides its bytes.
const ENTRY_WEIGHT: u64 = 64;

/// What a source holds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// This number.
    Number(u64),
    /// These numbers, inclusive, which do not verify.
    Damaged(u64, u64),
    /// Nothing more.
    End,
}

/// One page being read.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) chains: Arc<Chains>,
    pub(crate) inner: Arc<Inner>,
    pub(crate) series: SeriesKey,
    /// Lowest number, inclusive.
    pub(crate) from: u64,
    /// Highest number, inclusive.
    pub(crate) to: u64,
    pub(crate) direction: Direction,
    pub(crate) part: Part,
}

impl Request {
    /// Entries in the direction of the request. A page ends before damage; one that would start with it is an error.
    pub(crate) fn page(
        &self,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut page = Vec::new();
        if self.from > self.to || entries_max == 0 {
            return Ok(page);
        }
        let mut sources = self.sources(entries_max);
        let mut bytes = 0;
        let mut at = Some(if self.is_forward() { self.from } else { self.to });
        while let Some(number) = at {
            let (source, found) = match self.choose(&mut sources, number)? {
                Some((source, Next::Number(found))) => (source, found),
                Some((_, Next::Damaged(first, last))) => {
                    self.inner.counters.found_damage();
                    if page.is_empty() {
                        return Err(StoreError::Degraded { series: self.series, first, last });
                    }
                    break;
                }
                Some((_, Next::End)) | None => break,
            };
            let Some(entry) = sources.get_mut(source).and_then(|s| s.take(self, found)) else {
                break;
            };
            bytes += entry.header.len() + entry.body.len();
            page.push(entry);
            if page.len() >= entries_max || bytes >= bytes_max {
                break;
            }
            at = self.after(found);
        }
        Ok(page)
    }

    fn is_forward(&self) -> bool {
        self.direction == Direction::Forward
    }

    /// The next number behind `number` in the direction, inside the bounds.
    fn after(&self, number: u64) -> Option<u64> {
        let next =
            if self.is_forward() { number.checked_add(1)? } else { number.checked_sub(1)? };
        (next >= self.from && next <= self.to).then_some(next)
    }

    /// True if `a` comes before `b` in the direction.
    fn precedes(&self, a: u64, b: u64) -> bool {
        if self.is_forward() { a < b } else { a > b }
    }

    fn choose(&self, sources: &mut [Source], at: u64) -> Result<Option<(usize, Next)>, StoreError> {
        let mut best: Option<(usize, Next, u64)> = None;
        for (place, source) in sources.iter_mut().enumerate() {
            let next = source.peek(self, at)?;
            let number = match next {
                Next::End => continue,
                Next::Number(number) => number,
                Next::Damaged(first, last) => at.clamp(first, last),
            };
            let is_sure = next == Next::Number(at);
            if is_sure || best.is_none_or(|(_, _, b)| self.precedes(number, b)) {
                best = Some((place, next, number));
            }
            if is_sure {
                break;
            }
        }
        Ok(best.map(|(place, next, _)| (place, next)))
    }

    fn sources(&self, entries_max: usize) -> Vec<Source> {
        let live = &self.chains.live;
        let mut sources = vec![Source::Memory(self.memory(entries_max))];
        // The newest space first: most pages lie in one.
        for space in live.of(SpaceKind::of_blocks(self.series.series)).rev() {
            sources.push(Source::Blocks(Blocks { space: space.clone(), held: Held::Unknown }));
        }
        for kind in [SpaceKind::Row, SpaceKind::Long] {
            for space in live.of(kind) {
                let space = space.space.clone();
                sources.push(Source::Rows(Rows { space, held: VecDeque::new(), at_end: false }));
            }
        }
        sources
    }

    fn memory(&self, entries_max: usize) -> VecDeque<Entry> {
        let mut found: Vec<Entry> = Vec::new();
        for shard in self.chains.shards_of_series(&self.series) {
            let data = shard.data.read().unwrap_or_else(PoisonError::into_inner);
            let entries = data.entries(&self.series, self.from, self.to);
            let entries = if entries.len() <= entries_max {
                entries
            } else if self.is_forward() {
                &entries[..entries_max]
            } else {
                &entries[entries.len() - entries_max..]
            };
            found.extend(entries.iter().map(|e| self.trimmed(e.clone())));
        }
        // Stable: of a number seen twice the value of the newest shard, which is looked at first, stays.
        found.sort_by_key(|e| e.number);
        found.dedup_by_key(|e| e.number);
        if !self.is_forward() {
            found.reverse();
        }
        found.into()
    }

    fn trimmed(&self, mut entry: Entry) -> Entry {
        if self.part == Part::Headers {
            entry.body = Bytes::new();
        }
        entry
    }
}

enum Source {
    Memory(VecDeque<Entry>),
    Blocks(Blocks),
    Rows(Rows),
}

impl Source {
    /// What this source holds at `at` or beyond it. What lies before is passed over for good.
    fn peek(&mut self, request: &Request, at: u64) -> Result<Next, StoreError> {
        match self {
            Self::Memory(entries) => {
                while entries.front().is_some_and(|e| request.precedes(e.number, at)) {
                    entries.pop_front();
                }
                Ok(entries.front().map_or(Next::End, |e| Next::Number(e.number)))
            }
            Self::Blocks(blocks) => blocks.peek(request, at),
            Self::Rows(rows) => rows.peek(request, at),
        }
    }

    /// The value of `number`, which `peek` has just shown.
    fn take(&mut self, request: &Request, number: u64) -> Option<Entry> {
        match self {
            Self::Memory(entries) => entries.pop_front(),
            Self::Blocks(blocks) => blocks.take(request, number),
            Self::Rows(rows) => match rows.held.pop_front() {
                Some((_, Ok(entry))) => Some(entry),
                _ => None,
            },
        }
    }
}

/// Rows of one generation.
struct Rows {
    space: tenon_ports::Space,
    held: VecDeque<(u64, Result<Entry, FormatError>)>,
    at_end: bool,
}

impl Rows {
    fn peek(&mut self, request: &Request, at: u64) -> Result<Next, StoreError> {
        while self.held.front().is_some_and(|(number, _)| request.precedes(*number, at)) {
            self.held.pop_front();
        }
        let mut at = at;
        while self.held.is_empty() && !self.at_end {
            match self.fetch(request, at)?.and_then(|last| request.after(last)) {
                Some(next) => at = next,
                None => self.at_end = true,
            }
        }
        Ok(match self.held.front() {
            None => Next::End,
            Some((number, Ok(_))) => Next::Number(*number),
            Some((number, Err(_))) => Next::Damaged(*number, *number),
        })
    }

    /// Fetches rows from `at` on; returns the last number looked at if there may be more.
    fn fetch(&mut self, request: &Request, at: u64) -> Result<Option<u64>, StoreError> {
        let (low, high) = if request.is_forward() { (at, request.to) } else { (request.from, at) };
        let mut end = request.series.row(high).to_vec();
        end.push(0);
        let rows = request.chains.snapshot.scan(
            &self.space,
            &request.series.row(low),
            &end,
            request.direction,
            ROWS_STEP,
            ROWS_STEP_BYTES,
        )?;
        let mut last = None;
        for (key, value) in rows {
            let (_, number) = SeriesKey::decode_row(&key)?;
            last = Some(number);
            match Row::decode(&key, &value) {
                Ok(row) if request.chains.hidden.hides(row.flush) => {}
                Ok(row) => {
                    let entry = Entry { number, header: row.header, body: row.body };
                    self.held.push_back((number, Ok(request.trimmed(entry))));
                }
                Err(error) => self.held.push_back((number, Err(error))),
            }
        }
        Ok(last)
    }
}

/// What is known of the place where a block source stands.
enum Held {
    Unknown,
    Block(Arc<Block>),
    Damaged(u64, u64),
    End,
}

/// Blocks of one space.
struct Blocks {
    space: LiveSpace,
    held: Held,
}

impl Blocks {
    fn peek(&mut self, request: &Request, at: u64) -> Result<Next, StoreError> {
        let is_passed = match &self.held {
            Held::Unknown => true,
            Held::Block(block) => request.is_behind(block.first, block.last, at),
            Held::Damaged(first, last) => request.is_behind(*first, *last, at),
            Held::End => false,
        };
        if is_passed {
            self.held = self.seek(request, at)?;
        }
        Ok(match &self.held {
            Held::Unknown | Held::End => Next::End,
            Held::Damaged(first, last) => Next::Damaged(*first, *last),
            Held::Block(block) => Next::Number(at.clamp(block.first, block.last)),
        })
    }

    fn take(&self, request: &Request, number: u64) -> Option<Entry> {
        let Held::Block(block) = &self.held else { return None };
        let at = usize::try_from(number.checked_sub(block.first)?).ok()?;
        if at == block.headers.len() / 2 {
            self.read_ahead(request, block);
        }
        let body = block.bodies.get(at).cloned().unwrap_or_default();
        Some(Entry { number, header: block.headers.get(at)?.clone(), body })
    }

    /// The block that holds `at`, or else the next one in the direction.
    fn seek(&self, request: &Request, at: u64) -> Result<Held, StoreError> {
        let covering = self.first_ending_at(request, at)?;
        if let Some((key, value)) = covering {
            let held = self.open(request, key, &value)?;
            let first = match &held {
                Held::Block(block) => block.first,
                Held::Damaged(first, _) => *first,
                Held::Unknown | Held::End => u64::MAX,
            };
            let contains_or_follows = first <= if request.is_forward() { request.to } else { at };
            if contains_or_follows {
                return Ok(held);
            }
        }
        if request.is_forward() {
            return Ok(Held::End);
        }
        match self.last_ending_before(request, at)? {
            Some((key, value)) if key.last >= request.from => self.open(request, key, &value),
            _ => Ok(Held::End),
        }
    }

    /// The first index row that counts whose last number is at or above `at`.
    fn first_ending_at(
        &self,
        request: &Request,
        at: u64,
    ) -> Result<Option<(BlockKey, Bytes)>, StoreError> {
        // No block crosses its bucket, so what covers a number ends inside the bucket; a hole may reach further.
        let end = BlockKey { series: request.series, last: u64::MAX, flush: u64::MAX }.body();
        let mut from = BlockKey { series: request.series, last: at, flush: 0 }.index();
        loop {
            let rows = request.chains.snapshot.scan(
                &self.space.space,
                &from,
                &end,
                Direction::Forward,
                1,
                usize::MAX,
            )?;
            let Some((row, value)) = rows.into_iter().next() else { return Ok(None) };
            let (key, is_index) = BlockKey::decode(request.series, &row)?;
            if is_index && !request.chains.hidden.hides(key.flush) {
                return Ok(Some((key, value)));
            }
            // Past both rows of this block.
            let mut next = key.body().to_vec();
            next.push(0);
            from = next.into();
        }
    }

    /// The last index row that counts whose last number is below `at`.
    fn last_ending_before(
        &self,
        request: &Request,
        at: u64,
    ) -> Result<Option<(BlockKey, Bytes)>, StoreError> {
        let start = BlockKey { series: request.series, last: 0, flush: 0 }.index();
        let mut end = BlockKey { series: request.series, last: at, flush: 0 }.index();
        loop {
            let rows = request.chains.snapshot.scan(
                &self.space.space,
                &start,
                &end,
                Direction::Backward,
                1,
                usize::MAX,
            )?;
            let Some((row, value)) = rows.into_iter().next() else { return Ok(None) };
            let (key, is_index) = BlockKey::decode(request.series, &row)?;
            if is_index && !request.chains.hidden.hides(key.flush) {
                return Ok(Some((key, value)));
            }
            end = row;
        }
    }

    fn open(&self, request: &Request, key: BlockKey, index: &Bytes) -> Result<Held, StoreError> {
        match self.load(request, key, index) {
            Ok(block) => Ok(Held::Block(block)),
            Err(StoreError::Format(_)) => {
                let first = match Index::decode(key, index) {
                    Ok(index) => index.first,
                    // The row that would tell is the damaged one: everything behind the block before is in doubt.
                    Err(_) => {
                        let before = self.last_ending_before(request, key.last)?;
                        before.map_or(1, |(before, _)| before.last + 1).max(key.last & !0xffff)
                    }
                };
                Ok(Held::Damaged(first, key.last))
            }
            Err(other) => Err(other),
        }
    }

    fn load(
        &self,
        request: &Request,
        key: BlockKey,
        index: &Bytes,
    ) -> Result<Arc<Block>, StoreError> {
        let is_whole = request.part == Part::Whole;
        let cache_key =
            CacheKey { kind: self.space.kind, number: self.space.number, block: key, is_whole };
        request.inner.cache.load(&cache_key, || {
            let index = Index::decode(key, index)?;
            let mut bodies = Vec::new();
            if is_whole {
                let row = if index.is_inline() {
                    None
                } else {
                    request.chains.snapshot.get(&self.space.space, &key.body())?
                };
                bodies = index.bodies(row.as_ref())?;
            }
            let bytes = index.headers.iter().chain(&bodies).map(|b| b.len() as u64).sum::<u64>();
            let weight = bytes + ENTRY_WEIGHT * index.headers.len() as u64;
            let (first, last) = (index.first, key.last);
            Ok(Arc::new(Block { first, last, headers: index.headers, bodies, weight }))
        })
    }

    /// Half of a block is used: decode the next one in the same direction, elsewhere.
    fn read_ahead(&self, request: &Request, block: &Block) {
        let edge = if request.is_forward() { block.last } else { block.first };
        let Some(next) = request.after(edge) else { return };
        let Some(background) = request.inner.background.get() else { return };
        let request = request.clone();
        let ahead = Self { space: self.space.clone(), held: Held::Unknown };
        background(Box::new(move || {
            // Whatever is wrong there, the reader meets it himself.
            drop(ahead.seek(&request, next));
        }));
    }
}

impl Request {
    /// True if the range lies behind `at`, seen in the direction.
    fn is_behind(&self, first: u64, last: u64, at: u64) -> bool {
        if self.is_forward() { last < at } else { first > at }
    }
}
