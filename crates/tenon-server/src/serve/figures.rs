//! Feeds the live figures: once a second what sync, the gateway and the disk say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tenon_base::Clock;
use tenon_receiver::live::{Elsewhere, Live};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::house::House;

/// Seconds between two looks at the disk: a walk over the files of the data directory.
const DISK_EVERY: u64 = 10;

/// Starts; ends with `stop`.
pub(super) fn start(
    house: &House,
    gateway: tenon_gateway::Metrics,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let feed = Feed {
        live: house.receiver.live(),
        clock: Arc::clone(&house.ground().clock) as _,
        delivered: house.delivered.clone(),
        gateway,
        data: house.ground().data.path().to_owned(),
        disk: (0, 0),
    };
    tokio::spawn(feed.run(stop))
}

struct Feed {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    /// Events of queues handed to connections.
    delivered: IntCounter,
    gateway: tenon_gateway::Metrics,
    data: PathBuf,
    /// Bytes used and free, as last seen.
    disk: (u64, u64),
}

impl Feed {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u64.. {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = second.tick() => {}
            }
            if number.is_multiple_of(DISK_EVERY) {
                let data = self.data.clone();
                let seen = tokio::task::spawn_blocking(move || (used(&data), free(&data))).await;
                self.disk = seen.unwrap_or(self.disk);
            }
            // Large groups are not in queues: their messages go to those who have them open.
            let deliveries = self.delivered.get() + self.gateway.pushes.get();
            let elsewhere = Elsewhere {
                deliveries,
                connections: u64::try_from(self.gateway.connections.get()).unwrap_or_default(),
                data_bytes: self.disk.0,
                disk_free_bytes: self.disk.1,
            };
            self.live.tick(self.clock.now(), self.clock.monotonic(), elsewhere);
        }
    }
}

/// Bytes that the files below `path` take on the disk. What goes away meanwhile counts nothing.
fn used(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => used(&entry.path()),
            Ok(about) => about.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Bytes that this process may still write there.
fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |space| space.f_bavail * space.f_frsize)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn files_of_folders_are_counted() {
        let held = tempfile::tempdir().unwrap();
        let empty = used(held.path());
        std::fs::create_dir(held.path().join("log")).unwrap();
        std::fs::write(held.path().join("log/one"), vec![7; 100_000]).unwrap();
        std::fs::write(held.path().join("two"), vec![7; 50_000]).unwrap();
        let grown = used(held.path()) - empty;
        assert!((150_000..400_000).contains(&grown), "{grown}");
        assert!(free(held.path()) > 0);
        assert_eq!(used(&held.path().join("absent")), 0);
    }
}
