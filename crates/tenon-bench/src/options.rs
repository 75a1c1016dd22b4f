//! What is measured, and how much of it.

use std::path::PathBuf;

/// How a scenario runs. Each names the numbers it looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The `tenon` binary that is started as server.
    pub server_exe: PathBuf,
    /// Parent of the temporary data directory; `None` = the system's. It decides which disk is measured.
    pub folder: Option<PathBuf>,
    /// How long each phase is measured, seconds, at least 1; warm-up comes on top.
    pub seconds: u64,
    /// `direct`: pairs of devices. 1 to 10,000.
    pub pairs: usize,
    /// `direct`: messages of a pair under way at full speed. 1 to 32, the protocol's bound.
    pub in_flight: usize,
    /// `direct`, `group`: messages a second of each phase; 0 = as fast as acks come back. Empty = the scenario's own.
    pub rates: Vec<u64>,
    /// `connections`, `storm`: devices.
    pub devices: usize,
    /// `group`: members.
    pub members: usize,
    /// `group`: members that are online, at most `members`.
    pub online: usize,
    /// `rebase`: events that the device missed.
    pub events: u64,
    /// `log`: callers, each with one append under way.
    pub callers: usize,
    /// `log`: bytes of a record.
    pub record_bytes: usize,
    /// Bytes of text in a message.
    pub text_bytes: usize,
    /// `direct`: writes what every device sent and was told to this file, for `tenon check`. It takes time from the
    /// generator; figures of such a run are not comparable.
    pub record: Option<PathBuf>,
}

impl Options {
    /// Numbers that a machine of two cores can bear, next to the server.
    pub fn new(server_exe: PathBuf) -> Self {
        Self {
            server_exe,
            folder: None,
            seconds: 10,
            pairs: 256,
            in_flight: 16,
            rates: Vec::new(),
            devices: 2_000,
            members: 10_000,
            online: 5_000,
            events: 100_000,
            callers: 1_024,
            record_bytes: 1_024,
            text_bytes: 80,
            record: None,
        }
    }
}
