//! One life of the server: log, store, all rooms, and the gateway's sessions over lines instead of sockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prometheus::Registry;
use tenon_base::{Clock, Deadline, OrgId, Random, Timestamp};
use tenon_embedded::{EmbeddedLog, LogStepper};
use tenon_gateway::{Carried, Gateway, GatewayOptions};
use tenon_receiver::{Keys, RateLimits, ReceiverHandle};
use tenon_store::Store;
use tokio::sync::{Notify, watch};

use crate::disk::SimDisk;
use crate::exec::{Ended, Executor, Polled, Task, Timers};
use crate::kv::SimKv;
use crate::node::{Ground, NodeSizes, chain, ended};
use crate::plan::Plan;
use crate::rng::Rng;

/// The organisation of the simulated server.
pub(super) const ORG: OrgId = OrgId(1);
/// Reads under way at once; few, so that reads wait for each other.
const READERS: usize = 3;
/// Multicasts of one conversation are merged over this time.
const WINDOW_US: u64 = 50_000;

/// The server's clocks: simulated time, with a wall clock that jumps.
#[derive(Debug)]
pub(super) struct SimClock {
    timers: Timers,
    shift_ms: Mutex<i64>,
}

impl SimClock {
    pub(super) fn new(timers: Timers) -> Self {
        Self { timers, shift_ms: Mutex::new(0) }
    }

    pub(super) fn jump(&self, ms: i64) {
        *self.shift_ms.lock().unwrap_or_else(PoisonError::into_inner) += ms;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let shift = *self.shift_ms.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp((super::START_MS + self.timers.now_us() / 1000).saturating_add_signed(shift))
    }

    fn monotonic(&self) -> Deadline {
        Deadline(self.timers.now_us())
    }
}

/// The two ends of a connection inside the server's machine.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<LineState>,
    bell: Notify,
}

#[derive(Debug, Default)]
pub(super) struct LineState {
    pub(super) incoming: VecDeque<Bytes>,
    /// The device, or the network, ended it.
    pub(super) is_ended: bool,
    pub(super) outgoing: VecDeque<Bytes>,
    /// The server ended it; `outgoing` are its last words.
    pub(super) is_over: bool,
}

impl Line {
    pub(super) fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes arrived; `None` is the end.
    pub(super) fn arrived(&self, bytes: Option<Bytes>) {
        let mut state = self.state();
        match bytes {
            Some(bytes) => state.incoming.push_back(bytes),
            None => state.is_ended = true,
        }
        drop(state);
        self.bell.notify_one();
    }
}

/// What all lives share: it lies on the machine, or is the machine.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) disk: SimDisk,
    pub(super) kv: SimKv,
    pub(super) timers: Timers,
    pub(super) clock: Arc<SimClock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) keys: Keys,
}

/// The rooms once they are recovered.
struct Up {
    gateway: Gateway,
    receiver: ReceiverHandle,
    /// Nobody signs in by password here; its channel stays open.
    _logins: tenon_receiver::identity::LoginWorker,
}

