//! The bus in memory: the one of a single process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::lock;
use crate::bus::{MESSAGE_BYTES_MAX, Messages, Request, Requests};
use crate::{Bus, BusError};

/// Subjects and who listens. [`lose`](Self::lose) plays a net that drops what is published.
#[derive(Debug, Default)]
pub struct MemoryBus {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    servers: BTreeMap<String, mpsc::Sender<Asked>>,
    listeners: BTreeMap<String, Vec<mpsc::Sender<Bytes>>>,
    is_losing: bool,
}

#[derive(Debug)]
struct Asked {
    payload: Bytes,
    answer: oneshot::Sender<Bytes>,
}

impl Request for Asked {
    fn payload(&self) -> Bytes {
        self.payload.clone()
    }

    fn answer(self: Box<Self>, payload: Bytes) {
        // The asker may have gone.
        drop(self.answer.send(payload));
    }
}

struct Serving(mpsc::Receiver<Asked>);

#[async_trait]
impl Requests for Serving {
    async fn next(&mut self) -> Option<Box<dyn Request>> {
        Some(Box::new(self.0.recv().await?))
    }
}

struct Listening(mpsc::Receiver<Bytes>);

#[async_trait]
impl Messages for Listening {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

impl MemoryBus {
    /// A bus without anybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// While losing, published messages reach nobody.
    pub fn lose(&self, is_losing: bool) {
        lock(&self.state).is_losing = is_losing;
    }
}

fn check(subject: &str, payload: &Bytes) -> Result<(), BusError> {
    if subject.is_empty() || payload.len() > MESSAGE_BYTES_MAX {
        return Err(BusError::Bad);
    }
    Ok(())
}

#[async_trait]
impl Bus for MemoryBus {
    async fn request(&self, subject: &str, payload: Bytes) -> Result<Bytes, BusError> {
        check(subject, &payload)?;
        let (answer, answered) = oneshot::channel();
        {
            let state = lock(&self.state);
            let server = state.servers.get(subject).ok_or(BusError::Nobody)?;
            server.try_send(Asked { payload, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => BusError::Busy,
                mpsc::error::TrySendError::Closed(_) => BusError::Nobody,
            })?;
        }
        answered.await.map_err(|_| BusError::Unanswered)
    }

    fn serve(
        self: Arc<Self>,
        subject: &str,
        queue_max: usize,
    ) -> Result<Box<dyn Requests>, BusError> {
        check(subject, &Bytes::new())?;
        let mut state = lock(&self.state);
        if state.servers.get(subject).is_some_and(|server| !server.is_closed()) {
            return Err(BusError::Taken);
        }
        let (sender, receiver) = mpsc::channel(queue_max.max(1));
        state.servers.insert(subject.to_owned(), sender);
        Ok(Box::new(Serving(receiver)))
    }

    fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        check(subject, &payload)?;
        let mut state = lock(&self.state);
        if state.is_losing {
            return Ok(());
        }
        if let Some(listeners) = state.listeners.get_mut(subject) {
            listeners.retain(|listener| !listener.is_closed());
            for listener in listeners {
                // A full queue is a slow listener's own loss.
                drop(listener.try_send(payload.clone()));
            }
        }
        Ok(())
    }

    fn subscribe(
        self: Arc<Self>,
        subject: &str,
        queue_max: usize,
    ) -> Result<Box<dyn Messages>, BusError> {
        check(subject, &Bytes::new())?;
        let (sender, receiver) = mpsc::channel(queue_max.max(1));
        lock(&self.state).listeners.entry(subject.to_owned()).or_default().push(sender);
        Ok(Box::new(Listening(receiver)))
    }
}
