//! kill -9 at any moment, again and again on one data directory, while devices send.
//!
//! `CRASH_KILLS=2000` is the night's size; `CRASH_BINARY` a release build.

use std::sync::Arc;
use std::time::Duration;

use crate::crash::{draw, seed, size};
use crate::harness::Place;
use crate::load::{Acked, connect, settle};
use crate::points::{SETTINGS, Template, free_address};

/// After so many kills the data directory is checked as a whole.
const VERIFY_EVERY: usize = 100;

async fn kills(template: &Template, place: &Place, count: usize, seed: &mut u64) -> usize {
    let config = place.config(SETTINGS);
    let listen = free_address();
    let args = ["--config", config.to_str().unwrap(), "--listen", &listen];
    let mut server = place.serve_with(&args);
    let devices = connect(template, place, &listen).await;
    let acked = Arc::new(Acked::default());
    let senders = acked.send_all(template, &devices);
    for kill in 1..=count {
        acked.next(|| place.log()).await;
        tokio::time::sleep(Duration::from_millis(draw(seed) % 250)).await;
        server.kill();
        // Some are killed while they start.
        if draw(seed).is_multiple_of(4) {
            let mut child = place.launch(&args, &[]);
            tokio::time::sleep(Duration::from_millis(draw(seed) % 300)).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        if kill % VERIFY_EVERY == 0 {
            place.tenon(&["verify"]).ok();
            println!("{kill} kills, {} acked", acked.count());
        }
        server = place.serve_with(&args);
    }
    acked.next(|| place.log()).await;
    let sent = settle(template, place, &acked, senders, devices).await;
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acked_is_lost_over_many_kills() {
    let (template, mut seed) = (Template::new(), seed("CRASH_SEED"));
    let (place, count) = (template.copy(), size("CRASH_KILLS", 4));
    let sent = kills(&template, &place, count, &mut seed).await;
    println!("kills: {count} while serving, {sent} messages acked, 0 lost");
}
