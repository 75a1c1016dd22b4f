//! What a seed plays: sizes, features and faults. Swarm: every feature and every fault is off in about half of the seeds, so
//! that rare combinations are met.

use tenon_base::ByteSize;
use tenon_core::Layout;

use crate::device::Rules;
use crate::disk::DiskFaults;
use crate::front::FrontOptions;
use crate::kv::KvFaults;
use crate::node::NodeSizes;
use crate::rng::Rng;

/// What may go wrong between a device and the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetFaults {
    /// Longest delay of a frame.
    pub delay_us: u64,
    /// Connections cut per million frames.
    pub reset: u32,
    /// Large answers overtake, and are overtaken by, the stream.
    pub reorders: bool,
    /// The server notices the end of a connection late.
    pub half_open_us: u64,
    /// One direction stands still for a while, per million frames.
    pub stall: u32,
    /// Commands that the limiter sends back, per million.
    pub throttle: u32,
}

/// Weights of what users and administrators do; 0 = switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Messages.
    pub send: u32,
    /// Read marks.
    pub read: u32,
    /// Members come and go.
    pub members: u32,
    /// Titles.
    pub rename: u32,
    /// Pins.
    pub pin: u32,
    /// New conversations.
    pub create: u32,
    /// Links are cut by the device.
    pub reconnect: u32,
    /// Apps are killed.
    pub kill: u32,
    /// Databases are lost.
    pub reinstall: u32,
    /// Databases are put back from an older copy.
    pub restore: u32,
    /// Devices are removed.
    pub revoke: u32,
    /// The wall clock jumps.
    pub clock: u32,
    /// Devices present a cursor that nobody has given them.
    pub strange_cursor: u32,
}

/// What may happen to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerFaults {
    /// Crashes at arbitrary polls.
    pub crashes: u32,
    /// Crashes inside a disk operation.
    pub dies_in_disk: bool,
    /// Planned restarts.
    pub restarts: u32,
    /// Damage at rest while the server is stopped.
    pub damages: bool,
    /// Crashes at the moment when a device has what the user log may lose.
    pub crashes_ahead: u32,
    /// The disk stands still now and then.
    pub stalls: bool,
    /// The disk is full for a while.
    pub fills: bool,
    /// The process stands still for some seconds.
    pub pauses: u32,
    /// The disk is slow in the first seconds of a life.
    pub slow_starts: bool,
}

/// Everything a seed decides.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Simulated time of load.
    pub load_us: u64,
    /// Things that happen in that time.
    pub operations: u32,
    /// Users of the first organisation; the second has a third of them.
    pub users: u64,
    /// Devices of a user at most.
    pub devices: u64,
    /// Conversations at the start.
    pub conversations: u64,
    /// Members above which a group is read by pull.
    pub pull_above: u32,
    /// Features.
    pub features: Features,
    /// Network.
    pub net: NetFaults,
    /// Disk.
    pub disk: DiskFaults,
    /// Store.
    pub kv: KvFaults,
    /// Server.
    pub server: ServerFaults,
    /// Sizes of the server.
    pub sizes: NodeSizes,
    /// Sizes of the front.
    pub front: FrontOptions,
    /// Time between two flushes of the store.
    pub flush_us: u64,
    /// Flushes begin now and then in the instant in which a group is done.
    pub flushes_with_groups: bool,
    /// Longest time a group takes on the disk.
    pub disk_us: u64,
    /// The wall clock runs wrong by so many millionths.
    pub drift_ppm: i64,
    /// Rules of the devices.
    pub rules: Rules,
    /// Operations to leave out, for minimising.
    pub skipped: Vec<u32>,
    /// The run ends with a violation, whatever happens: proves that violations are reported.
    pub is_canary: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "plan");
        let rng = &mut rng;
        let layout = Layout {
            conversations: u16::try_from(rng.range(1, 3)).unwrap_or(1),
            users: u16::try_from(rng.range(1, 3)).unwrap_or(1),
        };
        let pull_above = if on(rng) { rng.range(4, 12) } else { 500 };
        Self {
            seed,
            load_us: 12_000_000,
            operations: u32::try_from(rng.range(250, 700)).unwrap_or(250),
            users: rng.range(4, 24),
            devices: rng.range(1, 3),
            conversations: rng.range(2, 9),
            pull_above: u32::try_from(pull_above).unwrap_or(500),
            features: features(rng),
            net: net(rng),
            disk: disk(rng),
            kv: KvFaults {
                flush_error: if on(rng) { 100_000 } else { 0 },
                delay_us: if on(rng) { rng.scale(100, 400_000) } else { 0 },
                rolls_back: rng.below(8) == 0,
            },
            server: server(rng),
            sizes: sizes(rng, layout),
            front: FrontOptions {
                layout,
                window_bytes: u32::try_from(rng.scale(512, 65_536)).unwrap_or(65_536),
                backlog_max: if on(rng) { rng.scale(5, 200) } else { 1000 },
                diff_max: rng.scale(2, 500),
                behind_max: rng.scale(4, 2000),
                lines_max: usize::try_from(rng.range(1, 20)).unwrap_or(20),
            },
            flush_us: rng.scale(100_000, 8_000_000),
            flushes_with_groups: on(rng),
            disk_us: rng.scale(200, 60_000),
            drift_ppm: if on(rng) { i64::try_from(rng.below(1_001)).unwrap_or(0) - 500 } else { 0 },
            rules: Rules::default(),
            skipped: Vec::new(),
            is_canary: false,
        }
    }
}

