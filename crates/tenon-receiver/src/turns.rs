//! The order of one device's ops on the user chain: an op that takes several steps keeps its place before those behind it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tenon_base::{DeviceId, Map};
use tokio::sync::oneshot;

/// Devices whose last turn is remembered; above it those that are done are forgotten.
const DEVICES_MAX: usize = 10_000;

/// Ends the turn when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held for its drop")] oneshot::Sender<()>);

/// Ready when everybody before is done.
#[derive(Debug)]
pub(crate) struct Before(Option<oneshot::Receiver<()>>);

impl Before {
    pub(crate) async fn done(self) {
        if let Some(before) = self.0 {
            // The turn before ends by being dropped.
            drop(before.await);
        }
    }
}

/// Who is the last in the row of each device.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Map<DeviceId, oneshot::Receiver<()>>>);

impl Turns {
    /// True if an op of the device is still on its way: the next one must take its turn too.
    pub(crate) fn is_busy(&self, device: DeviceId) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = last.get_mut(&device).is_some_and(is_under_way);
        if !is_busy {
            last.remove(&device);
        }
        is_busy
    }

    /// The last place in the row of the device.
    pub(crate) fn take(&self, device: DeviceId) -> (Before, Turn) {
        let (turn, done) = oneshot::channel();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= DEVICES_MAX {
            last.retain(|_, done| is_under_way(done));
        }
        (Before(last.insert(device, done)), Turn(turn))
    }
}

fn is_under_way(done: &mut oneshot::Receiver<()>) -> bool {
    matches!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty))
}

/// Works at once, and comes to `last` only when everybody before is done.
pub(crate) async fn in_turn<T, F: Future>(
    before: Before,
    turn: Turn,
    work: impl Future<Output = T>,
    last: impl FnOnce(T) -> F,
) -> F::Output {
    let worked = work.await;
    before.done().await;
    // The last step is handed over in order; whoever is behind need not wait for its outcome.
    let outcome = last(worked);
    drop(turn);
    outcome.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_end_in_the_order_they_were_taken() {
        let turns = Turns::default();
        let device = DeviceId(1);
        assert!(!turns.is_busy(device));
        let (first, first_turn) = turns.take(device);
        let (second, second_turn) = turns.take(device);
        let (other, _other_turn) = turns.take(DeviceId(2));
        other.done().await;
        assert!(turns.is_busy(device));
        first.done().await;
        let waiting = tokio::spawn(second.done());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first_turn);
        waiting.await.unwrap();
        assert!(turns.is_busy(device));
        drop(second_turn);
        assert!(!turns.is_busy(device));
    }
}
