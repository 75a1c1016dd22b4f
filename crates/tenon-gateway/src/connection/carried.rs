//! A connection without a socket: the caller carries its bytes, and says when time has passed. For simulators.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tenon_base::Deadline;

use super::machine::Machine;
use super::mailbox::Mailbox;

/// What one [`Carried::turn`] gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Whole frames for the device, in order.
    pub frames: Vec<Bytes>,
    /// The next turn is due then, if neither bytes nor news come before.
    pub wake_at: Deadline,
    /// The connection is over; `frames` are its last words.
    pub is_over: bool,
}

/// One connection. Dropped, it is gone as a socket that broke.
pub struct Carried {
    machine: Box<Machine>,
    mailbox: Arc<Mailbox>,
    incoming: BytesMut,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("incoming", &self.incoming.len()).finish_non_exhaustive()
    }
}

impl Carried {
    pub(crate) fn new(machine: Box<Machine>) -> Self {
        Self { mailbox: machine.mailbox(), machine, incoming: BytesMut::new() }
    }

    /// Bytes of the device, in order, cut anywhere.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
    }

    /// Does what can be done now.
    pub fn turn(&mut self) -> Turned {
        let mut frames = Vec::new();
        loop {
            let now = self.machine.now();
            let had = self.incoming.len();
            self.machine.offer(&mut self.incoming, now);
            let has_more = self.machine.turn(now);
            frames.extend(std::iter::from_fn(|| self.machine.transmit()));
            let is_over = self.machine.end().is_some();
            let is_taking = self.incoming.len() < had && !self.incoming.is_empty();
            if is_over || !(has_more || is_taking) {
                return Turned { frames, wake_at: self.machine.deadline(now), is_over };
            }
        }
    }

    /// Waits for news of the other rooms.
    pub async fn changed(&self) {
        self.mailbox.changed().await;
    }
}
