//! What travels between a simulated device and the simulated front: the frames of the protocol in plain values.

use std::sync::Arc;

use tenon_core::event::{Event, Item, Message, Tip};
use tenon_core::handover::Delivery;
use tenon_core::user::Summary;

/// What a user does in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends a text.
    Send {
        /// Content; unique in a run.
        body: String,
        /// Users named.
        mentions: Vec<u64>,
        /// Does not raise the badge.
        is_silent: bool,
    },
    /// Adds members.
    Add(Vec<u64>),
    /// Removes members.
    Remove(Vec<u64>),
    /// Changes the title.
    Rename(String),
    /// Leaves.
    Leave,
}

/// A command on its way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendUp {
    /// Conversation.
    pub conv: u64,
    /// Device epoch of the chain.
    pub epoch: u32,
    /// Place in the chain.
    pub cid: u64,
    /// To be cancelled.
    pub is_void: bool,
    /// What.
    pub act: Act,
}

/// From device to front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Up {
    /// First frame of a connection.
    Hello {
        /// Epoch of the device's outbox.
        epoch: u32,
        /// Connection counter.
        conn_ctr: u64,
        /// (queue epoch, pts).
        cursor: Option<(u32, u64)>,
        /// A new device epoch is wanted.
        is_renewal: bool,
    },
    /// A command to a conversation.
    Send(SendUp),
    /// Pins or unpins a line.
    Pin {
        /// Conversation.
        conv: u64,
        /// Device epoch of the chain.
        epoch: u32,
        /// Place in the user chain.
        op_seq: u64,
        /// New value.
        pinned: bool,
    },
    /// Read up to here.
    Read {
        /// Conversation.
        conv: u64,
        /// Highest seq.
        up_to: u64,
    },
    /// Stored up to here.
    Ack {
        /// Queue epoch.
        epoch: u32,
        /// Position.
        pts: u64,
    },
    /// Stream from here.
    Subscribe {
        /// Queue epoch.
        epoch: u32,
        /// Position.
        pts: u64,
    },
    /// Heartbeat.
    Ping,
    /// Events of a conversation behind a rev.
    Diff {
        /// Conversation.
        conv: u64,
        /// Rev held.
        since: u64,
    },
    /// Messages of a range.
    History {
        /// Conversation.
        conv: u64,
        /// First seq.
        lo: u64,
        /// Last seq.
        hi: u64,
    },
    /// A page of the list, by conversation id.
    List {
        /// Last conversation of the page before.
        after: u64,
        /// Comes back with the page.
        turn: u64,
    },
}

/// The answer to a command, in the words of the ack contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Ordered.
    Ok {
        /// Seq, 0 for an op.
        seq: u64,
        /// Rev.
        rev: u64,
    },
    /// Was ordered before.
    Duplicate {
        /// Seq, 0 for an op.
        seq: u64,
        /// Rev.
        rev: u64,
    },
    /// Was refused before; true if it was cancelled.
    DuplicateRejected(bool),
    /// The cid was used with other content.
    Reused,
    /// Refused; true if cancelled.
    Rejected(bool),
    /// Resend from here.
    Gap(u64),
    /// Nothing was decided: no such conversation for this user.
    Absent,
    /// Same cid again later.
    Retry,
}

/// One line of the list.
#[derive(Debug, Clone)]
pub struct Line {
    /// The leader's item.
    pub item: Item,
    /// The user's own settings.
    pub summary: Summary,
}

/// From front to device.
#[derive(Debug, Clone)]
pub enum Down {
    /// The connection is live.
    HelloAck {
        /// Epoch of the device's outbox.
        device_epoch: u32,
        /// Queue epoch.
        queue_epoch: u32,
        /// A rebase follows.
        is_rebase: bool,
        /// The device lost local commits.
        rolled_back: bool,
        /// Tips of pull-mode conversations.
        tips: Vec<Tip>,
    },
    /// The device epoch is not the stored one: renew it.
    EpochStale,
    /// A newer connection of this device exists.
    ConnectionStale,
    /// The answer to a command.
    SendAck {
        /// Conversation.
        conv: u64,
        /// Chain.
        epoch: u32,
        /// Place.
        cid: u64,
        /// Outcome.
        answer: Answer,
    },
    /// The answer to an op of the user chain: `None` = try again.
    OpAck {
        /// Chain.
        epoch: u32,
        /// Place.
        op_seq: u64,
        /// `Ok(())` settled, `Err(Some(expect))` gap, `Err(None)` again.
        answer: Result<(), Option<u64>>,
    },
    /// The read mark is durable.
    ReadAck {
        /// Conversation.
        conv: u64,
        /// Up to.
        up_to: u64,
    },
    /// From the user's queue.
    Delivery(Delivery),
    /// A pull-mode conversation moved on.
    Tip(Tip),
    /// Heartbeat.
    Pong {
        /// Queue epoch.
        queue_epoch: u32,
        /// Highest pts.
        tip: u64,
        /// Digest at `tip`.
        digest: u64,
        /// Tips of pull-mode conversations.
        tips: Vec<Tip>,
    },
    /// Events of a conversation.
    Diff {
        /// Conversation.
        conv: u64,
        /// Asked from here.
        from: u64,
        /// Ends here.
        to: u64,
        /// Tips at the time of the answer.
        tip: Tip,
        /// In rev order.
        events: Vec<Arc<Event>>,
    },
    /// Too far behind: the line instead.
    TooLong {
        /// The line.
        line: Box<Line>,
        /// Of the question.
        since: u64,
    },
    /// Not in this conversation.
    Gone {
        /// Conversation.
        conv: u64,
        /// Of the question, if it was a pull.
        since: Option<u64>,
    },
    /// Messages of a range.
    History {
        /// Conversation.
        conv: u64,
        /// First seq covered.
        lo: u64,
        /// Last seq covered.
        hi: u64,
        /// State the answer shows.
        as_of: u64,
        /// Rows, ascending.
        rows: Vec<Arc<Message>>,
    },
    /// A page of the list.
    List {
        /// Asked behind this conversation.
        after: u64,
        /// As asked.
        turn: u64,
        /// The lines.
        lines: Vec<Line>,
        /// Last conversation of the page if more follow.
        next: Option<u64>,
    },
    /// A request could not be answered now.
    Again {
        /// The request.
        request: Box<Up>,
    },
    /// The server ends the connection.
    Close,
}