/// Recovered rooms and their loops, on their way out of the task that recovers.
type Slot = Arc<Mutex<Option<(Up, Vec<(&'static str, Task)>)>>>;

/// A running server.
pub(super) struct Server {
    pub(super) exec: Executor,
    pub(super) stepper: LogStepper,
    pub(super) store: Store,
    pub(super) is_damaged: bool,
    machine: Machine,
    up: Option<Up>,
    slot: Slot,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Opens log and store and starts the recovery of the rooms.
    pub(super) fn start(machine: &Machine, plan: &Plan, life: u64) -> Result<Self, String> {
        let Ground { log, stepper, report, store } =
            Ground::open(&machine.disk, &machine.kv, &plan.sizes)?;
        let (stop, _) = watch::channel(false);
        let slot = Slot::default();
        let mut exec = Executor::default();
        let boot = Boot {
            machine: machine.clone(),
            sizes: plan.sizes.clone(),
            pull_above: plan.pull_above,
            is_limited: plan.front.backlog_max < 100,
            producer: 1000 + life,
            log,
            store: store.clone(),
            stop: stop.clone(),
        };
        let out = Arc::clone(&slot);
        let task = async move {
            match boot.run().await {
                Ok(up) => {
                    *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(up);
                    Ended::Done
                }
                Err(text) => Ended::Failed(text),
            }
        };
        let first = exec.spawn("recovery", Box::pin(task));
        if let Polled::Panicked(_, text) | Polled::Ended(_, Ended::Failed(text)) = first {
            return Err(format!("recovery: {text}"));
        }
        Ok(Self {
            exec,
            stepper,
            store,
            is_damaged: !report.damage.is_empty(),
            machine: machine.clone(),
            up: None,
            slot,
            stop,
        })
    }

    /// Starts the loops when the recovery has ended. Returns what their first polls gave.
    pub(super) fn start_loops(&mut self) -> Vec<Polled> {
        let ready = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((up, loops)) = ready else { return Vec::new() };
        let timers = self.machine.timers.clone();
        let telling = up.gateway.tell(move || timers.sleep(WINDOW_US));
        self.up = Some(up);
        let mut polled: Vec<Polled> =
            loops.into_iter().map(|(name, task)| self.exec.spawn(name, task)).collect();
        let telling = async move {
            telling.await;
            Ended::Done
        };
        polled.push(self.exec.spawn("multicast", Box::pin(telling)));
        polled
    }

    pub(super) const fn is_up(&self) -> bool {
        self.up.is_some()
    }

    pub(super) fn receiver(&self) -> Option<ReceiverHandle> {
        self.up.as_ref().map(|up| up.receiver.clone())
    }

    pub(super) fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn poll_one(&mut self, rng: &mut Rng) -> Polled {
        self.exec.poll_one(rng)
    }

    /// A session on `line`; none while the rooms recover.
    pub(super) fn accept(&mut self, line: &Arc<Line>) -> Option<Polled> {
        let carried = self.up.as_ref()?.gateway.carry();
        let (line, timers) = (Arc::clone(line), self.machine.timers.clone());
        let task = Box::pin(serve(carried, line, timers));
        Some(self.exec.spawn("connection", task))
    }
}

/// Carries bytes between a line and its session until one of them ends.
async fn serve(mut carried: Carried, line: Arc<Line>, timers: Timers) -> Ended {
    loop {
        let is_ended = {
            let mut state = line.state();
            for bytes in state.incoming.drain(..) {
                carried.receive(&bytes);
            }
            state.is_ended
        };
        let turned = carried.turn();
        {
            let mut state = line.state();
            state.outgoing.extend(turned.frames);
            state.is_over |= turned.is_over || is_ended;
            if state.is_over {
                return Ended::Done;
            }
        }
        let wait = turned.wake_at.0.saturating_sub(timers.now_us());
        tokio::select! {
            biased;
            () = line.bell.notified() => {}
            () = carried.changed() => {}
            () = timers.sleep(wait.max(1)) => {}
        }
    }
}

/// What the recovery needs.
struct Boot {
    machine: Machine,
    sizes: NodeSizes,
    pull_above: u32,
    is_limited: bool,
    producer: u64,
    log: Arc<EmbeddedLog>,
    store: Store,
    stop: watch::Sender<bool>,
}

impl Boot {
    /// Recovers the rooms in the order of the real server.
    async fn run(self) -> Result<(Up, Vec<(&'static str, Task)>), String> {
        let registry = Registry::new();
        let layout = self.sizes.layout;
        let (processor, conversations) = tenon_processor::Service::new(
            tenon_processor::Options {
                hot_bytes_max: self.sizes.hot,
                recent_bytes_max: self.sizes.recent,
                ..tenon_processor::Options::new(layout, self.producer)
            },
            tenon_processor::Metrics::new(&registry).map_err(|e| e.to_string())?,
        );
        let (sync, users) = tenon_sync::Service::new(
            tenon_sync::Options {
                hot_bytes_max: self.sizes.hot,
                tail_entries_max: self.sizes.tail_entries,
                ..tenon_sync::Options::new(layout, self.producer)
            },
            tenon_sync::Metrics::new(&registry).map_err(|e| e.to_string())?,
        );
        let (receiving, receiver) = self.receiver(&registry, &conversations, &users).await?;
        let doors = tenon_gateway::Doors {
            admission: Arc::new(receiver.clone()),
            accounts: Arc::new(receiver.clone()),
            supervision: Arc::new(receiver.clone()),
            users: Arc::new(users.clone()),
            conversations: Arc::new(conversations.clone()),
            clock: Arc::clone(&self.machine.clock) as _,
        };
        let metrics = tenon_gateway::Metrics::new(&registry).map_err(|e| e.to_string())?;
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let (gateway, multicast) = Gateway::new(GatewayOptions::new(listen), doors, metrics);
        let sync_doors = tenon_sync::Doors {
            log: Arc::clone(&self.log) as _,
            store: self.store.clone(),
            recent: Arc::new(conversations.clone()),
            stop: self.stop.subscribe(),
        };
        let recovered = sync.recover(sync_doors).await.map_err(|e| chain(&e))?;
        let doors = tenon_processor::handle::Doors {
            log: Arc::clone(&self.log) as _,
            store: self.store.clone(),
            multicast,
            stop: self.stop.subscribe(),
        };
        let processing =
            processor.recover(doors, &recovered.resume).await.map_err(|e| chain(&e))?;
        let mut loops: Vec<(&'static str, Task)> = Vec::new();
        for room in recovered.run() {
            loops.push(("sync", Box::pin(async move { ended(room.await) })));
        }
        for room in processing {
            loops.push(("processor", Box::pin(async move { ended(room.await) })));
        }
        let parts = receiving.run();
        for room in parts.loops {
            loops.push(("receiver", Box::pin(async move { ended(room.await) })));
        }
        for room in parts.readers {
            loops.push(("reader", Box::pin(async move { ended(room.await) })));
        }
        Ok((Up { gateway, receiver, _logins: parts.logins }, loops))
    }

    async fn receiver(
        &self,
        registry: &Registry,
        conversations: &tenon_processor::ProcessorHandle,
        users: &tenon_sync::SyncHandle,
    ) -> Result<(tenon_receiver::Service, ReceiverHandle), String> {
        let rates = if self.is_limited { RateLimits::START } else { RateLimits::OPEN };
        let options = tenon_receiver::Options {
            rates,
            readers: READERS,
            queue_mode_max: self.pull_above,
            pull_mode_min: self.pull_above.saturating_sub(2).max(1),
            ..tenon_receiver::Options::new(self.sizes.layout, self.producer, ORG)
        };
        let doors = tenon_receiver::Doors {
            log: Arc::clone(&self.log) as _,
            store: self.store.clone(),
            conversations: Arc::new(conversations.clone()),
            users: Arc::new(users.clone()),
            clock: Arc::clone(&self.machine.clock) as _,
            random: Arc::clone(&self.machine.random),
            stop: self.stop.subscribe(),
        };
        let metrics = tenon_receiver::Metrics::new(registry).map_err(|e| e.to_string())?;
        let keys = self.machine.keys.clone();
        let recovered = tenon_receiver::Service::recover(options, doors, keys, metrics).await;
        recovered.map_err(|e| chain(&e))
    }
}
