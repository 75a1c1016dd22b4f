//! What befalls a user's own devices: stores put back from an older copy, devices removed by another device of the user.

use tenon_client::engine::Command;
use tenon_client::row::Settled;
use tenon_client::store::{MemoryStore, Store as _};
use tenon_wire::{Message as _, op_type, v1};

use super::Whole;
use super::phone::Phone;

/// After the answer to a removal nothing may be written to the device later than this.
pub(super) const REMOVED_US: u64 = 5_000_000;

/// A device's store as it was some time ago, and under which name its device was recorded then.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) actor: String,
    pub(super) store: MemoryStore,
}

/// What is known of the removal of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Removal {
    /// Nobody wants it.
    #[default]
    None,
    /// A device of the user asked for it; what came of it is not known.
    Asked,
    /// It was answered at this time.
    Done(u64),
}

impl Phone {
    /// Its name in the histories.
    pub(super) fn actor(&self) -> String {
        format!("{}/{}/{}", self.name, self.label, self.installs)
    }

    /// True if a device of its user asked for its removal: it may be stopped, and need not come to rest.
    pub(super) fn may_be_removed(&self) -> bool {
        self.removal != Removal::None
    }

    /// Since when it is removed for certain.
    pub(super) const fn removed_us(&self) -> Option<u64> {
        match self.removal {
            Removal::Done(at) => Some(at),
            Removal::None | Removal::Asked => None,
        }
    }

    /// Local numbers of commands that its store does not hold may be given to others after a start.
    pub(super) fn forget_unstored(&mut self) {
        let loaded = self.store.load().expect("memory does not fail");
        self.removing.retain(|local, _| loaded.outbox.iter().any(|row| row.local == *local));
        self.asking.clear();
    }
}

impl Whole {
    /// A copy is taken of the device's store, or the store is put back from the last one. What the lost life asked for and
    /// the copy still holds open is asked for again: a refusal that life was told is not the last word on it.
    pub(super) fn put_back(&mut self, index: usize) {
        let is_kept = self.rngs.work.below(3) == 0;
        let phone = &mut self.phones[index];
        if phone.engine.is_none() {
            return;
        }
        let copy = Copy { actor: phone.actor(), store: phone.store.clone() };
        let Some(before) = phone.copy.take().filter(|_| !is_kept) else {
            phone.copy = Some(copy);
            return;
        };
        self.figures.stores_restored += 1;
        self.kill(index);
        let phone = &mut self.phones[index];
        phone.store = before.store;
        phone.was_restored = true;
        phone.installs += 1;
        phone.removing.clear();
        let loaded = phone.store.load().expect("memory does not fail");
        let open = loaded.outbox.iter().map(|row| (before.actor.clone(), row.local));
        self.open_again.extend(open);
    }

    /// A user removes the device from another one of his.
    pub(super) fn remove_device(&mut self, index: usize) {
        let user = self.phones[index].user;
        let is_peer = |(at, phone): &(usize, &Phone)| {
            *at != index && phone.user == user && phone.engine.is_some() && !phone.may_be_removed()
        };
        let by = self.phones.iter().enumerate().find(is_peer).map(|(at, _)| at);
        let target = &mut self.phones[index];
        let loaded = target.store.load().expect("memory does not fail");
        let device = loaded.device.map_or(0, |row| row.device);
        let (Some(by), true) = (by, device != 0 && !target.may_be_removed()) else { return };
        target.removal = Removal::Asked;
        self.figures.removals += 1;
        let body = v1::RemoveDevice { device }.encode_to_vec().into();
        let op = v1::Op { r#type: op_type::REMOVE_DEVICE, body, ..v1::Op::default() };
        let ticket = self.phones[by].ticket();
        self.phones[by].asking.insert(ticket, index);
        self.command(by, Command::Op { ticket, op: Box::new(op), after: 0 });
    }

    /// A command of a device has its outcome: the removal of another one, or a message that its user may send again.
    pub(super) fn settled(&mut self, index: usize, settled: &Settled) {
        if let Some(target) = self.phones[index].removing.remove(&settled.local)
            && settled.is_done()
        {
            self.figures.removed += 1;
            self.phones[target].removal = Removal::Done(self.now_us());
        }
        if !settled.is_offered_again {
            return;
        }
        self.figures.offered_again += 1;
        // What the app offers again is the user's to decide: one user writes the message anew, another lets it be.
        if settled.send.is_some() && self.rngs.time.below(2) == 0 {
            self.send_to(index, settled.conv);
        }
    }

    /// The server holds an ack above the cursor that a device presents.
    pub(super) fn fell_back(&mut self, index: usize) {
        let phone = &self.phones[index];
        if !phone.was_restored {
            let text = format!("{} is told that its store fell back", phone.actor());
            self.violated("I17", text);
        }
    }

    /// The server wrote to a device on a connection that was opened then. `is_over`: these are its last words.
    pub(super) fn wrote_down(&mut self, index: usize, opened_us: u64, is_over: bool) {
        let Some(since) = self.phones[index].removed_us() else { return };
        let until = since + REMOVED_US;
        if self.now_us() > until && opened_us <= until && !is_over {
            let actor = self.phones[index].actor();
            self.violated("I23", format!("{actor} was removed at {since} us and is still told"));
        }
    }

    /// A device is signed in on a connection that was opened then.
    pub(super) fn signed_in(&mut self, index: usize, opened_us: u64) {
        let Some(since) = self.phones[index].removed_us() else { return };
        if opened_us > since + REMOVED_US {
            let actor = self.phones[index].actor();
            self.violated("I23", format!("{actor} was removed at {since} us and signs in"));
        }
    }
}
