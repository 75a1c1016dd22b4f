//! Table `audit`: what administrators did. One row an entry, never changed; about 60 bytes.
//!
//! Key: organisation, tag, the entry's number with all bits turned, so that a scan forward gives the newest first.

use bytes::Bytes;
use tenon_base::{OrgId, Timestamp, UserId};
use tenon_core::identity::{Actor, Audit, AuditAction, AuditEntry};

use super::{key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};
use crate::store::StoreError;
use crate::view::View;

const VERSION: u8 = 1;

/// The entry without its number, as commands and rows hold it.
pub(super) fn write(out: &mut Writer, audit: &Audit) {
    write_actor(out.fixed(audit.org.0), audit.actor);
    out.byte(audit.action as u8);
    out.bytes(audit.target.as_bytes()).bytes(audit.detail.as_bytes()).varint(audit.at.0);
}

pub(super) fn read(r: &mut Reader) -> Result<Audit, FormatError> {
    let org = OrgId(r.fixed()?);
    let actor = read_actor(r)?;
    let number = r.byte()?;
    let unknown = FormatError::Unknown(u64::from(number));
    let action = AuditAction::from_number(number).ok_or(unknown)?;
    Ok(Audit {
        org,
        actor,
        action,
        target: r.text()?,
        detail: r.text()?,
        at: Timestamp(r.varint()?),
    })
}

/// The operator is user 0.
pub(super) fn write_actor(out: &mut Writer, actor: Actor) {
    out.fixed_if(match actor {
        Actor::Operator => 0,
        Actor::User(user) => user.0,
    });
}

pub(super) fn read_actor(r: &mut Reader) -> Result<Actor, FormatError> {
    Ok(match r.fixed_if()? {
        0 => Actor::Operator,
        user => Actor::User(UserId(user)),
    })
}

/// See the module.
pub fn encode_key(entry: &AuditEntry) -> Bytes {
    table_key(entry.audit.org, tag::AUDIT, &[!entry.entry])
}

/// Encodes a row.
pub fn encode(entry: &AuditEntry) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    write(out.varint(entry.entry), &entry.audit);
    out.finish()
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode(value: &Bytes) -> Result<AuditEntry, FormatError> {
    let mut r = Reader::versioned(value.clone(), VERSION)?;
    Ok(AuditEntry { entry: r.varint()?, audit: read(&mut r)? })
}

/// Entries below number `before` (0 = from the newest), newest first, at most `limit`. Reads the disk.
///
/// # Errors
/// When the engine fails or a row does not verify.
pub fn before(
    view: &View,
    org: OrgId,
    before: u64,
    limit: usize,
) -> Result<Vec<AuditEntry>, StoreError> {
    let prefix = table_key(org, tag::AUDIT, &[]);
    let after = match before {
        0 => Bytes::new(),
        number => table_key(org, tag::AUDIT, &[!number]),
    };
    let rows = view.state_scan(&prefix, &after, limit)?;
    rows.iter().map(|(_, value)| Ok(decode(value)?)).collect()
}
