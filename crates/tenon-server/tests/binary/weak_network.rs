//! Devices on bad networks: what was acked is with everybody once and in one order, whatever the network did.
//!
//! The judge is `tenon check` on what the devices recorded. Each test says what it did to the connections, so that a proxy
//! that does nothing fails it. `TENON_TEST_SEED=N` plays other faults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tenon_base::ConversationId;
use tenon_chaos::{Counts, Dial, Profile, Proxy};
use tenon_client::driver::{Client, ClientOptions, Events, RecordTo, ServerUrl, StoreChoice};
use tenon_client::engine::{Auth, Command, HistoryWant};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Place, Ran, Server, binary};

/// Users; the first has two devices.
const USERS: [&str; 3] = ["ada", "bob", "eve"];
const GROUP: &str = "everybody";

/// A server, a bad network in front of it, and the devices behind that.
struct Field {
    place: Place,
    server: Server,
    dial: Dial,
    devices: Vec<Device>,
    history: PathBuf,
    _stop: watch::Sender<bool>,
}

struct Device {
    name: String,
    client: Client,
    events: Events,
    group: ConversationId,
}

/// How impatient the devices are; a test has no minutes.
struct Patience {
    send: Duration,
    hello: Duration,
}

impl Field {
    async fn new(seed: u64, profile: Profile, patience: Patience) -> Self {
        let place = Place::new();
        let config = place
            .config("[limits]\ndevice = \"0/s 0\"\nuser = \"0/s 0\"\nconversation = \"0/s 0\"\n");
        let server = place.serve_with(&["--config", config.to_str().unwrap()]);
        place.tenon(&[&["user", "add"][..], &USERS].concat()).ok();
        let members = USERS.map(|user| ["--member", user]).concat();
        place.tenon(&[&["group", "create", GROUP][..], &members].concat()).ok();
        let to = server.address.parse().unwrap();
        let proxy = Proxy::listen("127.0.0.1:0".parse().unwrap(), to, seed, profile).await.unwrap();
        let (address, dial) = (proxy.address().unwrap(), proxy.dial());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(proxy.run(stopped));
        let history = place.dir.join("history.jsonl");
        let expect = ["I1", "I2", "I3", "I4", "I7"];
        let head = json!({
            "tenon_history": 1, "unique_bodies": true, "all_senders": true, "expect": expect,
        });
        std::fs::write(&history, format!("{head}\n")).unwrap();
        let url: ServerUrl = format!("tcp://{address}").parse().unwrap();
        let names = USERS.iter().map(|user| (*user, "phone")).chain([("ada", "desk")]);
        let mut devices = Vec::new();
        for (user, label) in names {
            let name = format!("{user}-{label}");
            let auth = Auth::Credential(place.mint(user, label).into());
            let mut options = ClientOptions::new(url.clone(), auth);
            options.store = StoreChoice::Folder(place.dir.join(&name));
            options.record = Some(RecordTo { path: history.clone(), actor: name.as_str().into() });
            options.engine.send_timeout = patience.send;
            options.engine.hello_timeout = patience.hello;
            options.engine.backoff_max = Duration::from_secs(1);
            options.events_max = 4_096;
            devices.push(Device::open(name, options).await);
        }
        Self { place, server, dial, devices, history, _stop: stop }
    }

    /// Every device sends this many messages, in pairs that wait for nothing, and is answered on all of them.
    async fn everybody_sends(&self, count: usize, round: usize, pause: Duration) {
        let mut senders = tokio::task::JoinSet::new();
        for device in &self.devices {
            let (client, group, name) = (device.client.clone(), device.group, device.name.clone());
            senders.spawn(async move {
                for n in 0..count / 2 {
                    let one = client.send_text(group, format!("{name} {round} {n} one"));
                    let two = client.send_text(group, format!("{name} {round} {n} two"));
                    let (one, two) = tokio::join!(one, two);
                    assert!(one.unwrap().seq < two.unwrap().seq, "{name} {n}");
                    tokio::time::sleep(pause).await;
                }
            });
        }
        while let Some(sender) = timeout(PATIENCE, senders.join_next()).await.expect("answers") {
            sender.unwrap();
        }
    }

