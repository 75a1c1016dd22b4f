//! Moves bytes between a transport and the machine, until one of them is done.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tenon_base::Deadline;
use tenon_wire::close_reason;
use tokio::time::Instant;

use super::machine::Machine;
use crate::gate::Pass;
use crate::transport::Wire;

/// A peer that does not take the last frames and the goodbye within this time is left.
const GOODBYE: Duration = Duration::from_secs(2);

/// What woke the driver.
enum Woken {
    Read(io::Result<bool>),
    Wrote(io::Result<()>),
    Mail,
    Time,
}

/// Runs one connection to its end.
pub(crate) async fn run<W: Wire>(mut wire: W, mut machine: Box<Machine>, mut pass: Pass) {
    let reason = drive(&mut wire, &mut machine, &mut pass).await;
    // Sync and the other rooms need not wait for the goodbye.
    drop(machine);
    let goodbye = poll_fn(|cx| wire.poll_close(cx, reason));
    if tokio::time::timeout(GOODBYE, goodbye).await.is_err() {
        tracing::trace!("peer did not take the goodbye");
    }
}

/// Returns the close reason.
async fn drive<W: Wire>(wire: &mut W, machine: &mut Machine, pass: &mut Pass) -> u32 {
    let mut io = Io::new(wire, machine.now());
    let mailbox = machine.mailbox();
    let mut nap = Box::pin(tokio::time::sleep(Duration::ZERO));
    let mut nap_until = Deadline(0);
    loop {
        let now = machine.now();
        let had = io.incoming.len();
        if had > 0 {
            machine.offer(&mut io.incoming, now);
        }
        let has_more = machine.turn(now);
        if machine.is_live() {
            pass.know();
        }
        if io.outgoing.is_empty()
            && let Some(frames) = machine.transmit()
        {
            io.outgoing = frames;
        }
        if let Some(reason) = io.verdict(machine, now) {
            return reason;
        }
        let has_room = !io.incoming.is_empty() && io.incoming.len() < had;
        if has_more || has_room {
            io.write_some().await;
            tokio::task::yield_now().await;
            continue;
        }
        let deadline = io.deadline(machine, now);
        if deadline < nap_until || now >= nap_until {
            nap_until = deadline;
            nap.as_mut().reset(Instant::now() + deadline.since(now));
        }
        let wants_bytes = io.incoming.is_empty() && machine.wants_bytes(now);
        let woken = tokio::select! {
            biased;
            woken = io.ready(wants_bytes) => woken,
            () = mailbox.changed() => Woken::Mail,
            () = nap.as_mut() => Woken::Time,
        };
        match woken {
            Woken::Read(Ok(true)) => {
                machine.house().metrics.bytes_in.inc_by(io.incoming.len() as u64);
            }
            Woken::Wrote(Ok(())) => io.progress_at = machine.now(),
            Woken::Read(Ok(false)) => return close_reason::NORMAL,
            Woken::Read(Err(error)) | Woken::Wrote(Err(error)) => {
                tracing::trace!(%error, "link lost");
                return close_reason::NORMAL;
            }
            Woken::Mail => {}
            Woken::Time => nap_until = Deadline(0),
        }
    }
}

/// The bytes between socket and machine.
struct Io<'a, W> {
    wire: &'a mut W,
    incoming: BytesMut,
    outgoing: Bytes,
    progress_at: Deadline,
    ended_at: Option<Deadline>,
}

impl<'a, W: Wire> Io<'a, W> {
    fn new(wire: &'a mut W, now: Deadline) -> Self {
        Self {
            wire,
            incoming: BytesMut::new(),
            outgoing: Bytes::new(),
            progress_at: now,
            ended_at: None,
        }
    }

    fn is_writing(&self) -> bool {
        !self.outgoing.is_empty() || self.wire.is_writing()
    }

    /// The close reason, when there is nothing left to do.
    fn verdict(&mut self, machine: &Machine, now: Deadline) -> Option<u32> {
        if !self.is_writing() {
            self.progress_at = now;
        }
        if let Some(end) = machine.end() {
            let since = *self.ended_at.get_or_insert(now);
            let is_late = now >= since.plus(GOODBYE);
            return (!self.is_writing() || is_late).then_some(end.reason);
        }
        if now >= self.progress_at.plus(machine.house().options.slow_after) {
            machine.house().metrics.slow.inc();
            return Some(close_reason::SLOW);
        }
        None
    }

    fn deadline(&self, machine: &Machine, now: Deadline) -> Deadline {
        if let Some(since) = self.ended_at {
            return since.plus(GOODBYE);
        }
        let at = machine.deadline(now);
        if self.is_writing() {
            at.min(self.progress_at.plus(machine.house().options.slow_after))
        } else {
            at
        }
    }

    /// Waits until the socket took or gave something.
    async fn ready(&mut self, wants_bytes: bool) -> Woken {
        poll_fn(|cx| {
            if self.is_writing()
                && let Poll::Ready(wrote) = self.wire.poll_write(cx, &mut self.outgoing)
            {
                return Poll::Ready(Woken::Wrote(wrote));
            }
            if wants_bytes && let Poll::Ready(read) = self.wire.poll_read(cx, &mut self.incoming) {
                return Poll::Ready(Woken::Read(read));
            }
            Poll::Pending
        })
        .await
    }

    /// Writes what the socket takes at once; failures show at the next wait.
    async fn write_some(&mut self) {
        poll_fn(|cx| {
            if !self.outgoing.is_empty() {
                drop(self.wire.poll_write(cx, &mut self.outgoing));
            }
            Poll::Ready(())
        })
        .await;
    }
}
/// Idle connections are many: what each holds by itself stays below 2 KiB of its 6 KiB.
#[test]
fn an_idle_connection_is_small() {
    type Tcp = crate::transport::stream::Stream<tokio::net::TcpStream>;
    const fn size_of_output<F>(_: &impl Fn(Tcp, Box<Machine>, Pass) -> F) -> usize {
        size_of::<F>()
    }
    let sum = size_of::<Machine>() + size_of_output(&run::<Tcp>);
    assert!(sum <= 2 * 1024, "{sum} bytes");
}
