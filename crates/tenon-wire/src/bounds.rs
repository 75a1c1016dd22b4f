//! Limits that the schemas state in comments, checked where a received message is decoded.

use bytes::Bytes;
use prost::Message;

use crate::v1::content::What;
use crate::v1::*;

/// Depth of forwards inside forwards.
const FORWARD_DEPTH_MAX: u32 = 3;

/// A message whose lists have bounds.
pub trait Bounded: Message + Default {
    /// Judges the decoded message.
    ///
    /// # Errors
    /// [`TooLong`] with the first field above its bound.
    fn check_bounds(&self) -> Result<(), TooLong>;

    /// Decodes and judges. Byte fields share the buffer of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` is no such message or breaks a bound; both are `bad_message` on the wire.
    fn decode_bounded(bytes: Bytes) -> Result<Self, DecodeError> {
        let message = Self::decode(bytes)?;
        message.check_bounds()?;
        Ok(message)
    }
}

/// A field is longer than its schema allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field {field} is above {max}")]
pub struct TooLong {
    /// Name of the field.
    pub field: &'static str,
    /// What is allowed, entries or bytes.
    pub max: usize,
}

/// A received message is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no such message, or nest deeper than 100.
    #[error("message does not decode")]
    Malformed(#[from] prost::DecodeError),
    /// A list is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

const fn check(field: &'static str, len: usize, max: usize) -> Result<(), TooLong> {
    if len > max { Err(TooLong { field, max }) } else { Ok(()) }
}

macro_rules! bounds {
    ($($message:ident { $($field:ident <= $max:literal),* })*) => {
        $(impl Bounded for $message {
            fn check_bounds(&self) -> Result<(), TooLong> {
                $(check(stringify!($field), self.$field.len(), $max)?;)*
                Ok(())
            }
        })*
    };
}

bounds! {
    HelloAck {} GoAway {} Ping {} Pong {} Close {} NetHint {} SendAck {} OpAck {} Op {} ReadMarksAck {}
    Ack {} Rebase {} Subscribe {} UnitState {} ConvDiff {} Ephemeral {} DeviceBatch {}
    ReadRequest {} ReadResponse {} Cancel {} ErrorInfo {}
    Watch { open <= 4, presence <= 200 }
    Send { mentions <= 100, to <= 100 }
    ReadMarks { marks <= 64 }
    EventBatch { events <= 256 }
    ConvTips { tips <= 64 }
    GetConvDiff {} GetConvList {} GetHistory {} SeqAtTime {} GetInbox {} GetListDigest {} LookupSend {}
    GetRoster {} SearchRoster {} GetCollection {} GetReaders {} GetReactions {} GetMentions {} Search {}
    GetConvDiffs { wants <= 50 }
    GetConvItems { convs <= 100 }
    GetMessages { seqs <= 100, pids <= 100 }
    GetDigest { ranges <= 64 }
    GetEntities { wanted <= 200 }
    GetReceipts { seqs <= 50 }
    GetPresence { users <= 200 }
    ResolveNames { users <= 50, groups <= 50 }
    Edit { mentions <= 100 }
    React { code <= 64 }
    AddMembers { users <= 200 }
    RemoveMembers { users <= 200 }
    PutSetting { value <= 4096 }
    CreateConversation { members <= 500 }
}

impl Bounded for Hello {
    fn check_bounds(&self) -> Result<(), TooLong> {
        check("cursors", self.cursors.len(), 8)?;
        check("dict_ids", self.dict_ids.len(), 4)?;
        match &self.auth {
            Some(
                hello::Auth::Ticket(value)
                | hello::Auth::Resume(value)
                | hello::Auth::Credential(value),
            ) => check("auth", value.len(), 1024),
            None => Ok(()),
        }
    }
}

impl Bounded for Content {
    fn check_bounds(&self) -> Result<(), TooLong> {
        check_content(self, FORWARD_DEPTH_MAX)
    }
}

/// Judges one content; `depth` forwards may still be nested in it.
fn check_content(content: &Content, depth: u32) -> Result<(), TooLong> {
    check("spans", content.spans.len(), 100)?;
    match &content.what {
        Some(What::Rich(rich)) => check("blocks", rich.blocks.len(), 200),
        Some(What::Voice(voice)) => check("waveform", voice.waveform.len(), 128),
        Some(What::Card(card)) => check("data", card.data.len(), 16 * 1024),
        Some(What::MergeForward(forward)) => {
            check("lines", forward.lines.len(), 100)?;
            let Some(depth) = depth.checked_sub(1) else {
                return Err(TooLong { field: "merge_forward", max: FORWARD_DEPTH_MAX as usize });
            };
            // A line that does not decode here is shown as unknown by readers; it is not this message's fault.
            let lines = forward.lines.iter().filter_map(|l| Content::decode(l.body.clone()).ok());
            lines.into_iter().try_for_each(|line| check_content(&line, depth))
        }
        _ => Ok(()),
    }
}
