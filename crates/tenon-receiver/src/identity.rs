//! The identity partition: who exists, kept whole in memory, changed through its own log.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tenon_base::{Clock, Lsn, OrgId, PartitionId, Random, Retry};
use tenon_core::admission::Refusal;
use tenon_core::handover::{Handover, Reply, Users};
use tenon_core::identity::{
    Directory, IdentityChange, IdentityCommand, IdentityOutcome, OrgRecord,
};
use tenon_ports::log::kind;
use tenon_ports::{Append, Durability, Log, LogError, Reach};
use tenon_store::{ShardWriter, Store, table};
use tokio::sync::{mpsc, watch};

use crate::batcher::refusal;
use crate::code;
use crate::service::Doors;
use crate::{Metrics, Options, ReceiverError};

pub mod keys;
mod login;
pub(crate) mod ticket;

pub use login::LoginWorker;
pub(crate) use login::{LoginJob, check_password_rules};

use keys::Keys;

/// Commands that may wait; the next one is refused.
const QUEUE_MAX: usize = 1024;
/// Payload read in one step of the replay.
const READ_BYTES: usize = 1024 * 1024;
const PARTITION: PartitionId = PartitionId::IDENTITY;

type Answer = Result<IdentityOutcome, Refusal>;
type Waiting = (IdentityCommand, Reply<Answer>);

/// What the rest of the receiver sees. Reads are a short lock; changes go through the loop.
pub(crate) struct Identity {
    directory: Arc<RwLock<Directory>>,
    commands: mpsc::Sender<Waiting>,
    pub(crate) logins: mpsc::Sender<LoginJob>,
    keys: RwLock<Arc<Keys>>,
    /// Somebody may administer.
    pub(crate) has_admin: watch::Receiver<bool>,
}

/// The only writer of the directory.
pub(crate) struct IdentityLoop {
    directory: Arc<RwLock<Directory>>,
    commands: mpsc::Receiver<Waiting>,
    log: Arc<dyn Log>,
    users: Arc<dyn Users>,
    clock: Arc<dyn Clock>,
    writer: ShardWriter,
    org: OrgId,
    has_admin: watch::Sender<bool>,
    applied: Lsn,
    producer: u64,
    producer_seq: u64,
}

impl Identity {
    pub(crate) async fn recover(
        options: &Options,
        doors: &Doors,
        keys: Keys,
        metrics: &Metrics,
    ) -> Result<(Self, IdentityLoop, LoginWorker), ReceiverError> {
        let directory = load(&doors.store, options.org)?;
        let directory = Arc::new(RwLock::new(directory));
        let (sender, commands) = mpsc::channel(QUEUE_MAX);
        let (has_admin, administered) = watch::channel(false);
        let mut running = IdentityLoop {
            directory: Arc::clone(&directory),
            commands,
            log: Arc::clone(&doors.log),
            users: Arc::clone(&doors.users),
            clock: Arc::clone(&doors.clock),
            writer: doors.store.writer(PARTITION),
            org: options.org,
            has_admin,
            applied: doors.store.applied(PARTITION),
            producer: options.producer,
            producer_seq: 0,
        };
        running.replay().await?;
        let org = OrgRecord { org: options.org, name: String::new() };
        if running.read(|d| d.org(options.org).is_none()) {
            let made = running.decide(&IdentityCommand::PutOrg(org)).await?;
            made.map_err(|_| ReceiverError::Log(LogError::DiskFull))?;
        }
        let (logins, worker) =
            LoginWorker::new(Arc::clone(&doors.random), metrics.sign_ins.clone())?;
        let keys = RwLock::new(Arc::new(keys));
        running.tell_admins();
        let has_admin = administered;
        Ok((Self { directory, commands: sender, logins, keys, has_admin }, running, worker))
    }

