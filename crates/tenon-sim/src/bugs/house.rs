//! The planted bugs that are hunted in the whole house: of the SDK's engine, the gateway and the receiver. Nothing there
//! knows a rule of the server, so each breaks a law that a stranger sees.

use super::{Bug, bug};
use crate::plan::{Plan, ServerFaults};

const fn house(
    name: &'static str,
    place: &'static str,
    breaks: &'static str,
    wrong: &'static str,
) -> Bug {
    Bug { is_in_house: true, ..bug(name, place, breaks, wrong) }
}

/// Links break all the time.
fn weak_links(plan: &mut Plan) {
    plan.net.reset = 20_000;
    plan.features.reconnect = 25;
    plan.features.kill = 10;
}

/// Stores of devices are put back from an older copy.
fn put_back(plan: &mut Plan) {
    plan.features.restore = 12;
    plan.features.kill = 10;
}

/// Devices are removed, and the server lives.
fn removals(plan: &mut Plan) {
    plan.server = ServerFaults::default();
    plan.features.revoke = 8;
    plan.devices = 3;
}

/// Groups are read by pull.
fn pulled(plan: &mut Plan) {
    plan.pull_above = 3;
    plan.net.reset = 3_000;
}

/// Many receipts and pins.
fn receipts(plan: &mut Plan) {
    plan.features.create = 10;
    plan.features.pin = 20;
    plan.features.read = 40;
}

/// Acks are late.
fn stalls(plan: &mut Plan) {
    plan.net.stall = 30_000;
    plan.net.delay_us = 400_000;
    plan.operations = 700;
    plan.pull_above = 500;
    plan.features.reinstall = 0;
}

/// The log needs many segments, and flushes come often.
fn many_segments(plan: &mut Plan) {
    plan.sizes.segment = tenon_base::ByteSize(64 << 10);
    plan.sizes.group = tenon_base::ByteSize(16 << 10);
    plan.flush_us = 150_000;
    plan.operations = 700;
}

/// By place.
pub const HOUSE_BUGS: &[Bug] = &[
    house("resend-new-cid", "client", "I2", "what was under way goes again under a new cid")
        .with(weak_links),
    house("no-rev-check", "client", "I7", "an event is applied over a hole").with(pulled),
    house("ack-before-commit", "client", "I17", "a batch is acked before it is stored")
        .with(weak_links),
    house("queued-not-offered", "client", "I2", "what a lost life may have sent is sent again")
        .with(put_back),
    house("mark-not-counted", "client", "I15", "what was read counts as unread"),
    house("ack-names-next", "gateway", "I1", "the answer to a repeated send names the next place")
        .with(weak_links),
    house("unknown-field-dropped", "gateway", "I19", "a content is written anew on its way"),
    house("unknown-event-dropped", "client", "I19", "an event of an unknown kind is not stored")
        .with(receipts),
    house("window-ignored", "wire", "I25", "batches leave without room in the window").with(stalls),
    house("log-not-trimmed", "store", "I25", "no flush lets the log drop segments")
        .with(many_segments),
    house("close-ignored", "gateway", "I23", "the session of a removed device goes on")
        .with(removals),
    house("page-without-first", "receiver", "I6", "a page of history covers a row that it lacks"),
];
