//! The targets, in the order of the house: wire, device, log, store, import, identity.

mod device;
mod identity;
mod import;
mod log;
mod memory_disk;
mod seeds;
mod session;
mod store;
mod wire;

use tenon_base::limits;

use crate::target::{MEMORY_FACTOR, MEMORY_SLACK, Target};

/// A law that does not hold: whoever runs it and sees no failure is not looking.
pub const CANARY: Target = Target {
    name: "canary",
    about: "claims that no input holds `TNRC`; a driver that does not refute it is broken",
    run: |input| assert!(!input.windows(4).any(|w| w == b"TNRC"), "the canary sang"),
    seeds: || vec![b"a log record begins with TNR".to_vec()],
    dictionary: &[b"TNRC"],
    bytes_max: 256,
    memory_factor: MEMORY_FACTOR,
    memory_slack: MEMORY_SLACK,
};

/// A target with the bounds that hold unless a line says otherwise.
const fn target(name: &'static str, run: crate::Law, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    let bytes_max = limits::RECORD_BYTES_MAX;
    Target {
        name,
        about: "",
        run,
        seeds,
        dictionary: &[],
        bytes_max,
        memory_factor: MEMORY_FACTOR,
        memory_slack: MEMORY_SLACK,
    }
}
/// A target that holds a value, its bytes, and the value decoded again; in memory a value is wider than in its bytes.
const fn stored(name: &'static str, run: crate::Law, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { memory_factor: 24, ..target(name, run, seeds) }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        about: "frame headers, extensions and pieces, whatever the cuts",
        dictionary: wire::FRAME_WORDS,
        ..target("frames", wire::frames, seeds::frames)
    },
    Target {
        about: "every message that a device sends",
        dictionary: wire::PROTOBUF_WORDS,
        bytes_max: limits::FRAME_UP_BYTES_MAX + 1,
        ..target("messages_up", wire::messages_up, seeds::messages_up)
    },
    Target {
        about: "every message that a server sends",
        dictionary: wire::PROTOBUF_WORDS,
        // An empty event takes two bytes of a list and some 150 in memory; lists are judged once they are decoded. A device
        // has one link, and its frames have 256 KiB.
        memory_factor: 128,
        ..target("messages_down", wire::messages_down, seeds::messages_down)
    },
    Target {
        about: "envelopes as text, there and back",
        dictionary: wire::JSON_WORDS,
        bytes_max: 128 * 1024,
        // A tree of JSON values costs 32 bytes for each `0,`, and the check holds it twice.
        memory_factor: 96,
        ..target("json", wire::json, seeds::json)
    },
    Target {
        about: "frames as envelopes, as text, and back",
        dictionary: wire::FRAME_WORDS,
        bytes_max: limits::FRAME_UP_BYTES_MAX,
        memory_factor: 96,
        ..target("json_of_frames", wire::json_of_frames, seeds::frames)
    },
    Target {
        about: "the server's end of a link, driven by steps",
        dictionary: wire::FRAME_WORDS,
        bytes_max: limits::FRAME_UP_BYTES_MAX,
        // What is queued for the socket has a bound of its own.
        memory_slack: 4 * 1024 * 1024,
        ..target("server_session", session::server, seeds::server_session)
    },
    Target {
        about: "the device's end of a link, driven by steps",
        dictionary: wire::FRAME_WORDS,
        bytes_max: limits::FRAME_UP_BYTES_MAX,
        memory_slack: 4 * 1024 * 1024,
        ..target("client_session", session::client, seeds::client_session)
    },
    Target {
        about: "both ends over a link that damages what it carries",
        bytes_max: 4 * 1024,
        memory_slack: 4 * 1024 * 1024,
        ..target("session_pair", session::pair, seeds::session_pair)
    },
    Target {
        about: "a device's engine fed by a hostile server",
        dictionary: wire::FRAME_WORDS,
        bytes_max: 32 * 1024,
        // A wish of the app is one byte here and a row of the outbox, in the store and in the engine, there.
        memory_factor: 2 * 1024,
        ..target("device_engine", device::engine_run, seeds::device_engine)
    },
    Target {
        about: "rows of a device's own store",
        memory_factor: 128,
        ..target("device_rows", device::rows, seeds::device_rows)
    },
    Target {
        about: "the header of a log record and its payload",
        ..target("log_frame", log::frame, seeds::log_frame)
    },
    Target {
        about: "header and footer of a log segment",
        ..target("log_segment", log::segment, seeds::log_segment)
    },
    Target {
        about: "opening a log whose device was damaged",
        bytes_max: 512,
        // The disk is in memory as well, and a device may say that its segments are as large as that disk allows.
        memory_slack: 256 * 1024 * 1024,
        ..target("log_recovery", log::recovery, seeds::log_recovery)
    },
    Target {
        about: "records of conversation partitions",
        ..stored("commands", store::commands, seeds::commands)
    },
    Target {
        about: "records of user partitions",
        ..stored("user_commands", store::user_commands, seeds::user_commands)
    },
    Target { about: "fan-out records", ..stored("fan_outs", store::fan_outs, seeds::fan_outs) },
    Target {
        about: "records of the identity partition",
        ..stored("identity_commands", store::identity_commands, seeds::identity_commands)
    },
    Target { about: "values of every table", ..stored("rows", store::rows, seeds::rows) },
    Target {
        about: "the row that a store stands on",
        // A live space takes three bytes there and has a name here. There is one such row in a store.
        memory_factor: 128,
        ..target("checkpoint", store::checkpoint, seeds::checkpoint)
    },
    Target {
        about: "index and bodies of a value block",
        // What is packed may be far smaller than what comes out, up to two values; an empty one to pack takes two bytes.
        memory_factor: 192,
        memory_slack: 8 * 1024 * 1024,
        ..stored("block", store::block, seeds::block)
    },
    Target {
        about: "one day of a Slack export",
        dictionary: import::WORDS,
        // A line of two bytes is told as skipped with its reason, and there are at most 400,000 of them.
        memory_factor: 128,
        ..target("slack_day", import::day, seeds::slack_day)
    },
    Target {
        about: "a whole Slack export",
        dictionary: import::WORDS,
        // Files are packed; their unpacked sizes have bounds.
        memory_slack: 8 * 1024 * 1024,
        ..stored("slack_zip", import::zip, seeds::slack_zip)
    },
    Target {
        about: "sealed tickets and what is inside",
        ..target("tickets", identity::tickets, seeds::tickets)
    },
    Target {
        about: "device credentials",
        ..target("credentials", identity::credentials, seeds::credentials)
    },
];

/// The target of this name, the canary included.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain([&CANARY]).find(|target| target.name == name)
}