    /// The keys in force.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other keys in force; what the key before sealed still opens.
    pub(crate) fn set_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Reads under a short lock; do not hold on to what it lends.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Directory) -> T) -> T {
        read(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a command to the loop.
    pub(crate) fn submit(&self, command: IdentityCommand, reply: Reply<Answer>) {
        if let Err(error) = self.commands.try_send((command, reply)) {
            let (mpsc::error::TrySendError::Full((_, reply))
            | mpsc::error::TrySendError::Closed((_, reply))) = error;
            reply.send(Err(Refusal { code: code::OVERLOAD, after_ms: 200 }));
        }
    }
}

fn load(store: &Store, org: OrgId) -> Result<Directory, ReceiverError> {
    Ok(table::identity::load(&store.view(), &[org])?)
}

impl IdentityLoop {
    fn read<T>(&self, read: impl FnOnce(&Directory) -> T) -> T {
        read(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn replay(&mut self) -> Result<(), ReceiverError> {
        let log = Arc::clone(&self.log);
        while self.applied < log.last(PARTITION, Reach::Committed) {
            let records = log.read(PARTITION, self.applied, Reach::Committed, READ_BYTES).await?;
            if records.is_empty() {
                break;
            }
            for record in records {
                if record.append.kind == kind::IDENTITY {
                    self.apply(&decode(record.append.payload)?);
                }
                self.applied = record.lsn;
            }
            self.writer.publish();
        }
        Ok(())
    }

    /// Runs until stop. Ends with an error when a command's fate is not known: only a restart can tell.
    pub(crate) async fn run(
        mut self,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ReceiverError> {
        loop {
            let mut next = None;
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => next = Some(command),
                    None => return Ok(()),
                },
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                () = self.writer.rotation() => {}
            }
            if let Some((command, reply)) = next {
                reply.send(self.decide(&command).await?);
            }
            if self.writer.rotation_wanted() {
                self.writer.publish();
                self.writer.cut(self.applied, &[]);
            }
        }
    }

    /// Durable first, then in force, then answered.
    async fn decide(&mut self, command: &IdentityCommand) -> Result<Answer, ReceiverError> {
        self.producer_seq += 1;
        let append = Append {
            partition: PARTITION,
            producer: self.producer,
            producer_seq: self.producer_seq,
            time_us: self.clock.now().0.saturating_mul(1000),
            key_id: 0,
            leader_epoch: 0,
            kind: kind::IDENTITY,
            payload: table::identity::encode_command(command),
        };
        let lsns = match self.log.append(vec![append], Durability::Durable).await {
            Ok(lsns) => lsns,
            // Certainly nothing was written: the caller may try again.
            Err(error) if error.retry() == Retry::Safe => {
                let (code, after_ms) = refusal(&error);
                return Ok(Err(Refusal { code, after_ms }));
            }
            Err(error) => return Err(error.into()),
        };
        let outcome = self.apply(command);
        self.applied = lsns.last().copied().unwrap_or(self.applied);
        self.writer.publish();
        self.tell_admins();
        if outcome == IdentityOutcome::Done {
            self.end_sessions(command).await;
        }
        Ok(Ok(outcome))
    }

    fn tell_admins(&self) {
        let has_admin = self.read(|d| d.admins_of(self.org).next().is_some());
        self.has_admin.send_if_modified(|known| std::mem::replace(known, has_admin) != has_admin);
    }

    fn apply(&mut self, command: &IdentityCommand) -> IdentityOutcome {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let (outcome, changes): (_, Vec<IdentityChange>) = directory.apply(command);
        table::identity::write_changed(&mut self.writer, &directory, &changes);
        outcome
    }

    /// A revocation must reach the user partition, so a full one is asked until it takes it.
    async fn end_sessions(&self, command: &IdentityCommand) {
        let command = match command {
            IdentityCommand::Audited { command, .. } => command,
            plain => plain,
        };
        let (org, user, device) = match command {
            IdentityCommand::RemoveDevice { org, user, device } => (*org, *user, Some(*device)),
            IdentityCommand::PutDevice(device) => (device.org, device.user, Some(device.device)),
            IdentityCommand::Accept(accept) => (accept.user.org, accept.user.user, None),
            IdentityCommand::SetPassword { org, user, .. }
            | IdentityCommand::SetDisabled { org, user, is_disabled: true } => (*org, *user, None),
            _ => return,
        };
        while self.users.revoke(org, user, device) == Handover::Full {
            tokio::task::yield_now().await;
        }
    }
}

fn decode(payload: Bytes) -> Result<IdentityCommand, ReceiverError> {
    table::identity::decode_command(payload)
        .map_err(|source| ReceiverError::Record { partition: PARTITION, source })
}

/// 32 random bytes.
pub(crate) fn secret(random: &dyn Random) -> [u8; 32] {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    bytes
}
