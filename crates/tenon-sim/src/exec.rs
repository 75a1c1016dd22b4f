//! The executor: polls the rooms' futures on one thread, in an order the seed draws.
//!
//! The rooms wait only on channels, notifications and the doors. None of these needs a runtime, so a waker that marks a task
//! as ready is enough. Outside a runtime tokio's cooperative budget is unlimited, so it does not cut polls short.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tenon_base::{Clock, ManualClock};

use crate::rng::Rng;

/// A task of a simulated node.
pub type Task = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How a task ended.
#[derive(Debug)]
pub enum Ended {
    /// Its work was done.
    Done,
    /// A loop of a room ended with this error.
    Failed(String),
}

/// Names of tasks that were woken, shared with their wakers.
#[derive(Debug, Default)]
struct Ready(Mutex<BTreeSet<u64>>);

struct TaskWaker {
    id: u64,
    ready: Arc<Ready>,
}

impl Ready {
    fn insert(&self, id: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.insert(self.id);
    }
}

/// What came of one poll.
#[derive(Debug)]
pub enum Polled {
    /// No task is ready.
    Idle,
    /// A task was polled and waits on.
    Waits(u64),
    /// A task ended.
    Ended(&'static str, Ended),
    /// A task panicked: an assertion of a room did not hold.
    Panicked(&'static str, String),
}

struct Slot {
    name: &'static str,
    task: Task,
    waker: Waker,
}

/// The tasks of one node.
#[derive(Default)]
pub struct Executor {
    tasks: BTreeMap<u64, Slot>,
    next: u64,
    ready: Arc<Ready>,
}

impl Executor {
    /// Adds a task and polls it once: what it asks of a door first keeps the order of the spawns.
    pub fn spawn(&mut self, name: &'static str, task: Task) -> Polled {
        let id = self.next;
        self.next += 1;
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: Arc::clone(&self.ready) }));
        self.tasks.insert(id, Slot { name, task, waker });
        self.poll(id)
    }

    /// Polls one ready task, chosen by `rng`.
    pub fn poll_one(&mut self, rng: &mut Rng) -> Polled {
        let id = {
            let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = ready.len();
            let Some(id) = ready.iter().nth(rng.index(count)).copied() else { return Polled::Idle };
            ready.remove(&id);
            id
        };
        self.poll(id)
    }

    /// True if a task was woken.
    pub fn is_ready(&self) -> bool {
        !self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn poll(&mut self, id: u64) -> Polled {
        let Some(slot) = self.tasks.get_mut(&id) else { return Polled::Waits(id) };
        let mut context = Context::from_waker(&slot.waker);
        let name = slot.name;
        let polled = catch_unwind(AssertUnwindSafe(|| slot.task.as_mut().poll(&mut context)));
        match polled {
            Ok(Poll::Pending) => Polled::Waits(id),
            Ok(Poll::Ready(ended)) => {
                self.tasks.remove(&id);
                Polled::Ended(name, ended)
            }
            Err(panic) => {
                self.tasks.remove(&id);
                Polled::Panicked(name, message(panic.as_ref()))
            }
        }
    }
}

/// What a panic says.
pub fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without text".to_owned())
}

/// Simulated time and who waits for it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Timers {
    clock: Arc<ManualClock>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    heap: BinaryHeap<std::cmp::Reverse<(u64, u64)>>,
    wakers: BTreeMap<u64, Waker>,
}

impl Timers {
    /// Time in microseconds.
    pub fn now_us(&self) -> u64 {
        self.clock.monotonic().0
    }

    /// The clock.
    pub fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Ends after `us` microseconds.
    pub fn sleep(&self, us: u64) -> impl Future<Output = ()> + Send + use<> {
        let until = self.now_us() + us;
        let timers = self.clone();
        let mut registered = false;
        std::future::poll_fn(move |context| {
            if timers.now_us() >= until {
                return Poll::Ready(());
            }
            if !registered {
                registered = true;
                let mut waiting = timers.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.next += 1;
                let id = waiting.next;
                waiting.heap.push(std::cmp::Reverse((until, id)));
                waiting.wakers.insert(id, context.waker().clone());
            }
            Poll::Pending
        })
    }

    /// When the next sleep ends.
    pub fn next_us(&self) -> Option<u64> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.heap.peek().map(|std::cmp::Reverse((at, _))| *at)
    }

    /// Moves time to `to_us` and wakes whose sleep ended.
    pub fn advance(&self, to_us: u64) {
        let now = self.now_us();
        if to_us > now {
            self.clock.advance(Duration::from_micros(to_us - now));
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(std::cmp::Reverse((at, id))) = waiting.heap.peek().copied() {
            if at > to_us {
                break;
            }
            waiting.heap.pop();
            if let Some(waker) = waiting.wakers.remove(&id) {
                waker.wake();
            }
        }
    }

    /// Nobody waits any more: the node died.
    pub fn clear(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }
}
