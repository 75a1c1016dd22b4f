//! One HTTP exchange: the session machine without a socket. All that the device says is there at the beginning; the answer
//! ends when everything asked is answered and there is news, or after the hold.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tenon_base::Deadline;
use tenon_wire::{FrameLimits, FrameReader, close_reason};

use super::machine::Machine;

/// Bytes of one answer, about: the rest comes with the next exchange, whose cursors say what was stored.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Longest hold: below the usual 30 s of proxies.
const HOLD_MAX: Duration = Duration::from_secs(25);

/// Runs one exchange over the frames of its body and returns the frames of the answer; empty if a newer one took over.
pub(crate) async fn run(mut machine: Box<Machine>, body: Bytes) -> Bytes {
    let mut incoming = BytesMut::from(body);
    let mut answer = BytesMut::new();
    let opened_at = machine.now();
    let mailbox = machine.mailbox();
    loop {
        let now = machine.now();
        let had = incoming.len();
        machine.offer(&mut incoming, now);
        let has_more = machine.turn(now) || (incoming.len() < had && !incoming.is_empty());
        while answer.len() < ANSWER_BYTES_MAX
            && let Some(frames) = machine.transmit()
        {
            answer.extend_from_slice(&frames);
        }
        if let Some(end) = machine.end() {
            let is_displaced = end.reason == close_reason::DISPLACED;
            return if is_displaced { Bytes::new() } else { answer.freeze() };
        }
        if answer.len() >= ANSWER_BYTES_MAX {
            return answer.freeze();
        }
        if has_more {
            tokio::task::yield_now().await;
            continue;
        }
        let hold_until = opened_at.plus(machine.hold().min(HOLD_MAX));
        let is_heard = incoming.is_empty() && machine.is_quiet();
        if is_heard && (now >= hold_until || has_news(&answer)) {
            return answer.freeze();
        }
        let deadline = wake_at(&machine, now, hold_until);
        tokio::select! {
            () = mailbox.changed() => {}
            () = tokio::time::sleep(deadline.since(now)) => {}
        }
    }
}

fn wake_at(machine: &Machine, now: Deadline, hold_until: Deadline) -> Deadline {
    let at = machine.deadline(now);
    if hold_until > now { at.min(hold_until) } else { at }
}

/// True if there is more than the HelloAck.
fn has_news(answer: &[u8]) -> bool {
    let mut reader = FrameReader::new(FrameLimits::DOWN);
    reader.push(answer);
    matches!(reader.next(), Ok(Some(_))) && reader.buffered() > 0
}
