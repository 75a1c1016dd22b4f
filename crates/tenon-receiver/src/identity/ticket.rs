//! Sealed tickets: a struct under AES-256-GCM-SIV, so that a gateway knows its caller without I/O.
//!
//! Text on the wire: version, key id, nonce, sealed struct. The kind is part of the sealed bytes, so an access ticket cannot
//! be presented as a resume ticket or a page token.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;
use tenon_base::{ConversationId, DeviceId, OrgId, Random, Timestamp, UserId};
use tenon_store::codec::{FormatError, Reader, Writer};

use super::keys::Keys;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + NONCE_LEN;

/// Lifetime of an access ticket.
pub(crate) const ACCESS_LIFE: std::time::Duration = std::time::Duration::from_secs(600);
/// Lifetime of a resume ticket.
pub(crate) const RESUME_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// Lifetime of a page token.
pub(crate) const PAGE_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Why a ticket does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketError {
    /// Damaged, of another deployment, of another kind, or sealed with a key that is gone.
    Invalid,
    /// Its time is over.
    Expired,
}

/// Who a ticket speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
    /// Of the user; a later one ends the session.
    pub(crate) session_epoch: u32,
    pub(crate) session: u64,
    pub(crate) until: Timestamp,
    /// Key of the proof; resume tickets only.
    pub(crate) resume_key: Option<[u8; 32]>,
}

/// Where the next page of a list begins, bound to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageToken {
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
    pub(crate) sort_ts: Timestamp,
    pub(crate) conv: ConversationId,
    pub(crate) until: Timestamp,
}

const KIND_ACCESS: u8 = 1;
const KIND_RESUME: u8 = 2;
const KIND_PAGE: u8 = 3;

impl Keys {
    pub(crate) fn seal_ticket(&self, random: &dyn Random, ticket: &Ticket) -> Option<Bytes> {
        let mut out = Writer::versioned(VERSION);
        let kind = if ticket.resume_key.is_some() { KIND_RESUME } else { KIND_ACCESS };
        out.byte(kind).fixed(ticket.org.0).fixed(ticket.user.0).fixed(ticket.device.0);
        out.varint(u64::from(ticket.session_epoch)).fixed(ticket.session).varint(ticket.until.0);
        if let Some(key) = &ticket.resume_key {
            out.bytes(key);
        }
        self.seal(random, out.finish())
    }

    pub(crate) fn open_ticket(
        &self,
        sealed: &[u8],
        is_resume: bool,
        now: Timestamp,
    ) -> Result<Ticket, TicketError> {
        let plain = self.open(sealed)?;
        let ticket = read_ticket(plain, is_resume).map_err(|_| TicketError::Invalid)?;
        if ticket.until <= now { Err(TicketError::Expired) } else { Ok(ticket) }
    }

    pub(crate) fn seal_page(&self, random: &dyn Random, token: &PageToken) -> Option<Bytes> {
        let mut out = Writer::versioned(VERSION);
        out.byte(KIND_PAGE).fixed(token.user.0).fixed(token.device.0).varint(token.sort_ts.0);
        out.fixed(token.conv.0).varint(token.until.0);
        self.seal(random, out.finish())
    }

    pub(crate) fn open_page(&self, sealed: &[u8]) -> Result<PageToken, TicketError> {
        read_page(self.open(sealed)?).map_err(|_| TicketError::Invalid)
    }

    /// `None` only if the provider refuses, which it has no reason to.
    fn seal(&self, random: &dyn Random, plain: Bytes) -> Option<Bytes> {
        let key = self.tickets.first()?;
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &key.key).ok()?);
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut header = Vec::with_capacity(HEADER + plain.len() + AES_256_GCM_SIV.tag_len());
        header.push(VERSION);
        header.extend_from_slice(&key.id.to_be_bytes());
        let mut sealed = plain.to_vec();
        let nonce_value = Nonce::assume_unique_for_key(nonce);
        cipher.seal_in_place_append_tag(nonce_value, Aad::from(&header), &mut sealed).ok()?;
        header.extend_from_slice(&nonce);
        header.extend_from_slice(&sealed);
        Some(header.into())
    }

    fn open(&self, sealed: &[u8]) -> Result<Bytes, TicketError> {
        let invalid = TicketError::Invalid;
        let (header, rest) = sealed.split_at_checked(5).ok_or(invalid)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(invalid)?;
        let id: [u8; 4] = header.get(1..).and_then(|b| b.try_into().ok()).ok_or(invalid)?;
        let id = u32::from_be_bytes(id);
        let key = self.tickets.iter().find(|k| k.id == id).ok_or(invalid)?;
        if header.first() != Some(&VERSION) {
            return Err(invalid);
        }
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, &key.key).map_err(|_| invalid)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| invalid)?;
        let mut body = body.to_vec();
        let plain = LessSafeKey::new(unbound)
            .open_in_place(nonce, Aad::from(header), &mut body)
            .map_err(|_| invalid)?;
        Ok(Bytes::copy_from_slice(plain))
    }
}

