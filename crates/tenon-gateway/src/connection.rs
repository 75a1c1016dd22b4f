//! One connection: the session machine of `tenon-wire` between a transport and the other rooms.
//!
//! [`machine`] is the state without sockets: events of the session and mail of the rooms in, frames and calls out.
//! [`driver`] moves bytes between it and a [`crate::transport::Wire`]; [`exchange`] does it for one HTTP call. One task
//! each, no locks but the mailbox.

pub(crate) mod carried;
pub(crate) mod driver;
pub(crate) mod exchange;
pub(crate) mod machine;
pub(crate) mod mailbox;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenon_base::ConnectionId;
use tokio::sync::Notify;

use crate::multicast::Registry;
use crate::service::Doors;
use crate::{GatewayOptions, Metrics};
use mailbox::Mailbox;

/// What all connections share.
pub(crate) struct House {
    pub(crate) options: GatewayOptions,
    pub(crate) doors: Doors,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Arc<Registry>,
    pub(crate) gate: crate::gate::Gate,
    links: Mutex<BTreeMap<ConnectionId, Arc<Mailbox>>>,
    left: Notify,
    last_id: AtomicU64,
}

impl House {
    pub(crate) fn new(
        options: GatewayOptions,
        doors: Doors,
        metrics: Metrics,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            gate: crate::gate::Gate::new(options.gate, &options.proxies),
            options,
            doors,
            metrics,
            registry,
            links: Mutex::default(),
            left: Notify::new(),
            last_id: AtomicU64::new(0),
        }
    }

    /// Registers a connection so that a stopping node reaches it.
    pub(crate) fn enter(&self) -> (ConnectionId, Arc<Mailbox>) {
        let id = ConnectionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let mailbox = Arc::new(Mailbox::new(self.options.mailbox_bytes_max.as_usize()));
        self.links().insert(id, Arc::clone(&mailbox));
        self.metrics.connections.inc();
        (id, mailbox)
    }

    pub(crate) fn leave(&self, id: ConnectionId) {
        self.links().remove(&id);
        self.metrics.connections.dec();
        self.left.notify_one();
    }

    /// The mailboxes of all connections, the oldest first.
    pub(crate) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.links().values().cloned().collect()
    }

    /// Waits until no connection is left. For one waiter.
    pub(crate) async fn emptied(&self) {
        while !self.links().is_empty() {
            self.left.notified().await;
        }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Arc<Mailbox>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
