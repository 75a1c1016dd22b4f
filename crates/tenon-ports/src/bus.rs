//! The `Bus` door: messages between nodes that may be lost.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tenon_base::Retry;

/// Largest message: a batch of frames.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Why a message was not handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody serves this subject now; told at once.
    #[error("nobody serves this subject")]
    Nobody,
    /// The server's queue is at its bound; it was not handed on.
    #[error("the server of this subject is busy")]
    Busy,
    /// Somebody serves this subject already.
    #[error("the subject is taken")]
    Taken,
    /// The subject is empty, or the message too large.
    #[error("bad subject or message")]
    Bad,
    /// It was handed on and no answer came: the server went, or the net.
    #[error("no answer")]
    Unanswered,
}

impl BusError {
    /// Tells a room whether it may repeat the call.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Nobody | Self::Busy => Retry::Safe,
            Self::Unanswered => Retry::Unknown,
            Self::Taken | Self::Bad => Retry::Never,
        }
    }
}

/// A message that wants an answer. Dropping it without one tells the asker at once.
pub trait Request: Send {
    /// What was asked.
    fn payload(&self) -> Bytes;
    /// Answers.
    fn answer(self: Box<Self>, payload: Bytes);
}

/// Requests to one subject, in the order of arrival per asker.
#[async_trait]
pub trait Requests: Send {
    /// The next one; `None` once the bus is gone.
    async fn next(&mut self) -> Option<Box<dyn Request>>;
}

/// Messages published to one subject.
#[async_trait]
pub trait Messages: Send {
    /// The next one; `None` once the bus is gone. What came while the queue was at its bound is lost.
    async fn next(&mut self) -> Option<Bytes>;
}

/// At-most-once messages and request with reply. What is lost here is repaired elsewhere: by positions, tips and repeats.
///
/// Laws (contract suite): B1 a message arrives at most once; B2 a request to nobody is refused at once; B3 a request whose
/// server goes away is told so; B4 a slow subscriber loses messages and holds up nobody; B5 one server per subject.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Asks whoever serves the subject.
    ///
    /// # Errors
    /// See [`BusError`].
    async fn request(&self, subject: &str, payload: Bytes) -> Result<Bytes, BusError>;

    /// Serves a subject until the stream is dropped. At most `queue_max` requests wait; further ones are refused `Busy`.
    ///
    /// # Errors
    /// [`BusError::Taken`] while another serves it.
    fn serve(
        self: Arc<Self>,
        subject: &str,
        queue_max: usize,
    ) -> Result<Box<dyn Requests>, BusError>;

    /// Tells everybody who listens to the subject now.
    ///
    /// # Errors
    /// [`BusError::Bad`].
    fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError>;

    /// Listens to a subject until the stream is dropped. At most `queue_max` messages wait.
    ///
    /// # Errors
    /// [`BusError::Bad`].
    fn subscribe(
        self: Arc<Self>,
        subject: &str,
        queue_max: usize,
    ) -> Result<Box<dyn Messages>, BusError>;
}