fn read_ticket(plain: Bytes, is_resume: bool) -> Result<Ticket, FormatError> {
    let mut r = Reader::versioned(plain, VERSION)?;
    let wanted = if is_resume { KIND_RESUME } else { KIND_ACCESS };
    let kind = r.byte()?;
    if kind != wanted {
        return Err(FormatError::Unknown(u64::from(kind)));
    }
    Ok(Ticket {
        org: OrgId(r.fixed()?),
        user: UserId(r.fixed()?),
        device: DeviceId(r.fixed()?),
        session_epoch: r.varint32()?,
        session: r.fixed()?,
        until: Timestamp(r.varint()?),
        resume_key: if is_resume {
            let key = r.bytes()?;
            Some(<[u8; 32]>::try_from(&key[..]).map_err(|_| FormatError::Unknown(0))?)
        } else {
            None
        },
    })
}

fn read_page(plain: Bytes) -> Result<PageToken, FormatError> {
    let mut r = Reader::versioned(plain, VERSION)?;
    let kind = r.byte()?;
    if kind != KIND_PAGE {
        return Err(FormatError::Unknown(u64::from(kind)));
    }
    Ok(PageToken {
        user: UserId(r.fixed()?),
        device: DeviceId(r.fixed()?),
        sort_ts: Timestamp(r.varint()?),
        conv: ConversationId(r.fixed()?),
        until: Timestamp(r.varint()?),
    })
}

/// Reads the inside of a ticket as every kind; no bytes are of two kinds.
#[cfg(feature = "fuzz")]
pub(crate) fn check_plain(plain: Bytes) {
    let access = read_ticket(plain.clone(), false).is_ok();
    let resume = read_ticket(plain.clone(), true).is_ok_and(|ticket| ticket.resume_key.is_some());
    let page = read_page(plain).is_ok();
    assert!(u8::from(access) + u8::from(resume) + u8::from(page) <= 1, "a ticket has one kind");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenon_base::SeededRandom;

    fn ticket(resume: bool) -> Ticket {
        Ticket {
            org: OrgId(1),
            user: UserId(2),
            device: DeviceId(3),
            session_epoch: 4,
            session: 5,
            until: Timestamp(1000),
            resume_key: resume.then_some([7; 32]),
        }
    }

    #[test]
    fn a_ticket_opens_only_whole_in_time_and_as_its_kind() {
        let random = SeededRandom::new(9);
        let mut keys = Keys::generate(&random, Timestamp(0));
        let sealed = keys.seal_ticket(&random, &ticket(false)).unwrap_or_default();
        assert_eq!(keys.open_ticket(&sealed, false, Timestamp(999)), Ok(ticket(false)));
        let expired = keys.open_ticket(&sealed, false, Timestamp(1000));
        assert_eq!(expired, Err(TicketError::Expired));
        assert_eq!(keys.open_ticket(&sealed, true, Timestamp(0)), Err(TicketError::Invalid));
        assert_eq!(keys.open_page(&sealed), Err(TicketError::Invalid));
        for at in 0..sealed.len() {
            let mut bad = sealed.to_vec();
            bad[at] ^= 1;
            let opened = keys.open_ticket(&bad, false, Timestamp(0));
            assert_eq!(opened, Err(TicketError::Invalid), "byte {at}");
            assert!(keys.open_ticket(&sealed[..at], false, Timestamp(0)).is_err());
        }
        keys.rotate(&random, Timestamp(0));
        assert!(keys.open_ticket(&sealed, false, Timestamp(0)).is_ok(), "the key before");
        keys.rotate(&random, Timestamp(0));
        assert_eq!(keys.open_ticket(&sealed, false, Timestamp(0)), Err(TicketError::Invalid));
    }

    #[test]
    fn a_resume_ticket_carries_its_key_sealed() {
        let random = SeededRandom::new(9);
        let keys = Keys::generate(&random, Timestamp(0));
        let sealed = keys.seal_ticket(&random, &ticket(true)).unwrap_or_default();
        assert_eq!(keys.open_ticket(&sealed, true, Timestamp(0)), Ok(ticket(true)));
        assert!(!sealed.windows(8).any(|w| w == [7; 8]), "the key is not in the clear");
    }
}
