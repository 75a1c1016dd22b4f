//! Hello: who it is, what it holds, how much it can take.

use tenon_base::{ConnCtr, DeviceEpoch, DeviceId, Pts, QueueEpoch, limits};
use tenon_core::admission::{Auth, HelloRequest};
use tenon_wire::{ErrorCode, feature, network, v1};

use super::UNIT;

/// The protocol version spoken here.
pub(crate) const PROTO: u32 = 1;
/// Smallest window: less than one message body would stop a stream.
const WINDOW_BYTES_MIN: u32 = 16 * 1024;
/// Largest window, that of a wire or WLAN.
const WINDOW_BYTES_MAX: u32 = 1024 * 1024;
/// Backlog that is still streamed on a weak network.
const BACKLOG_WEAK: u64 = 200;

/// What the gateway itself keeps of a Hello.
#[derive(Debug, Clone)]
pub(crate) struct Presented {
    /// Cursor the device has stored; `None` for a new device.
    pub(crate) cursor: Option<(QueueEpoch, Pts)>,
    /// Bytes of batches that may be un-acked.
    pub(crate) window_bytes: u32,
    /// Backlog above which a rebase is better.
    pub(crate) backlog_max: u64,
    /// Lines of the first page after a rebase; 0 = the device asks by itself.
    pub(crate) first_page: usize,
    /// Features in force.
    pub(crate) features: u64,
    /// Network and foreground.
    pub(crate) class: Class,
    /// Connection counter.
    pub(crate) conn_ctr: ConnCtr,
    /// HTTP exchange number; 0 on a long connection.
    pub(crate) exchange: u32,
    /// How long an exchange without news may be held, milliseconds.
    pub(crate) wait_ms: u32,
}

/// Network class of section 10.2: how soon tips of closed conversations are told and how large frames are aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Class {
    net: u32,
    is_background: bool,
}

impl Class {
    /// Of what a device tells.
    pub(crate) const fn new(net: u32, is_background: bool) -> Self {
        Self { net, is_background }
    }

    /// Window a device of this class gets unless it asks.
    pub(crate) const fn window_bytes(self) -> u32 {
        match (self.is_background, self.net) {
            (true, _) | (_, network::WEAK) => 64 * 1024,
            (_, network::WIRED | network::WIFI) => 1024 * 1024,
            _ => 256 * 1024,
        }
    }

    /// Payload a batch is aimed at, bytes.
    pub(crate) const fn frame_bytes(self) -> usize {
        match (self.is_background, self.net) {
            (true, _) => 1_400,
            (_, network::WEAK) => 1_200,
            (_, network::MOBILE_4G) => 4 * 1024,
            _ => 16 * 1024,
        }
    }

    /// Time between two tellings of tips of conversations that are not open; `None` = with Pong only.
    pub(crate) const fn tips_ms(self) -> Option<u64> {
        match (self.is_background, self.net) {
            (true, _) => None,
            (_, network::WEAK) => Some(15_000),
            (_, network::MOBILE_4G) => Some(5_000),
            _ => Some(1_000),
        }
    }
}

/// Reads a Hello.
///
/// # Errors
/// `proto_unsupported` without a common version; `bad_message` without authentication or with a cursor of another unit.
pub(crate) fn read(
    hello: &v1::Hello,
    binding: [u8; 32],
    offered: u64,
) -> Result<(HelloRequest, Presented), ErrorCode> {
    if hello.proto_min > PROTO || hello.proto_max < PROTO {
        return Err(ErrorCode::ProtoUnsupported);
    }
    let is_exchange = offered & feature::EXCHANGE != 0;
    if is_exchange != (hello.exchange > 0) {
        return Err(ErrorCode::BadMessage);
    }
    let auth = match hello.auth.clone().ok_or(ErrorCode::BadMessage)? {
        v1::hello::Auth::Ticket(secret) => Auth::Ticket(secret),
        v1::hello::Auth::Resume(secret) => Auth::Resume(secret),
        v1::hello::Auth::Credential(secret) => Auth::Credential(secret),
    };
    if hello.renew_device_epoch && matches!(auth, Auth::Resume(_)) {
        return Err(ErrorCode::BadMessage);
    }
    let class = Class::new(hello.net, hello.background);
    let request = HelloRequest {
        auth,
        device: DeviceId(hello.device),
        device_epoch: DeviceEpoch(hello.device_epoch),
        conn_ctr: ConnCtr(hello.conn_ctr),
        exchange: hello.exchange,
        renew_device_epoch: hello.renew_device_epoch,
        proof: hello.proof.clone(),
        binding,
    };
    let presented = Presented {
        cursor: cursor(&hello.cursors),
        window_bytes: window(hello.window_bytes, class),
        backlog_max: if hello.net == network::WEAK {
            BACKLOG_WEAK
        } else {
            limits::REBASE_BACKLOG_EVENTS
        },
        first_page: (hello.first_page as usize).min(limits::LIST_ITEMS_MAX),
        features: hello.features & offered,
        class,
        conn_ctr: ConnCtr(hello.conn_ctr),
        exchange: hello.exchange,
        wait_ms: hello.wait_ms,
    };
    Ok((request, presented))
}

/// The cursor of this unit.
pub(crate) fn cursor(cursors: &[v1::Cursor]) -> Option<(QueueEpoch, Pts)> {
    let own = cursors.iter().find(|c| c.unit == UNIT)?;
    Some((QueueEpoch(own.queue_epoch), Pts(own.pts)))
}

/// The window a device gets that asks for `wanted` (0 = no wish).
pub(crate) fn window(wanted: u32, class: Class) -> u32 {
    let wanted = if wanted == 0 { class.window_bytes() } else { wanted };
    wanted.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX)
}

/// What this server offers on a long connection.
pub(crate) const FEATURES: u64 =
    feature::EPHEMERAL | feature::CONV_PUSH | feature::CHUNKED_RESPONSE;

/// What it offers in an HTTP exchange, where nothing is pushed by itself.
pub(crate) const EXCHANGE_FEATURES: u64 = feature::CHUNKED_RESPONSE | feature::EXCHANGE;

/// What a device may do, in numbers.
pub(crate) fn limits() -> v1::Limits {
    let wire = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::Limits {
        frame_up_max: wire(limits::FRAME_UP_BYTES_MAX),
        frame_down_max: wire(limits::FRAME_DOWN_BYTES_MAX),
        body_max: wire(limits::BODY_BYTES_MAX),
        inflight_conv_max: wire(limits::INFLIGHT_PER_CONVERSATION_MAX),
        inflight_device_max: wire(limits::INFLIGHT_PER_DEVICE_MAX),
        requests_max: wire(tenon_wire::session::REQUESTS_MAX),
        mentions_max: wire(limits::MENTIONS_MAX),
        private_to_max: wire(limits::PRIVATE_RECEIVERS_MAX),
        open_convs_max: OPEN_CONVS_MAX,
    }
}

/// Conversations a device may have open at once: the bound of `Watch.open`.
const OPEN_CONVS_MAX: u32 = 4;
