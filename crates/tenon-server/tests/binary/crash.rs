//! Kill -9 in the middle of everything: what was acked is on every device exactly once, in one order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{PATIENCE, Place};
use bytes::Bytes;
use tenon_base::ConversationId;
use tenon_client::driver::{Client, ClientEvent, ClientOptions, RecordTo, StoreChoice};
use tenon_client::engine::{Auth, HistoryWant};
use tenon_wire::event_type;

/// What one device was told of the group.
#[derive(Default)]
pub(crate) struct Told {
    /// (seq, message id) in the order of arrival.
    pub(crate) messages: Vec<(u64, u64)>,
    /// The stream skipped something: after a long absence a device reads the list and the history instead.
    pub(crate) jumps: usize,
}

type Heard = Arc<Mutex<Told>>;

pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) heard: Heard,
}

/// A device that keeps its store in `folder` and records beside it; once it is connected.
pub(crate) async fn device(
    address: &str,
    token: &str,
    folder: PathBuf,
    conv: ConversationId,
) -> Device {
    let store = StoreChoice::Folder(folder.clone());
    device_with(address, token, folder, store, conv).await
}

/// A device over this store, recording beside `folder`; once it is connected.
pub(crate) async fn device_with(
    address: &str,
    token: &str,
    folder: PathBuf,
    store: StoreChoice,
    conv: ConversationId,
) -> Device {
    let (path, actor) = (folder.with_extension("jsonl"), folder.to_string_lossy().into());
    let auth = Auth::Credential(Bytes::copy_from_slice(token.as_bytes()));
    let mut options = ClientOptions::new(format!("tcp://{address}").parse().unwrap(), auth);
    options.store = store;
    options.record = Some(RecordTo { path, actor });
    options.engine.backoff_min = Duration::from_millis(20);
    options.engine.backoff_max = Duration::from_millis(200);
    let (client, mut events) = Client::connect(options).await.unwrap();
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                ClientEvent::Sync { event, .. }
                    if event.r#type == event_type::MESSAGE && event.conv == conv.0 =>
                {
                    told.lock().unwrap().messages.push((event.seq, event.message_id));
                }
                ClientEvent::Jumped { .. } | ClientEvent::Rebased { .. } => {
                    told.lock().unwrap().jumps += 1;
                }
                _ => {}
            }
        }
    });
    client.ready().await.unwrap();
    Device { client, heard }
}

fn settings(place: &Place) -> PathBuf {
    place.config(
        "[limits]\ndevice = \"0/s 0\"\nuser = \"0/s 0\"\nconversation = \"0/s 0\"\n\
         [store]\nmemtable = \"1 MiB\"\n",
    )
}

/// Two devices of one user and three of another, `total` messages, `kills` kills.
async fn exchange(total: usize, kills: usize) {
    let place = Place::new();
    let config = settings(&place);
    let config = config.to_str().unwrap().to_owned();
    let mut server = place.serve_with(&["--config", &config]);
    let address = server.address.clone();
    place.tenon(&["user", "add", "ada", "bob"]).ok();
    let made = place.tenon(&["group", "create", "pair", "--member", "ada", "--member", "bob"]).ok();
    let conv = ConversationId(made.out.trim().parse().unwrap());
    let mut devices = Vec::new();
    for (user, label) in [("ada", "a1"), ("ada", "a2"), ("bob", "b1"), ("bob", "b2"), ("bob", "b3")]
    {
        let token = place.mint(user, label);
        devices.push(device(&address, &token, place.dir.join(label), conv).await);
    }
    let acked: Arc<Mutex<BTreeMap<u64, u64>>> = Arc::default();
    let mut senders = Vec::new();
    let share = total / devices.len();
    for (who, device) in devices.iter().enumerate() {
        for lane in 0..8 {
            let (client, acked) = (device.client.clone(), Arc::clone(&acked));
            senders.push(tokio::spawn(async move {
                for n in 0..share / 8 {
                    let sent = client.send_text(conv, format!("{who} {lane} {n}")).await.unwrap();
                    let before = acked.lock().unwrap().insert(sent.seq.0, sent.message_id.0);
                    assert_eq!(before, None, "seq {} was given twice", sent.seq.0);
                }
            }));
        }
    }
    let wanted = devices.len() * 8 * (share / 8);
    for kill in 1..=kills {
        let until = wanted * kill / (kills + 1);
        wait(|| acked.lock().unwrap().len() >= until, "messages are acked").await;
        server.kill();
        server = place.serve_with(&["--config", &config, "--listen", &address]);
    }
    for sender in senders {
        tokio::time::timeout(PATIENCE, sender).await.expect("all sends settle").unwrap();
    }
    let acked = acked.lock().unwrap().clone();
    assert_eq!(acked.len(), wanted);
    let order: Vec<(u64, u64)> = acked.iter().map(|(seq, id)| (*seq, *id)).collect();
    let last = order.last().copied();
    for device in &devices {
        let is_there = || device.heard.lock().unwrap().messages.last().copied() == last;
        wait(is_there, "every device hears the last").await;
        {
            let heard = device.heard.lock().unwrap();
            assert!(heard.messages.is_sorted_by(|a, b| a.0 < b.0), "once, in order");
            // Every device begins with one Rebase.
            if heard.jumps == 1 {
                assert_eq!(heard.messages, order, "exactly once, in one order");
            }
            let known = |m: &(u64, u64)| acked.get(&m.0) == Some(&m.1);
            assert!(heard.messages.iter().all(known), "nothing else");
        }
        assert_eq!(timeline(&device.client, conv).await, order, "the same on every device");
    }
    for device in devices {
        device.client.record_rest().await.unwrap();
        device.client.close().await.unwrap();
    }
    judge(&place, &["a1", "a2", "b1", "b2", "b3"], wanted);
    assert_eq!(server.stop(), 0);
    place.tenon(&["verify"]).ok();
}

