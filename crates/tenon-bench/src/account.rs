//! Many accounts, each with one device.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tenon_wire::{Message as _, feature, network, op_type, v1};

use crate::BenchError;
use crate::admin::Admin;
use crate::record::{Actor, Recorder};

/// Accounts in one call.
const USERS_PER_CALL: usize = 2_000;
/// Calls under way: they share syncs of the log.
const CALLS_OPEN: usize = 64;
/// Lines of the list that come with a rebase: the first screen.
const FIRST_PAGE: u32 = 20;

/// One account with its device and what the device has stored.
#[derive(Debug)]
pub(crate) struct Account {
    /// Login name.
    pub(crate) name: String,
    /// Id.
    pub(crate) user: u64,
    token: Bytes,
    device_epoch: Cell<u32>,
    connections: Cell<u64>,
    /// Where the device's copy of the queue ends; `None` before the first rebase.
    pub(crate) cursor: RefCell<Option<v1::Cursor>>,
    next_op: Cell<u64>,
    actor: RefCell<Option<Actor>>,
}

impl Account {
    /// The next Hello. The first one asks for the device's epoch.
    pub(crate) fn hello(&self) -> v1::Hello {
        self.connections.set(self.connections.get() + 1);
        v1::Hello {
            proto_min: 1,
            proto_max: 1,
            sdk: "tenon-bench".into(),
            features: feature::EPHEMERAL | feature::CONV_PUSH | feature::CHUNKED_RESPONSE,
            device_epoch: self.device_epoch.get(),
            conn_ctr: self.connections.get(),
            auth: Some(v1::hello::Auth::Credential(self.token.clone())),
            renew_device_epoch: self.device_epoch.get() == 0,
            cursors: self.cursor.borrow().iter().copied().collect(),
            net: network::WIRED,
            first_page: FIRST_PAGE,
            ..v1::Hello::default()
        }
    }

    /// Takes the epoch that the first Hello was given.
    pub(crate) fn welcome(&self, ack: &v1::HelloAck) {
        if ack.device_epoch != 0 {
            self.device_epoch.set(ack.device_epoch);
        }
    }

    /// From now on what the device does stands in a history. Before it connects.
    pub(crate) fn record(&self, recorder: &Rc<Recorder>) {
        self.actor.replace(Some(Actor::open(recorder, &self.name, self.user)));
    }

    /// Notes something in the history, if there is one.
    pub(crate) fn note(&self, note: impl FnOnce(&Actor)) {
        if let Some(actor) = &*self.actor.borrow() {
            note(actor);
        }
    }

    pub(crate) fn device_epoch(&self) -> u32 {
        self.device_epoch.get()
    }

    /// The command that opens the conversation with a user.
    pub(crate) fn open_direct(&self, user: u64) -> v1::Op {
        v1::Op {
            device_epoch: self.device_epoch(),
            n: self.next_op.replace(self.next_op.get() + 1),
            r#type: op_type::OPEN_DIRECT,
            body: v1::OpenDirect { user }.encode_to_vec().into(),
            ..v1::Op::default()
        }
    }
}

/// Makes accounts and a credential for each.
pub(crate) async fn make(
    admin: &Admin,
    prefix: &str,
    count: usize,
) -> Result<Vec<Rc<Account>>, BenchError> {
    let named = name(admin, prefix, count).await?;
    let minted =
        futures_util::stream::iter(named.iter().map(|(name, _)| admin.mint(name, "bench")));
    let minted: Vec<_> = minted.buffered(CALLS_OPEN).collect().await;
    named
        .into_iter()
        .zip(minted)
        .map(|((name, user), token)| {
            Ok(Rc::new(Account {
                name,
                user,
                token: token?.into(),
                device_epoch: Cell::new(0),
                connections: Cell::new(0),
                cursor: RefCell::new(None),
                next_op: Cell::new(1),
                actor: RefCell::default(),
            }))
        })
        .collect()
}

/// Makes accounts without devices: names and ids.
pub(crate) async fn name(
    admin: &Admin,
    prefix: &str,
    count: usize,
) -> Result<Vec<(String, u64)>, BenchError> {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
    let mut out = Vec::with_capacity(count);
    for part in names.chunks(USERS_PER_CALL) {
        let ids = admin.add_users(part).await?;
        out.extend(part.iter().cloned().zip(ids));
    }
    Ok(out)
}
