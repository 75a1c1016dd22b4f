//! Names of engine spaces, and which of them are alive.

use tenon_ports::Space;

use crate::codec::{FormatError, Reader, Writer};
use crate::memtable::Series;

/// What a space of packed values is for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum SpaceKind {
    /// Blocks of messages and inbox rows.
    Block = 1,
    /// Blocks of conversation events; kept for less time.
    Event = 2,
    /// Blocks of user queues; kept for the least time.
    Queue = 3,
    /// Rows of the last flushes.
    Row = 4,
    /// Rows that found no neighbour in a re-pack.
    Long = 5,
}

impl SpaceKind {
    pub(crate) const fn of_blocks(series: Series) -> Self {
        match series {
            Series::Message | Series::Inbox => Self::Block,
            Series::Event => Self::Event,
            Series::Queue => Self::Queue,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Event => "event",
            Self::Queue => "queue",
            Self::Row => "row",
            Self::Long => "long",
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Block),
            2 => Some(Self::Event),
            3 => Some(Self::Queue),
            4 => Some(Self::Row),
            5 => Some(Self::Long),
            _ => None,
        }
    }
}

/// One space: its number is never given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveSpace {
    pub(crate) kind: SpaceKind,
    pub(crate) number: u32,
    /// Flushes (of a row generation) or re-packs (of a long one) that wrote into it.
    pub(crate) fills: u32,
    /// Its name in the engine.
    pub(crate) space: Space,
}

impl LiveSpace {
    fn new(kind: SpaceKind, number: u32, fills: u32) -> Self {
        let space = Space::new(&format!("{}-{number}", kind.name()));
        Self { kind, number, fills, space }
    }
}

/// The spaces a checkpoint lists. What it does not list is dropped at open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    /// Oldest first within a kind. The last of a kind takes new values.
    spaces: Vec<LiveSpace>,
    next: u32,
}

impl Default for Live {
    fn default() -> Self {
        let mut live = Self { spaces: Vec::new(), next: 0 };
        for kind in [SpaceKind::Block, SpaceKind::Event, SpaceKind::Queue] {
            live.open(kind);
        }
        live
    }
}

impl Live {
    fn open(&mut self, kind: SpaceKind) {
        self.spaces.push(LiveSpace::new(kind, self.next, 0));
        self.next += 1;
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &LiveSpace> {
        self.spaces.iter()
    }

    pub(crate) fn of(&self, kind: SpaceKind) -> impl DoubleEndedIterator<Item = &LiveSpace> {
        self.spaces.iter().filter(move |s| s.kind == kind)
    }

    /// The space of `kind` that takes new values. Row and long generations are opened when the last one is full.
    pub(crate) fn target(&mut self, kind: SpaceKind, fills_max: u32) -> Space {
        let is_full = |s: &LiveSpace| match kind {
            SpaceKind::Row | SpaceKind::Long => s.fills >= fills_max,
            SpaceKind::Block | SpaceKind::Event | SpaceKind::Queue => false,
        };
        if self.of(kind).next_back().is_none_or(is_full) {
            self.open(kind);
        }
        self.of(kind).next_back().map_or_else(Space::state, |s| s.space.clone())
    }

    /// Notes that a flush or re-pack wrote into a space.
    pub(crate) fn fill(&mut self, space: &Space) {
        for live in self.spaces.iter_mut().filter(|live| live.space == *space) {
            live.fills += 1;
        }
    }

    /// The oldest full generation of `kind`.
    pub(crate) fn full(&self, kind: SpaceKind, fills_max: u32) -> Option<&LiveSpace> {
        self.of(kind).next().filter(|s| s.fills >= fills_max)
    }

    pub(crate) fn remove(&mut self, space: &Space) {
        self.spaces.retain(|live| live.space != *space);
    }

    pub(crate) fn holds(&self, space: &Space) -> bool {
        self.spaces.iter().any(|live| live.space == *space)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint(u64::from(self.next)).varint(self.spaces.len() as u64);
        for s in &self.spaces {
            out.byte(s.kind as u8).varint(u64::from(s.number)).varint(u64::from(s.fills));
        }
    }

    pub(crate) fn read(r: &mut Reader) -> Result<Self, FormatError> {
        let next = r.varint32()?;
        let mut spaces = Vec::new();
        for _ in 0..r.count()? {
            let kind = r.byte()?;
            let kind = SpaceKind::from_number(kind).ok_or(FormatError::Unknown(kind.into()))?;
            spaces.push(LiveSpace::new(kind, r.varint32()?, r.varint32()?));
        }
        Ok(Self { spaces, next })
    }
}
