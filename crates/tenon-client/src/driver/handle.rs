//! The app's handle of a client, and its events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tenon_base::{Clock, ConversationId, MessageId, Rev, Seq, Timestamp, UserId};
use tenon_wire::{ErrorCode, message_kind, method, op_type, v1};
use tokio::sync::{mpsc, oneshot, watch};

use super::options::ClientOptions;
use super::task::{Task, Wish};
use super::waiters::Reply;
use super::{ClientEvent, TlsError};
use crate::engine::{Command, ConnectionState, HistoryWant, ListLine};
use crate::row::Settled;
use crate::store::StoreError;

/// Calls that may wait for the task.
const WISHES_MAX: usize = 64;
/// How long a new conversation may take to appear after the server accepted it.
const JOIN_WAIT: Duration = Duration::from_secs(30);
/// Set in the handled number: the app leaves further events in the store.
pub(super) const LEFT: u64 = 1 << 63;

/// Why a call had no success.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The server or the engine refused; the code is of the wire registry, 0 = none.
    #[error("refused with code {code}: {text}")]
    Refused {
        /// Wire code.
        code: u32,
        /// For developers.
        text: String,
    },
    /// This device lost local commits: the command was not sent and may be given again.
    #[error("not sent: the local store was rolled back")]
    OfferedAgain,
    /// The client does not come back by itself.
    #[error("stopped with code {code}: {text}")]
    Stopped {
        /// Wire code, 0 = none.
        code: u32,
        /// For developers.
        text: String,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server can not be reached, or says what is not understood.
    #[error("connection failed: {0}")]
    Link(String),
    /// The record can not be written.
    #[error("record {}: {error}", path.display())]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        error: Arc<std::io::Error>,
    },
    /// The local store failed.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// TLS can not be set up.
    #[error("{0}")]
    Tls(Arc<TlsError>),
    /// An answer does not decode.
    #[error("answer does not decode")]
    Decode(#[from] prost::DecodeError),
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<TlsError> for ClientError {
    fn from(error: TlsError) -> Self {
        Self::Tls(Arc::new(error))
    }
}

/// A message that is applied on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// Its place among the messages; 0 for a private one.
    pub seq: Seq,
    /// Its place among the events.
    pub rev: Rev,
    /// Its time.
    pub at: Timestamp,
    /// From the call to the answer.
    pub elapsed: Duration,
}

/// A piece of a timeline, oldest first. What the user deleted is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistoryRows {
    /// Rows by seq.
    pub rows: Vec<v1::MessageRow>,
    /// Private rows by (anchor, pid).
    pub privates: Vec<v1::PrivateMessage>,
    /// First seq covered; ask below it for the next page.
    pub lo: u64,
    /// Last seq covered; below `lo` = nothing is there.
    pub hi: u64,
    /// Nothing visible lies below `lo`.
    pub is_floor: bool,
    /// False: a part was out of reach; ask again later.
    pub is_stable: bool,
}

/// One account on one device. Cheap to clone; the last clone that goes ends the task without ceremony, [`Self::close`]
/// ends it gracefully.
#[derive(Clone)]
pub struct Client {
    wishes: mpsc::Sender<Wish>,
    state: watch::Receiver<ConnectionState>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

/// The events of a client, in order. Taking the next one says that the one before is handled; what was not handled
/// comes again after a restart with the same number, if the store is a folder.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<ClientEvent>,
    handled: Arc<AtomicU64>,
    last: u64,
}

impl Events {
    /// The next event; `None` once the client has ended.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        self.handled();
        let event = self.events.recv().await?;
        if let Some(n) = event.number() {
            self.last = n;
        }
        Some(event)
    }

    /// Says that the last event taken is handled, without waiting for the next one.
    pub fn handled(&self) {
        self.handled.fetch_max(self.last, Ordering::Relaxed);
    }

    /// Leaves all further events in the store, for the next process that opens it.
    pub fn leave(self) {
        self.handled.fetch_or(LEFT, Ordering::Relaxed);
    }
}

