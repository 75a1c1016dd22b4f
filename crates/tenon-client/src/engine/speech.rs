//! What the app says to the engine and hears from it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenon_base::{Deadline, Timestamp};
use tenon_wire::v1;

use crate::row::{Jumped, Rebased, Settled};
use crate::store::StoreOp;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Wall time: told to the server, never compared.
    pub wall: Timestamp,
    /// Monotonic time: all waiting.
    pub mono: Deadline,
}

/// What proves who the device is.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// Short-lived; the engine asks for a new one when it has ended.
    Ticket(Bytes),
    /// Long-lived.
    Credential(Bytes),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ticket(_) => "Ticket(..)",
            Self::Credential(_) => "Credential(..)",
        })
    }
}

/// Numbers and choices of one engine. [`EngineConfig::new`] has the starting values of the protocol page.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// What proves who the device is.
    pub auth: Auth,
    /// Id of this device; 0 = the one the credential belongs to.
    pub device: u64,
    /// Name and version of the program, for the server's log.
    pub sdk: Arc<str>,
    /// A number of `network`.
    pub net: u32,
    /// Bytes of batches that may be under way; 0 = the server chooses.
    pub window_bytes: u32,
    /// Lines of the first list page.
    pub first_page: u32,
    /// False: message rows and intervals are not kept, history comes from the server each time.
    pub keeps_rows: bool,
    /// False: events for the app are not stored, so a crash may lose those the app has not yet taken.
    pub keeps_events: bool,
    /// Longest time an applied batch waits for its Ack.
    pub ack_delay: Duration,
    /// An unanswered command is sent again after this.
    pub send_timeout: Duration,
    /// A parked command is sent again after this.
    pub parked_timeout: Duration,
    /// Pause between two read marks of one conversation.
    pub read_pause: Duration,
    /// Shortest reconnect pause.
    pub backoff_min: Duration,
    /// Longest reconnect pause.
    pub backoff_max: Duration,
    /// A Hello that is not answered for this long has failed.
    pub hello_timeout: Duration,
    /// A pull waits a random time up to this, so that a multicast tip does not make a herd.
    pub pull_jitter: Duration,
}

impl Auth {
    /// The device that a credential (`tnd_`, 16 hex digits, `_`, secret) belongs to; 0 = not said.
    fn device(&self) -> u64 {
        let Self::Credential(text) = self else { return 0 };
        let digits = text.strip_prefix(b"tnd_").and_then(|rest| rest.get(..16));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
    }
}

impl EngineConfig {
    /// The starting values. A credential names its device, so that own events settle commands as well as answers do.
    pub fn new(auth: Auth) -> Self {
        Self {
            device: auth.device(),
            auth,
            sdk: concat!("tenon-rust/", env!("CARGO_PKG_VERSION")).into(),
            net: tenon_wire::network::WIRED,
            window_bytes: 0,
            first_page: 20,
            keeps_rows: true,
            keeps_events: true,
            ack_delay: Duration::from_millis(200),
            send_timeout: Duration::from_secs(5),
            parked_timeout: Duration::from_secs(30),
            read_pause: Duration::from_secs(3),
            backoff_min: Duration::from_millis(300),
            backoff_max: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(10),
            pull_jitter: Duration::from_millis(200),
        }
    }
}

/// A wish of the app. `ticket` comes back in the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Go online; again after a stop.
    Start,
    /// Go offline until `Start`.
    Stop,
    /// Use this from the next Hello on.
    Authorize(Auth),
    /// A message; answered by [`Answer::Queued`] once durable, then by [`AppEvent::Settled`].
    Send {
        /// Names the answer.
        ticket: u64,
        /// Everything but `device_epoch` and `cid`.
        send: Box<v1::Send>,
        /// Waits for this local id; an empty `reply_seq` becomes its seq. 0 = none.
        after: u64,
    },
    /// A command; answered like `Send`. `conv` 0 = the user's own chain.
    Op {
        /// Names the answer.
        ticket: u64,
        /// Everything but `device_epoch` and `n`.
        op: Box<v1::Op>,
        /// Waits for this local id. 0 = none.
        after: u64,
    },
    /// Takes back a command that is not settled; one that was done meanwhile is recalled, if it is a message.
    Cancel {
        /// Its local id.
        local: u64,
    },
    /// The user has read up to here.
    MarkRead {
        /// The conversation.
        conv: u64,
        /// Last seq read.
        up_to_seq: u64,
        /// Private messages read.
        up_to_pcnt: u64,
    },
    /// Rows of a timeline; answered by [`Answer::History`] or [`Answer::Refused`].
    History {
        /// Names the answer.
        ticket: u64,
        /// Which rows.
        want: HistoryWant,
    },
    /// Any read of the protocol; answered by [`Answer::Response`] or [`Answer::Refused`].
    Request {
        /// Names the answer.
        ticket: u64,
        /// A number of `method`.
        method: u32,
        /// The encoded request.
        body: Bytes,
    },
    /// What the user looks at.
    Watch(v1::Watch),
    /// Something lossy, such as typing.
    Ephemeral(v1::Ephemeral),
    /// The app has handled the events up to this number.
    EventsDone(u64),
}