/// What the devices recorded breaks no invariant. The labels are those of at most one device for each user, or of more
/// than two devices with some of one user.
pub(crate) fn judge(place: &Place, labels: &[&str], acked: usize) {
    let header = place.dir.join("header.jsonl");
    // Two devices of one user are what I10 compares.
    let pairs = if labels.len() > 2 { r#""I10","# } else { "" };
    let text = r#"{"tenon_history":1,"unique_bodies":true,"all_senders":true,
        "expect":["I1","I2","I3","I4","I5","I6","I7","I8","I9",PAIRS"I15","I18","E2"]}"#;
    let text = text.replace("PAIRS", pairs).replace('\n', "");
    std::fs::write(&header, text + "\n").unwrap();
    let recorded = labels.iter().map(|label| place.dir.join(label).with_extension("jsonl"));
    let files: Vec<PathBuf> = std::iter::once(header).chain(recorded).collect();
    let report = tenon_check::check_files(&files, tenon_check::Options::default()).unwrap();
    assert_eq!(report.findings, Vec::new());
    assert_eq!(report.untested, Vec::<String>::new());
    let counted = (report.acked, report.messages, report.at_rest);
    assert_eq!(counted, (acked as u64, acked as u64, labels.len() as u64));
}

/// All messages as the device shows them.
pub(crate) async fn timeline(client: &Client, conv: ConversationId) -> Vec<(u64, u64)> {
    let mut rows = Vec::new();
    loop {
        let above_seq = rows.last().map_or(0, |(seq, _)| *seq);
        let want =
            HistoryWant { conv: conv.0, above_seq, below_seq: 0, limit: 100, is_upward: true };
        let page = client.history(want).await.unwrap();
        if page.rows.is_empty() {
            return rows;
        }
        rows.extend(page.rows.iter().map(|row| (row.seq, row.message_id)));
    }
}

pub(crate) async fn wait(done: impl Fn() -> bool, what: &str) {
    let begun = tokio::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `CRASH_MESSAGES=100000 CRASH_EXCHANGE_KILLS=10 cargo test --release -p tenon-server crash` is the full size.
pub(crate) fn size(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seed of this name, or a new one; printed, so that a run can be repeated.
pub(crate) fn seed(name: &str) -> u64 {
    let drawn = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
    let drawn = drawn.iter().fold(0, |sum, byte| (sum * 31 + *byte as usize) % 1_000_000);
    let seed = size(name, drawn);
    println!("{name}={seed}");
    seed as u64
}

/// The next number of a seed.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_devices_hear_everything_once_over_kills() {
    exchange(size("CRASH_MESSAGES", 4_000), size("CRASH_EXCHANGE_KILLS", 3)).await;
}
