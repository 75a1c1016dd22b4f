//! Tables `setup_link` and `invitation`: links that let somebody in, by their hashes. One row at most and one a link;
//! changed with every use. About 80 bytes.

use bytes::Bytes;
use tenon_base::{InvitationId, OrgId, Timestamp, UserId};
use tenon_core::identity::{Accept, Invitation, SetUp, SetUpLink, SetUpLinkHash};

use super::identity::{
    USERS_WITH_ROLE, read_device, read_role, read_secret, read_user, role_number, write_device,
    write_user,
};
use super::{audit, key as table_key, tag};
use crate::codec::{FormatError, Reader, Writer};

const VERSION: u8 = 1;

/// Key of the one row: organisation, tag.
pub fn setup_link_key(org: OrgId) -> Bytes {
    table_key(org, tag::SETUP_LINK, &[])
}

/// Key of an invitation: organisation, tag, id.
pub fn invitation_key(org: OrgId, invitation: InvitationId) -> Bytes {
    table_key(org, tag::INVITATION, &[invitation.0])
}

/// Encodes a row.
pub fn encode_setup_link(link: &SetUpLink) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    write_setup_link(&mut out, link);
    out.finish()
}

/// Decodes what [`encode_setup_link`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode_setup_link(value: &Bytes) -> Result<SetUpLink, FormatError> {
    read_setup_link(&mut Reader::versioned(value.clone(), VERSION)?)
}

/// Encodes a row.
pub fn encode_invitation(invitation: &Invitation) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    write_invitation(&mut out, invitation);
    out.finish()
}

/// Decodes what [`encode_invitation`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode_invitation(value: &Bytes) -> Result<Invitation, FormatError> {
    read_invitation(&mut Reader::versioned(value.clone(), VERSION)?)
}

pub(super) fn write_setup_link(out: &mut Writer, link: &SetUpLink) {
    out.fixed(link.org.0).bytes(&link.secret).varint(link.expires.0).byte(u8::from(link.is_used));
}

pub(super) fn read_setup_link(r: &mut Reader) -> Result<SetUpLink, FormatError> {
    Ok(SetUpLink {
        org: OrgId(r.fixed()?),
        secret: read_secret(r)?,
        expires: Timestamp(r.varint()?),
        is_used: r.byte()? != 0,
    })
}

pub(super) fn write_setup(out: &mut Writer, setup: &SetUp) {
    out.bytes(&setup.link.0).bytes(setup.organisation.as_bytes());
    write_user(out, &setup.user);
    write_device(out, &setup.device);
}

pub(super) fn read_setup(r: &mut Reader) -> Result<SetUp, FormatError> {
    Ok(SetUp {
        link: SetUpLinkHash(read_secret(r)?),
        organisation: r.text()?,
        user: read_user(r, USERS_WITH_ROLE)?,
        device: read_device(r)?,
    })
}

pub(super) fn write_invitation(out: &mut Writer, i: &Invitation) {
    out.fixed(i.org.0).fixed(i.invitation.0).bytes(&i.secret).byte(role_number(i.role));
    out.fixed_if(i.user.0).varint(u64::from(i.uses)).varint(u64::from(i.uses_left));
    out.varint(i.expires.0);
    audit::write_actor(out, i.created_by);
    out.varint(i.created.0).byte(u8::from(i.is_revoked));
}

pub(super) fn read_invitation(r: &mut Reader) -> Result<Invitation, FormatError> {
    Ok(Invitation {
        org: OrgId(r.fixed()?),
        invitation: InvitationId(r.fixed()?),
        secret: read_secret(r)?,
        role: read_role(r)?,
        user: UserId(r.fixed_if()?),
        uses: r.varint32()?,
        uses_left: r.varint32()?,
        expires: Timestamp(r.varint()?),
        created_by: audit::read_actor(r)?,
        created: Timestamp(r.varint()?),
        is_revoked: r.byte()? != 0,
    })
}

pub(super) fn write_accept(out: &mut Writer, accept: &Accept) {
    out.fixed(accept.invitation.0);
    write_user(out, &accept.user);
    write_device(out, &accept.device);
}

pub(super) fn read_accept(r: &mut Reader) -> Result<Accept, FormatError> {
    Ok(Accept {
        invitation: InvitationId(r.fixed()?),
        user: read_user(r, USERS_WITH_ROLE)?,
        device: read_device(r)?,
    })
}