    /// The network gets well, everybody comes back, and each is told and shown everything.
    async fn quiet(mut self, sent: usize) -> Quiet {
        let counts = self.dial.counts();
        self.dial.turn(Profile::CLEAN);
        for device in &self.devices {
            device.client.command(Command::Stop).await.unwrap();
            device.client.command(Command::Start).await.unwrap();
        }
        for device in &self.devices {
            let last = format!("{} says good night", device.name);
            timeout(PATIENCE, device.client.send_text(device.group, last)).await.unwrap().unwrap();
        }
        let total = sent + self.devices.len();
        let mut shown = Vec::new();
        for device in &mut self.devices {
            device.until_told(total).await;
            shown.push(device.timeline().await);
            device.client.record_rest().await.unwrap();
        }
        for device in &self.devices {
            device.client.close().await.unwrap();
        }
        for (device, timeline) in self.devices.iter().zip(&shown) {
            assert!(timeline == &shown[0], "{} shows another timeline", device.name);
        }
        assert_eq!(shown[0].len(), total, "every message once");
        let verdict = judge(&self.history);
        assert_eq!(verdict["acked"], total, "{verdict}");
        assert_eq!(verdict["messages"], total, "{verdict}");
        assert_eq!(self.server.stop(), 0, "{}", self.place.log());
        Quiet { counts }
    }
}

/// What the network had done when it got well.
struct Quiet {
    counts: Counts,
}

impl Device {
    async fn open(name: String, options: ClientOptions) -> Self {
        let (client, events) = Client::connect(options).await.unwrap();
        let names = client.resolve(Vec::new(), vec![GROUP.to_owned()]);
        let group = timeout(PATIENCE, names).await.expect("a link").unwrap().groups[0].id;
        assert_ne!(group, 0);
        timeout(PATIENCE, client.ready()).await.expect("a list").unwrap();
        Self { name, client, events, group: ConversationId(group) }
    }

    /// Takes events until the conversation's tip has this many messages for this device.
    async fn until_told(&mut self, total: usize) {
        let told = async {
            loop {
                let lines = self.client.list_held().await.unwrap();
                let line = lines.iter().find(|line| line.conv == self.group.0);
                if line.is_some_and(|l| l.tip_seq >= total as u64 && l.rev >= l.known) {
                    return;
                }
                let event = timeout(Duration::from_millis(100), self.events.next()).await;
                assert!(!matches!(event, Ok(None)), "{} ended", self.name);
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{} is not told", self.name));
    }

    /// The whole timeline as shown: seq and message, oldest first.
    async fn timeline(&mut self) -> Vec<(u64, u64)> {
        let mut rows = Vec::new();
        let mut below = 0;
        loop {
            let want = HistoryWant {
                conv: self.group.0,
                above_seq: 0,
                below_seq: below,
                limit: 100,
                is_upward: false,
            };
            let page = timeout(PATIENCE, self.client.history(want)).await.unwrap().unwrap();
            let more: Vec<_> = page.rows.iter().map(|row| (row.seq, row.message_id)).collect();
            rows.splice(0..0, more);
            if page.is_floor || page.lo <= 1 {
                return rows;
            }
            below = page.lo;
        }
    }
}

fn judge(history: &Path) -> Value {
    let ran = Ran::of(binary().args(["check", "--json"]).arg(history).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.rows().remove(0)
}

/// The seed of a test, or another one on demand.
fn seed(own: u64) -> u64 {
    std::env::var("TENON_TEST_SEED").map_or(own, |text| text.parse().unwrap())
}

fn run<F: Future<Output = ()>>(test: F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// RTT 600 ms, one segment in ten lost, 64 kbit/s.
#[test]
fn a_weak_network_loses_and_repeats_nothing() {
    run(async {
        let patience = Patience { send: Duration::from_secs(5), hello: Duration::from_secs(10) };
        let field = Field::new(seed(21), Profile::WEAK, patience).await;
        field.everybody_sends(8, 0, Duration::ZERO).await;
        let quiet = field.quiet(4 * 8).await;
        assert!(quiet.counts.bytes > 10_000, "{:?}", quiet.counts);
    });
}

/// Connections fall silent without an end; whoever speaks notices and comes back on another.
#[test]
fn half_open_connections_are_left() {
    run(async {
        let patience = Patience { send: Duration::from_secs(1), hello: Duration::from_secs(2) };
        let field = Field::new(seed(3), Profile::HALF_OPEN, patience).await;
        let mut rounds = 0;
        while field.dial.counts().silenced < 4 && rounds < 40 {
            field.everybody_sends(2, rounds, Duration::ZERO).await;
            rounds += 1;
        }
        let quiet = field.quiet(4 * 2 * rounds).await;
        assert!(quiet.counts.silenced >= 4, "{:?}", quiet.counts);
    });
}

/// No connection lives longer than a second.
#[test]
fn a_network_that_cuts_every_second_loses_and_repeats_nothing() {
    run(async {
        let patience = Patience { send: Duration::from_secs(5), hello: Duration::from_secs(10) };
        let field = Field::new(seed(5), Profile::FLAPPING, patience).await;
        field.everybody_sends(30, 0, Duration::from_millis(200)).await;
        let quiet = field.quiet(4 * 30).await;
        assert!(quiet.counts.reset >= 8, "{:?}", quiet.counts);
    });
}
