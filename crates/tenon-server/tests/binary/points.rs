//! Every operation that changes the disk is a place where the process may end: at each of them what was acked stays,
//! once, in one order, and what was seen stays where it was seen.
//!
//! The gate tries some, by a seed that is printed. All of them: `CRASH_POINTS=all cargo test -p tenon-server --test
//! binary points -- --nocapture`. One of them: `CRASH_AT=517`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenon_base::ConversationId;
use tenon_client::driver::StoreChoice;

use crate::crash::{Device, device_with, draw, judge, seed, size, timeline, wait};
use crate::harness::{PATIENCE, Place};
use crate::interpose::{CRASHED, Worse, operations, tally};

/// Messages of one run.
const MESSAGES: usize = 200;
/// So long without an ack, and a server that still runs is told to stop.
const STUCK: Duration = Duration::from_secs(20);
/// Messages sent after the next start.
const AFTER: usize = 3;
/// Small segments and memtables, so that 200 messages go through every part of the disk's life.
pub(crate) const SETTINGS: &str = "[log]\nsegment = \"64 KiB\"\n[limits]\ndevice = \"0/s 0\"\nuser = \"0/s 0\"\n\
    conversation = \"0/s 0\"\n[store]\nmemtable = \"64 KiB\"\n";

/// A data directory with people in it, copied for each run.
pub(crate) struct Template {
    pub(crate) place: Place,
    pub(crate) conv: ConversationId,
    pub(crate) tokens: [String; 2],
}

impl Template {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let config = place.config(SETTINGS);
        let server = place.serve_with(&["--config", config.to_str().unwrap()]);
        place.tenon(&["user", "add", "ada", "bob"]).ok();
        let made =
            place.tenon(&["group", "create", "pair", "--member", "ada", "--member", "bob"]).ok();
        let conv = ConversationId(made.out.trim().parse().unwrap());
        let tokens = [place.mint("ada", "desk"), place.mint("bob", "desk")];
        assert_eq!(server.stop(), 0);
        Self { place, conv, tokens }
    }

    pub(crate) fn copy(&self) -> Place {
        let place = Place::new();
        copy(&self.place.data, &place.data);
        place
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            (path, target)
        };
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// One sends, one listens.
struct Talk {
    /// Seq and message id of what was acked, by number of the message.
    acked: Mutex<BTreeMap<usize, (u64, u64)>>,
    /// The server has ended: only a few more.
    is_cut: AtomicBool,
}

impl Talk {
    async fn run(self: Arc<Self>, template: &Template, dir: &Path, address: &str) -> [Device; 2] {
        let connect = |label: &str, token: String| {
            let (folder, address, conv) = (dir.join(label), address.to_owned(), template.conv);
            async move { device_with(&address, &token, folder, StoreChoice::Memory, conv).await }
        };
        let [ada, bob] = template.tokens.clone();
        let devices = [connect("ada", ada).await, connect("bob", bob).await];
        let mut after = 0;
        for n in 0..MESSAGES + AFTER {
            let is_cut = self.is_cut.load(Ordering::Relaxed);
            if (is_cut && after == AFTER) || (!is_cut && n == MESSAGES) {
                break;
            }
            after += usize::from(is_cut);
            let text = format!("{n} {}", "x".repeat(n % 16 * 100));
            let sent = devices[0].client.send_text(template.conv, text).await.unwrap();
            self.acked.lock().unwrap().insert(n, (sent.seq.0, sent.message_id.0));
        }
        devices
    }
}

/// How one run went.
pub(crate) struct Ran {
    /// With which code the server ended: by itself, or told to stop when all was sent or nothing went on.
    pub(crate) code: Option<i32>,
    /// Everything was sent before it ended.
    pub(crate) is_through: bool,
    /// It had to be told to stop, because nothing was acked any more.
    pub(crate) is_stuck: bool,
    /// What it told about itself until then.
    pub(crate) log: String,
    pub(crate) operations: Vec<(String, String)>,
}

impl Ran {
    fn is_crashed(&self) -> bool {
        assert!(matches!(self.code, Some(0 | CRASHED)), "{:?} {}", self.code, self.log);
        self.code == Some(CRASHED)
    }
}