impl Client {
    /// Opens the store and starts the task; the link comes up in the background. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Store`] if the local store can not be opened, [`ClientError::Record`] if the record can not.
    pub async fn connect(options: ClientOptions) -> Result<(Self, Events), ClientError> {
        let (wish_sender, wishes) = mpsc::channel(WISHES_MAX);
        let (event_sender, events) = mpsc::channel(options.events_max.max(1));
        let (state_sender, state) = watch::channel(ConnectionState::Offline);
        let handled = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&options.clock);
        let task =
            Task::open(options, wishes, event_sender, state_sender, Arc::clone(&handled)).await?;
        drop(tokio::spawn(task.run()));
        let client = Self { wishes: wish_sender, state, clock };
        Ok((client, Events { events, handled, last: 0 }))
    }

    /// How the client stands to the server; follow it with `changed`.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until the conversation list is complete for the first time.
    ///
    /// # Errors
    /// [`ClientError::Stopped`] if the server does not want this device.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.call(|reply| Wish::List { waits: true, reply }).await.map(drop)
    }

    /// The conversation list, newest first, once it is complete.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub async fn list(&self) -> Result<Vec<ListLine>, ClientError> {
        self.call(|reply| Wish::List { waits: true, reply }).await
    }

    /// The conversation list as it is held now, online or not.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn list_held(&self) -> Result<Vec<ListLine>, ClientError> {
        self.call(|reply| Wish::List { waits: false, reply }).await
    }

    /// Sends a text and waits until it is applied.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_text(
        &self,
        conv: ConversationId,
        text: impl Into<String>,
    ) -> Result<Sent, ClientError> {
        self.send(text_of(conv, text)).await
    }

    /// Sends a message and waits until it is applied; over reconnects it stays one message. A call that is dropped
    /// does not take the message back.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the code of the refusal.
    pub async fn send(&self, send: v1::Send) -> Result<Sent, ClientError> {
        let begin = self.clock.monotonic();
        let send = Box::new(send);
        let settled =
            self.call(|r| Wish::Send { send, after: 0, queued: None, settled: Some(r) }).await?;
        let settled = done(settled)?;
        Ok(Sent {
            message_id: MessageId(settled.id),
            seq: Seq(settled.seq),
            rev: Rev(settled.rev),
            at: Timestamp(settled.ts),
            elapsed: self.clock.monotonic().since(begin),
        })
    }

    /// Queues a message and returns its local id once it is durable here; [`ClientEvent::Settled`] tells the outcome.
    /// It waits for the message with the local id `after`, 0 = for none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is too large or too much waits.
    pub async fn enqueue(&self, send: v1::Send, after: u64) -> Result<u64, ClientError> {
        let send = Box::new(send);
        self.call(|r| Wish::Send { send, after, queued: Some(r), settled: None }).await
    }

    /// Gives a command and waits for its outcome; `conv` 0 = a command to the user's own data.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the code of the refusal.
    pub async fn op<M: Message>(
        &self,
        conv: ConversationId,
        op_type: u32,
        body: &M,
    ) -> Result<Settled, ClientError> {
        let body = body.encode_to_vec().into();
        let op = Box::new(v1::Op { conv: conv.0, r#type: op_type, body, ..v1::Op::default() });
        let settled =
            self.call(|r| Wish::Op { op, after: 0, queued: None, settled: Some(r) }).await?;
        done(settled)
    }

    /// The direct conversation with a user; the same pair always has the same. Waits until it is in the list.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or [`ClientError::Timeout`] if it does not appear.
    pub async fn open_direct(&self, user: UserId) -> Result<ConversationId, ClientError> {
        let body = v1::OpenDirect { user: user.0 };
        let settled = self.op(ConversationId(0), op_type::OPEN_DIRECT, &body).await?;
        self.joined(ConversationId(settled.id)).await
    }

    /// A new group. Waits until it is in the list.
    ///
    /// # Errors
    /// As [`Self::open_direct`].
    pub async fn create_group(
        &self,
        title: impl Into<String>,
        members: &[UserId],
    ) -> Result<ConversationId, ClientError> {
        let meta = v1::ConvMeta {
            kind: v1::ConvKind::Group.into(),
            title: title.into(),
            ..v1::ConvMeta::default()
        };
        let members = members.iter().map(|user| user.0).collect();
        let body = v1::CreateConversation { meta: Some(meta), members, join_policy: 0 };
        let settled = self.op(ConversationId(0), op_type::CREATE_CONVERSATION, &body).await?;
        self.joined(ConversationId(settled.id)).await
    }

    /// Ids of users and groups by name, in the order asked; id 0 = absent or not visible.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn resolve(
        &self,
        users: Vec<String>,
        groups: Vec<String>,
    ) -> Result<v1::ResolvedNames, ClientError> {
        self.request(method::RESOLVE_NAMES, &v1::ResolveNames { users, groups }).await
    }

    /// The direct conversation with the user of this name.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `absent` if there is no such user.
    pub async fn open_direct_by_name(&self, name: &str) -> Result<ConversationId, ClientError> {
        let names = self.resolve(vec![name.to_owned()], Vec::new()).await?;
        match names.users.first().map(|named| named.id) {
            Some(id) if id != 0 => self.open_direct(UserId(id)).await,
            _ => Err(ClientError::Refused {
                code: ErrorCode::Absent.number(),
                text: format!("no user {name:?}"),
            }),
        }
    }

    /// Rows of a timeline, at most 100: from the local copy where that is complete, else from the server.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn history(&self, want: HistoryWant) -> Result<HistoryRows, ClientError> {
        self.call(|reply| Wish::History { want, reply }).await
    }

    /// Any read of the protocol.
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::Decode`].
    pub async fn request<Q: Message, A: Message + Default>(
        &self,
        method: u32,
        request: &Q,
    ) -> Result<A, ClientError> {
        let body = request.encode_to_vec().into();
        let answer: Bytes = self.call(|reply| Wish::Request { method, body, reply }).await?;
        Ok(A::decode(answer)?)
    }

    /// Marks everything up to `up_to` as read. Returns once the wish is taken; it is durable with the next commit.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn mark_read(&self, conv: ConversationId, up_to: Seq) -> Result<(), ClientError> {
        let (conv, up_to_seq) = (conv.0, up_to.0);
        self.command(Command::MarkRead { conv, up_to_seq, up_to_pcnt: 0 }).await
    }

    /// Any other wish: cancel, watch, typing, a new ticket.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn command(&self, command: Command) -> Result<(), ClientError> {
        let sent = self.wishes.send(Wish::Command(command)).await;
        sent.map_err(|_| ClientError::Closed)
    }

    /// Says in the record that this device is at rest: no send is under way, and everything was given to it. What it
    /// lacks from now on counts as lost. Nothing without [`ClientOptions::record`].
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn record_rest(&self) -> Result<(), ClientError> {
        self.call(Wish::Rest).await
    }

    /// Ends the link politely, commits what is known and closes the store. Commands without outcome stay in the
    /// outbox of a store in a folder.
    ///
    /// # Errors
    /// [`ClientError::Closed`] if it is closed already.
    pub async fn close(&self) -> Result<(), ClientError> {
        self.call(Wish::Close).await
    }

    async fn joined(&self, conv: ConversationId) -> Result<ConversationId, ClientError> {
        let call = self.call(|reply| Wish::Join { conv: conv.0, reply });
        tokio::time::timeout(JOIN_WAIT, call).await.map_err(|_| ClientError::Timeout)??;
        Ok(conv)
    }

    async fn call<T>(&self, wish: impl FnOnce(Reply<T>) -> Wish) -> Result<T, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.wishes.send(wish(reply)).await.map_err(|_| ClientError::Closed)?;
        answer.await.map_err(|_| ClientError::Closed)?
    }
}

/// A text message for a conversation.
fn text_of(conv: ConversationId, text: impl Into<String>) -> v1::Send {
    let what = Some(v1::content::What::Text(v1::Text { text: text.into() }));
    let content = v1::Content { what, ..v1::Content::default() };
    v1::Send {
        conv: conv.0,
        kind: message_kind::TEXT,
        body: content.encode_to_vec().into(),
        ..v1::Send::default()
    }
}

fn done(settled: Settled) -> Result<Settled, ClientError> {
    if settled.is_offered_again {
        return Err(ClientError::OfferedAgain);
    }
    if settled.code != 0 {
        let text = ErrorCode::from_number(settled.code).map_or("", ErrorCode::text);
        return Err(ClientError::Refused { code: settled.code, text: text.to_owned() });
    }
    Ok(settled)
}