/// Which rows of a timeline: above < seq < below (0 = open), the highest `limit` of them, or the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryWant {
    /// The conversation.
    pub conv: u64,
    /// Exclusive lower end.
    pub above_seq: u64,
    /// Exclusive upper end; 0 = the tip.
    pub below_seq: u64,
    /// 1 to 100 rows.
    pub limit: u32,
    /// The lowest rows of the range.
    pub is_upward: bool,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The command is durable here under this local id.
    Queued {
        /// Local id.
        local: u64,
    },
    /// History `lo..=hi` is held; `lo > hi` = nothing is there.
    History(Box<HistoryAnswer>),
    /// The server's answer.
    Response(Bytes),
    /// Not done.
    Refused(v1::ErrorInfo),
}

/// A piece of a timeline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistoryAnswer {
    /// The conversation.
    pub conv: u64,
    /// First seq covered.
    pub lo: u64,
    /// Last seq covered.
    pub hi: u64,
    /// True if nothing visible lies below `lo`.
    pub is_floor: bool,
    /// False: a part was out of reach; ask again later.
    pub is_stable: bool,
    /// Rows, if the store does not hold them.
    pub rows: Vec<v1::MessageRow>,
    /// Private rows, if the store does not hold them.
    pub privates: Vec<v1::PrivateMessage>,
    /// What the user deleted or cleared: rows inside are not shown.
    pub overlay: Option<v1::Overlay>,
}

/// How the engine stands to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not wanted.
    Offline,
    /// Opening a link.
    Connecting,
    /// Signed in.
    Live,
    /// Waits before the next try.
    Backoff {
        /// How long.
        wait: Duration,
        /// Wire code that ended the link, 0 = none.
        code: u32,
        /// For developers.
        text: String,
    },
    /// Does not come back by itself: displaced, session ended, upgrade required, or the store failed.
    Stopped {
        /// Wire code, 0 = none.
        code: u32,
        /// For developers.
        text: String,
    },
}

/// What the app hears. Numbered events come in order, each once; those not handled come again after a restart.
#[derive(Debug, Clone, PartialEq)]
pub enum AppEvent {
    /// An event of the server, applied.
    Sync {
        /// Number of the event in this store.
        n: u64,
        /// As the server said it.
        event: Box<v1::SyncEvent>,
    },
    /// A command ended.
    Settled {
        /// Number of the event in this store.
        n: u64,
        /// How.
        settled: Box<Settled>,
    },
    /// Revs were skipped.
    Jumped {
        /// Number of the event in this store.
        n: u64,
        /// Which.
        jumped: Jumped,
    },
    /// A queue was skipped: read the list.
    Rebased {
        /// Number of the event in this store.
        n: u64,
        /// Which.
        rebased: Rebased,
    },
    /// The list is complete: every page of the Rebase is read, or none was needed.
    ListComplete,
    /// The connection changed.
    State(ConnectionState),
    /// Something lossy.
    Ephemeral(v1::Ephemeral),
    /// The server asks for a new ticket: answer with [`Command::Authorize`].
    AuthWanted,
}

impl AppEvent {
    /// Number of the event, if it has one.
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Sync { n, .. }
            | Self::Settled { n, .. }
            | Self::Jumped { n, .. }
            | Self::Rebased { n, .. } => Some(*n),
            _ => None,
        }
    }
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Perform this transaction, then call `handle_committed(tx)`. No other is asked for before.
    Commit {
        /// Number of the transaction.
        tx: u64,
        /// Its steps.
        ops: Vec<StoreOp>,
    },
    /// Open a link, then call `handle_link_up` or `handle_link_down`.
    Connect,
    /// Write what `poll_transmit` gives, then close the link. `handle_link_down` is not needed.
    CloseLink,
    /// Answers the command with this ticket.
    Answer(u64, Answer),
    /// Tells the app.
    Event(AppEvent),
}

/// A line of the conversation list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListLine {
    /// The conversation.
    pub conv: u64,
    /// What all members share.
    pub meta: Option<v1::ConvMeta>,
    /// The user's own settings.
    pub summary: Option<v1::Summary>,
    /// Unread messages.
    pub unread: u64,
    /// Highest seq that exists.
    pub tip_seq: u64,
    /// Events up to here are folded.
    pub rev: u64,
    /// Events up to here exist, as far as is known.
    pub known: u64,
    /// Own read mark.
    pub read_seq: u64,
    /// The peer's read mark in a direct conversation.
    pub peer_read_seq: u64,
    /// Highest seq that mentions the user.
    pub mention_seq: u64,
    /// Order of the list, Unix milliseconds, newest first.
    pub sort_ts: u64,
    /// Lowest visible seq, minus one.
    pub floor_seq: u64,
    /// What the user deleted or cleared.
    pub overlay: Option<v1::Overlay>,
}

#[test]
fn a_credential_names_its_device() {
    let device =
        |text: &'static str| Auth::Credential(Bytes::from_static(text.as_bytes())).device();
    assert_eq!(device("tnd_00000000000000ff_secret"), 255);
    assert_eq!(device("tnd_zz"), 0);
    assert_eq!(device("something else"), 0);
    assert_eq!(Auth::Ticket(Bytes::from_static(b"tnd_00000000000000ff_x")).device(), 0);
}
