//! Decoders of secrets, for tools that judge bytes. Only with the feature `fuzz`.

use bytes::Bytes;
use tenon_base::{ConversationId, DeviceId, OrgId, SeededRandom, Timestamp, UserId};

use crate::identity::keys::{Keys, credential, parse_credential};
use crate::identity::ticket::{self, PageToken, Ticket};

/// Keys that are the same in every run, so that a sealed ticket of one run opens in the next.
fn keys() -> Keys {
    Keys::generate(&SeededRandom::new(7), Timestamp(0))
}

/// Opens a sealed ticket as every kind; only what was sealed opens, so damage must not.
pub fn sealed(input: &[u8]) {
    let keys = keys();
    let opened = [
        keys.open_ticket(input, false, Timestamp(0)).is_ok(),
        keys.open_ticket(input, true, Timestamp(0)).is_ok(),
        keys.open_page(input).is_ok(),
    ];
    assert!(opened.iter().filter(|is_open| **is_open).count() <= 1, "a ticket has one kind");
    let is_ours = sealed_seeds().iter().any(|seed| seed[..] == *input);
    assert_eq!(opened.contains(&true), is_ours, "only what was sealed opens");
}

/// Reads what is inside a ticket.
pub fn plain(input: &[u8]) {
    ticket::check_plain(Bytes::copy_from_slice(input));
}

/// Parses a credential; what parses is written the same.
pub fn credential_text(input: &[u8]) {
    if let Some((device, secret)) = parse_credential(input) {
        let text = credential(device, &[0; 32]);
        let head = text.len() - secret.len();
        assert_eq!(input.len(), text.len(), "a credential has one length");
        assert!(input[..head].eq_ignore_ascii_case(&text.as_bytes()[..head]), "and one head");
    }
}

/// One ticket of each kind.
pub fn sealed_seeds() -> Vec<Bytes> {
    let (keys, random) = (keys(), SeededRandom::new(9));
    let ticket = |resume_key| Ticket {
        org: OrgId(1),
        user: UserId(2),
        device: DeviceId(3),
        session_epoch: 4,
        session: 5,
        until: Timestamp(1_000),
        resume_key,
    };
    let page = PageToken {
        user: UserId(2),
        device: DeviceId(3),
        sort_ts: Timestamp(4),
        conv: ConversationId(5),
        until: Timestamp(1_000),
    };
    let sealed = [
        keys.seal_ticket(&random, &ticket(None)),
        keys.seal_ticket(&random, &ticket(Some([7; 32]))),
        keys.seal_page(&random, &page),
    ];
    sealed.into_iter().flatten().collect()
}

/// A credential as it is given to a device.
pub fn credential_seed() -> String {
    credential(DeviceId(0xabc), &[7; 32])
}
