//! Users in memory over the log, bounded in bytes; only clean ones without connection leave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tenon_base::{ConversationId, DeviceId, Map, OrgId, QueueEpoch, UserId};
use tenon_core::handover::Told;
use tenon_core::user::{QueueEntry, User};
use tenon_store::{ShardWriter, StoreError, View, table};

use crate::links::Link;

/// A recent entry with its content, for users that are connected.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) entry: QueueEntry,
    pub(crate) told: Told,
}

/// One user in memory with what has changed since the last cut.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    pub(crate) user: User,
    /// The newest entries, without hole up to the tip; kept while a device is connected.
    pub(crate) tail: VecDeque<Held>,
    /// Live connections, at most one per device.
    pub(crate) links: Vec<Link>,
    /// Last HTTP exchange under the stored connection counter; may be forgotten, then any is taken.
    pub(crate) exchanges: BTreeMap<DeviceId, u32>,
    pub(crate) header_dirty: bool,
    pub(crate) devices_dirty: BTreeSet<DeviceId>,
    pub(crate) lines_dirty: BTreeSet<ConversationId>,
    used: u64,
}

impl Hot {
    fn is_clean(&self) -> bool {
        !self.header_dirty && self.devices_dirty.is_empty() && self.lines_dirty.is_empty()
    }

    fn bytes(&self) -> usize {
        500 + self.user.lines.len() * 180
            + self.user.devices.values().map(|d| 160 + d.outcomes.len() * 56).sum::<usize>()
            + self.tail.len() * 120
    }

    /// Keeps a delivered-to user's newest entries.
    pub(crate) fn hold(&mut self, held: Held, max: usize) {
        if self.tail.len() >= max {
            tenon_base::sometimes!("tail-overflows");
        }
        if self.tail.len() >= max && !tenon_base::planted!("tail-drops-newest") {
            self.tail.pop_front();
        }
        if self.tail.len() < max {
            self.tail.push_back(held);
        }
    }
}

/// All users a partition holds in memory.
#[derive(Debug)]
pub(crate) struct HotState {
    users: Map<UserId, Hot>,
    bytes_max: usize,
    turn: u64,
    loads: u32,
    /// Queue epoch of the partition; users enter it when they are touched.
    pub(crate) epoch: QueueEpoch,
}

/// Rows read in one scan while a user is loaded.
const LOAD_PAGE: usize = 1024;
/// Loads between two looks at the size.
const LOADS_PER_CHECK: u32 = 1024;

impl HotState {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { users: Map::default(), bytes_max, turn: 0, loads: 0, epoch: QueueEpoch(0) }
    }

    /// The load step: brings a user into memory and into the partition's epoch. A user without rows starts empty.
    pub(crate) fn load(&mut self, view: &View, org: OrgId, user: UserId) -> Result<(), StoreError> {
        self.turn += 1;
        let (turn, epoch) = (self.turn, self.epoch);
        if let Some(hot) = self.users.get_mut(&user) {
            hot.used = turn;
            return Ok(());
        }
        let mut hot = Hot { user: read_user(view, org, user)?, used: turn, ..Hot::default() };
        if hot.user.header.queue_epoch < epoch {
            hot.devices_dirty.extend(hot.user.enter_epoch(epoch));
            hot.header_dirty = true;
        }
        self.users.insert(user, hot);
        self.loads += 1;
        if self.loads >= LOADS_PER_CHECK {
            self.evict();
        }
        Ok(())
    }

    /// The partition lost a tail, or starts: everybody in memory enters the epoch; the others do when they are loaded.
    pub(crate) fn enter_epoch(&mut self, epoch: QueueEpoch) {
        self.epoch = self.epoch.max(epoch);
        for hot in self.users.values_mut() {
            if hot.user.header.queue_epoch < epoch {
                hot.devices_dirty.extend(hot.user.enter_epoch(epoch));
                hot.header_dirty = true;
            }
        }
    }

    pub(crate) fn hot(&self, user: UserId) -> Option<&Hot> {
        self.users.get(&user)
    }

    pub(crate) fn hot_mut(&mut self, user: UserId) -> Option<&mut Hot> {
        self.users.get_mut(&user)
    }

    /// Encodes everything dirty into the shard; afterwards all is clean.
    pub(crate) fn write_dirty(&mut self, writer: &mut ShardWriter) {
        let mut dirty: Vec<UserId> =
            self.users.iter().filter(|(_, h)| !h.is_clean()).map(|(u, _)| *u).collect();
        dirty.sort_unstable();
        for user in dirty {
            if let Some(hot) = self.users.get_mut(&user) {
                write_one(hot, writer);
            }
        }
        self.evict();
    }

    fn evict(&mut self) {
        self.loads = 0;
        let mut bytes: usize = self.users.values().map(Hot::bytes).sum();
        if bytes <= self.bytes_max {
            return;
        }
        let mut idle: Vec<(u64, UserId, usize)> = self
            .users
            .iter()
            .filter(|(_, h)| h.is_clean() && h.links.is_empty())
            .map(|(u, h)| (h.used, *u, h.bytes()))
            .collect();
        idle.sort_unstable();
        for (_, user, cost) in idle {
            if bytes <= self.bytes_max / 10 * 9 {
                break;
            }
            tenon_base::sometimes!("user-evicted");
            self.users.remove(&user);
            bytes = bytes.saturating_sub(cost);
        }
    }
}

fn read_user(view: &View, org: OrgId, user: UserId) -> Result<User, StoreError> {
    let mut state = User::default();
    state.header.org = org;
    state.header.user = user;
    let Some(bytes) = view.state(&table::user_header::key(org, user))? else {
        return Ok(state);
    };
    state.header = table::user_header::decode(&bytes)?;
    scan(view, &table::device::prefix(org, user), |value| {
        let device = table::device::decode(value)?;
        state.devices.insert(device.device, device);
        Ok(())
    })?;
    let mut lines = std::mem::take(&mut state.lines);
    scan(view, &table::line::prefix(org, user), |value| {
        let line = table::line::decode(value)?;
        lines.insert(line.summary.conv, line);
        Ok(())
    })?;
    state.lines = lines;
    Ok(state)
}

fn scan(
    view: &View,
    prefix: &bytes::Bytes,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = prefix.clone();
    loop {
        let rows = view.state_scan(prefix, &after, LOAD_PAGE)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.clone();
        for (_, value) in &rows {
            take(value)?;
        }
        if rows.len() < LOAD_PAGE {
            return Ok(());
        }
    }
}

fn write_one(hot: &mut Hot, writer: &mut ShardWriter) {
    let header = &hot.user.header;
    let (org, user) = (header.org, header.user);
    if std::mem::take(&mut hot.header_dirty) {
        writer.put(table::user_header::key(org, user), Some(table::user_header::encode(header)));
    }
    for device in std::mem::take(&mut hot.devices_dirty) {
        let value = hot.user.devices.get(&device).map(table::device::encode);
        writer.put(table::device::key(org, user, device), value);
    }
    for conv in std::mem::take(&mut hot.lines_dirty) {
        if tenon_base::planted!("lines-not-flushed") {
            continue;
        }
        if let Some(line) = hot.user.lines.get(&conv) {
            writer.put(table::line::key(org, user, conv), Some(table::line::encode(line)));
        }
    }
}

/// A shared reference to the content of an entry, if it needs none from elsewhere.
pub(crate) fn told_inline(entry: &QueueEntry) -> Option<Told> {
    match &entry.item {
        tenon_core::user::QueueItem::Inline(event) => Some(Told::User(Arc::clone(event))),
        tenon_core::user::QueueItem::Ref { .. } => None,
    }
}