/// Messages until the disk ends the server (or all of them and a planned stop), then a start on a good disk.
pub(crate) async fn talk_over(template: &Template, worse: &Worse) -> Ran {
    let place = template.copy();
    let config = place.config(SETTINGS);
    let listen = free_address();
    let args = ["--config", config.to_str().unwrap(), "--listen", &listen];
    let talk = Arc::new(Talk { acked: Mutex::default(), is_cut: AtomicBool::new(false) });
    let talking = Arc::clone(&talk).run(template, &place.dir, &listen);
    tokio::pin!(talking);
    let mut devices = None;
    let mut is_stuck = false;
    let code = match place.start(&args, &worse.environment(&place)) {
        Err(status) => status.code(),
        Ok(mut server) => {
            let mut progress = (0, Instant::now());
            loop {
                if let Some(status) = server.child.try_wait().unwrap() {
                    break status.code();
                }
                let pause = tokio::time::sleep(Duration::from_millis(5));
                tokio::select! {
                    done = &mut talking, if devices.is_none() => devices = Some(done),
                    () = pause => {}
                }
                let acked = talk.acked.lock().unwrap().len();
                if acked != progress.0 {
                    progress = (acked, Instant::now());
                }
                is_stuck = devices.is_none() && progress.1.elapsed() > STUCK;
                if devices.is_some() || is_stuck {
                    break Some(server.stop());
                }
            }
        }
    };
    let log = place.log();
    let is_through = devices.is_some();
    talk.is_cut.store(true, Ordering::Relaxed);
    let server = place.serve_with(&args);
    let devices = match devices {
        Some(devices) => devices,
        None => tokio::time::timeout(PATIENCE, talking).await.expect("the rest is sent"),
    };
    let acked: Vec<(u64, u64)> = talk.acked.lock().unwrap().values().copied().collect();
    settle(template, &place, &server.address, devices, &acked).await;
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
    Ran { code, is_through, is_stuck, log, operations: operations(&place) }
}

/// Everybody has everything that was acked, once, in the order of the sender, and nothing else.
async fn settle(
    template: &Template,
    place: &Place,
    address: &str,
    devices: [Device; 2],
    acked: &[(u64, u64)],
) {
    let last = acked.last().copied();
    assert!(acked.is_sorted_by(|a, b| a.0 < b.0), "in the order of the sender");
    for device in devices {
        let heard = Arc::clone(&device.heard);
        wait(|| heard.lock().unwrap().messages.last().copied() == last, "the last is heard").await;
        let known = |message: &(u64, u64)| acked.contains(message);
        assert!(heard.lock().unwrap().messages.iter().all(known), "what was seen stays");
        assert_eq!(timeline(&device.client, template.conv).await, acked);
        device.client.record_rest().await.unwrap();
        device.client.close().await.unwrap();
    }
    judge(place, &["ada", "bob"], acked.len());
    // Somebody who never saw anything reads the same.
    let other = place.mint("bob", "other");
    let folder = place.dir.join("other");
    let new = device_with(address, &other, folder, StoreChoice::Memory, template.conv).await;
    assert_eq!(timeline(&new.client, template.conv).await, acked);
    new.client.close().await.unwrap();
}

/// An address that stays free between two starts: each process has a loopback address of its own, where neither other
/// suites nor outgoing connections take a port.
pub(crate) fn free_address() -> String {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let own = std::net::Ipv4Addr::new(127, high | 0x80, low, 1);
    std::net::TcpListener::bind((own, 0)).unwrap().local_addr().unwrap().to_string()
}

/// The points of one scenario that this run tries.
pub(crate) struct Choice {
    pub(crate) seed: u64,
    pub(crate) points: Vec<Worse>,
}