fn on(rng: &mut Rng) -> bool {
    rng.below(2) == 0
}

fn weight(rng: &mut Rng, most: u64) -> u32 {
    if on(rng) { u32::try_from(rng.range(1, most)).unwrap_or(1) } else { 0 }
}

fn features(rng: &mut Rng) -> Features {
    Features {
        send: 100,
        read: weight(rng, 30),
        members: weight(rng, 25),
        rename: weight(rng, 6),
        pin: weight(rng, 8),
        create: weight(rng, 4),
        reconnect: weight(rng, 25),
        kill: weight(rng, 10),
        reinstall: weight(rng, 3),
        restore: weight(rng, 6),
        revoke: weight(rng, 2),
        clock: weight(rng, 3),
        strange_cursor: weight(rng, 3),
    }
}

fn net(rng: &mut Rng) -> NetFaults {
    NetFaults {
        delay_us: rng.scale(1_000, 400_000),
        reset: if on(rng) { 3_000 } else { 0 },
        reorders: on(rng),
        half_open_us: if on(rng) { rng.scale(10_000, 4_000_000) } else { 0 },
        stall: if on(rng) { 2_000 } else { 0 },
        throttle: if on(rng) { 20_000 } else { 0 },
    }
}

fn disk(rng: &mut Rng) -> DiskFaults {
    let mut faults = DiskFaults {
        write_error: if rng.below(4) == 0 { 2_000 } else { 0 },
        sync_error: if rng.below(4) == 0 { 4_000 } else { 0 },
        read_error: if rng.below(4) == 0 { 8_000 } else { 0 },
        lying_sync: if rng.below(12) == 0 { 20_000 } else { 0 },
        misdirected: if rng.below(12) == 0 { 4_000 } else { 0 },
        is_buffered_only: on(rng),
    };
    if faults.misdirected > 0 {
        // One failing sync takes the proof of the last group, one misdirected write the group: a torn tail looks the same.
        faults.sync_error = 0;
    }
    faults
}

fn server(rng: &mut Rng) -> ServerFaults {
    ServerFaults {
        crashes: if on(rng) { u32::try_from(rng.range(1, 5)).unwrap_or(1) } else { 0 },
        dies_in_disk: on(rng),
        restarts: if on(rng) { u32::try_from(rng.range(1, 3)).unwrap_or(1) } else { 0 },
        damages: on(rng),
        crashes_ahead: if on(rng) { u32::try_from(rng.range(1, 4)).unwrap_or(1) } else { 0 },
        stalls: on(rng),
        fills: rng.below(4) == 0,
        pauses: if on(rng) { u32::try_from(rng.range(1, 3)).unwrap_or(1) } else { 0 },
        slow_starts: on(rng),
    }
}

fn sizes(rng: &mut Rng, layout: Layout) -> NodeSizes {
    let small = on(rng);
    NodeSizes {
        layout,
        segment: ByteSize(if small { 64 << 10 } else { 1 << 20 }),
        group: ByteSize(if small { 16 << 10 } else { 256 << 10 }),
        tail: ByteSize(rng.scale(1 << 10, 4 << 20)),
        memtable: ByteSize(rng.scale(8 << 10, 16 << 20)),
        cache: ByteSize(rng.scale(1 << 10, 1 << 20)),
        generation_fills: u32::try_from(rng.range(1, 8)).unwrap_or(1),
        hot: ByteSize(if on(rng) { rng.scale(1 << 10, 64 << 10) } else { 64 << 20 }),
        recent: ByteSize(rng.scale(1 << 9, 1 << 20)),
        tail_entries: usize::try_from(rng.scale(1, 512)).unwrap_or(512),
    }
}
