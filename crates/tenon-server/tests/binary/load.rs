//! Devices that send all the time, and what they were answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenon_client::driver::StoreChoice;

use crate::crash::{Device, device_with, judge, timeline, wait};
use crate::harness::{PATIENCE, Place};
use crate::points::Template;

/// Sends under way at once on each device.
const LANES: usize = 3;

/// Messages that were acked, by seq.
#[derive(Default)]
pub(crate) struct Acked {
    ids: Mutex<BTreeMap<u64, u64>>,
    count: AtomicU64,
    is_enough: AtomicBool,
}

impl Acked {
    /// Sends on all lanes of a device until it is enough.
    pub(crate) fn send(
        self: &Arc<Self>,
        template: &Template,
        who: usize,
        device: &Device,
    ) -> Vec<Sender> {
        let lane = |lane: usize| {
            let (client, acked, conv) = (device.client.clone(), Arc::clone(self), template.conv);
            let is_enough = move || acked.is_enough.load(Ordering::Relaxed);
            let acked = Arc::clone(self);
            tokio::spawn(async move {
                let mut n = 0;
                while !is_enough() {
                    let text = format!("{who} {lane} {n} {}", "x".repeat(n % 16 * 100));
                    let sent = client.send_text(conv, text).await.unwrap();
                    let before = acked.ids.lock().unwrap().insert(sent.seq.0, sent.message_id.0);
                    assert_eq!(before, None, "seq {} was given twice", sent.seq.0);
                    acked.count.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            })
        };
        (0..LANES).map(lane).collect()
    }

    /// Sends on all lanes of all devices.
    pub(crate) fn send_all(
        self: &Arc<Self>,
        template: &Template,
        devices: &[Device],
    ) -> Vec<Sender> {
        let of = |(who, device)| self.send(template, who, device);
        devices.iter().enumerate().flat_map(of).collect()
    }

    /// Waits until the next message is acked; what is said otherwise. An emulated machine on a busy one is slow.
    pub(crate) async fn next(&self, said: impl Fn() -> String) {
        let (before, begun) = (self.count(), Instant::now());
        while self.count() == before {
            assert!(begun.elapsed() < PATIENCE * 4, "no ack: {}", said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn rows(&self) -> Vec<(u64, u64)> {
        self.ids.lock().unwrap().iter().map(|(seq, id)| (*seq, *id)).collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

pub(crate) type Sender = tokio::task::JoinHandle<()>;

/// One device of each person.
pub(crate) async fn connect(template: &Template, place: &Place, address: &str) -> [Device; 2] {
    let device = |label: &'static str, token: String| {
        let folder = place.dir.join(label);
        async move { device_with(address, &token, folder, StoreChoice::Memory, template.conv).await }
    };
    let [ada, bob] = template.tokens.clone();
    [device("ada", ada).await, device("bob", bob).await]
}

/// Ends the sending. Everybody has what was acked, once, in one order, and nothing else. Gives how many messages.
pub(crate) async fn settle(
    template: &Template,
    place: &Place,
    acked: &Acked,
    senders: Vec<Sender>,
    devices: [Device; 2],
) -> usize {
    acked.is_enough.store(true, Ordering::Relaxed);
    for sender in senders {
        tokio::time::timeout(PATIENCE * 4, sender).await.expect("all sends settle").unwrap();
    }
    let rows = acked.rows();
    for device in &devices {
        let heard = Arc::clone(&device.heard);
        wait(|| heard.lock().unwrap().messages.last() == rows.last(), "the last is heard").await;
        assert_eq!(timeline(&device.client, template.conv).await, rows, "once, in one order");
    }
    for device in devices {
        device.client.record_rest().await.unwrap();
        device.client.close().await.unwrap();
    }
    judge(place, &["ada", "bob"], rows.len());
    rows.len()
}