impl Choice {
    /// All, or a sample over the whole length. A torn write is another point than a crash before it; anything else in
    /// full is the same as a crash before the next.
    pub(crate) fn new(operations: &[(String, String)], sample: usize) -> Self {
        let mut seed = seed("CRASH_SEED");
        let first = seed;
        let mut points = Vec::new();
        let mut add = |at: usize, deed, part| {
            // Only what goes through the page cache can be lost with it: the log too, every second time.
            let is_buffered = deed == "power" && part % 2 == 0;
            points.push(Worse {
                at: at as u64,
                deed,
                row: 1,
                part,
                is_buffered,
                ..Worse::default()
            });
        };
        if std::env::var("CRASH_POINTS").is_ok_and(|text| text == "all") {
            // Another run may have a few operations more. Several processes may share the work: `CRASH_FROM=2
            // CRASH_STEP=4` is every fourth from the second.
            let (from, step) = (size("CRASH_FROM", 1), size("CRASH_STEP", 1));
            for at in (from..=operations.len() + operations.len() / 20).step_by(step) {
                add(at, "crash", 0);
                add(at, "power", draw(&mut seed) % 1000);
                if operations.get(at - 1).is_some_and(|(name, _)| name == "write") {
                    add(at, "torn", draw(&mut seed) % 1000);
                }
            }
        } else if size("CRASH_AT", 0) != 0 {
            add(size("CRASH_AT", 0), "crash", 0);
            add(size("CRASH_AT", 0), "power", size("CRASH_PART", 500) as u64);
            add(size("CRASH_AT", 0), "torn", size("CRASH_PART", 500) as u64);
        } else {
            let sample = size("CRASH_POINTS", sample);
            let step = operations.len().div_ceil(sample);
            for n in 0..sample {
                let at = n * step + 1 + draw(&mut seed) as usize % step;
                add(at, ["crash", "power", "torn"][n % 3], draw(&mut seed) % 1000);
            }
        }
        if let Ok(deed) = std::env::var("CRASH_DEED") {
            points.retain(|point| point.deed == deed);
        }
        Self { seed: first, points }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_operation_loses_nothing() {
    let template = Template::new();
    let counted = talk_over(&template, &Worse::default()).await;
    println!("a talk: {}", tally(&counted.operations));
    let choice = Choice::new(&counted.operations, 9);
    let mut crashes = 0;
    for (n, point) in choice.points.iter().enumerate() {
        println!("seed {} point {point:?}", choice.seed);
        let ran = talk_over(&template, point).await;
        crashes += usize::from(ran.is_crashed());
        // Another order of threads may do a few operations less.
        assert!(ran.is_crashed() || point.at as usize > ran.operations.len());
        if n % 100 == 99 {
            println!("{} points of a talk, {crashes} crashes, nothing lost", n + 1);
        }
    }
    println!("crash points of a talk: {crashes} crashes, nothing lost");
    assert!(crashes > choice.points.len() / 2);
}

/// The negative control: over a disk whose syncs are lies, a power cut loses what was acked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_is_seen() {
    let template = Template::new();
    let place = template.copy();
    let config = place.config(SETTINGS);
    let listen = free_address();
    let args = ["--config", config.to_str().unwrap(), "--listen", &listen];
    let (at, is_buffered, is_lying) = (120, true, true);
    let (deed, only) = ("power", "log/seg-");
    let worse = Worse { at, deed, only, row: 1, is_buffered, is_lying, ..Worse::default() };
    let mut server = place.start(&args, &worse.environment(&place)).unwrap();
    let connect = |token: usize, label: &str| {
        let (folder, token) = (place.dir.join(label), template.tokens[token].clone());
        let (listen, conv) = (listen.clone(), template.conv);
        async move { device_with(&listen, &token, folder, StoreChoice::Memory, conv).await }
    };
    let ada = connect(0, "ada").await;
    let mut acked = Vec::new();
    while server.child.try_wait().unwrap().is_none() {
        let sending = ada.client.send_text(template.conv, "hello".to_owned());
        if let Ok(sent) = tokio::time::timeout(Duration::from_secs(2), sending).await {
            let sent = sent.unwrap();
            acked.push((sent.seq.0, sent.message_id.0));
        }
    }
    drop(ada);
    let server = place.serve_with(&args);
    let found = timeline(&connect(1, "bob").await.client, template.conv).await;
    assert!(!acked.is_empty());
    assert!(acked.iter().any(|message| !found.contains(message)), "the control loses nothing");
    drop(server);
}
