//! Rows and records of the identity partition: organisations, users, devices, apps, names of groups, links.
//!
//! Rows are loaded whole at start (about 150 bytes a user), so that names and devices are found without the disk.

use bytes::{BufMut, Bytes, BytesMut};
use tenon_base::{AppId, ConversationId, DeviceId, InvitationId, OrgId, Timestamp, UserId};
use tenon_core::identity::{
    AppRecord, DeviceRecord, Directory, IdentityChange, IdentityCommand, OrgRecord, OrgRole,
    UserRecord,
};

use super::{audit, key as table_key, link, tag};
use crate::codec::{FormatError, Reader, Writer};
use crate::memtable::ShardWriter;
use crate::store::StoreError;
use crate::view::View;

/// Of commands and of user rows. Version 1 had users without role; commands of version 1 hold such users.
const VERSION: u8 = 2;
/// Version from which users carry a role.
pub(super) const USERS_WITH_ROLE: u8 = 2;
/// Of all other rows.
const ROW_VERSION: u8 = 1;
/// Bytes that a user takes at least: two ids of 8, three texts of 1, and four numbers of 1.
const USER_BYTES_MIN: usize = 23;
/// Rows read in one step of the load.
const LOAD_STEP: usize = 4096;
/// Tag of a command with its audit entry; never inside another.
const AUDITED: u8 = 13;

fn write_org(out: &mut Writer, o: &OrgRecord) {
    out.fixed(o.org.0).bytes(o.name.as_bytes());
}

fn read_org(r: &mut Reader) -> Result<OrgRecord, FormatError> {
    Ok(OrgRecord { org: OrgId(r.fixed()?), name: r.text()? })
}

pub(super) fn write_user(out: &mut Writer, u: &UserRecord) {
    out.fixed(u.org.0).fixed(u.user.0).bytes(u.name.as_bytes()).bytes(u.display.as_bytes());
    out.bytes(u.password.as_bytes()).byte(u8::from(u.is_disabled));
    out.varint(u64::from(u.session_epoch)).varint(u.ver).varint(u.created.0);
    out.byte(role_number(u.role)).byte(u8::from(u.is_imported));
}

pub(super) fn read_user(r: &mut Reader, version: u8) -> Result<UserRecord, FormatError> {
    let mut user = UserRecord {
        org: OrgId(r.fixed()?),
        user: UserId(r.fixed()?),
        name: r.text()?,
        display: r.text()?,
        password: r.text()?,
        is_disabled: r.byte()? != 0,
        session_epoch: r.varint32()?,
        ver: r.varint()?,
        created: Timestamp(r.varint()?),
        ..UserRecord::default()
    };
    if version >= USERS_WITH_ROLE {
        user.role = read_role(r)?;
        user.is_imported = r.byte()? != 0;
    }
    Ok(user)
}

pub(super) const fn role_number(role: OrgRole) -> u8 {
    match role {
        OrgRole::Member => 0,
        OrgRole::Admin => 1,
    }
}

pub(super) fn read_role(r: &mut Reader) -> Result<OrgRole, FormatError> {
    match r.byte()? {
        0 => Ok(OrgRole::Member),
        1 => Ok(OrgRole::Admin),
        other => Err(FormatError::Unknown(u64::from(other))),
    }
}

pub(super) fn write_device(out: &mut Writer, d: &DeviceRecord) {
    out.fixed(d.org.0).fixed(d.user.0).fixed(d.device.0).varint(u64::from(d.kind));
    out.bytes(d.label.as_bytes()).bytes(&d.secret).fixed_if(d.app.0).varint(d.created.0);
}

pub(super) fn read_device(r: &mut Reader) -> Result<DeviceRecord, FormatError> {
    Ok(DeviceRecord {
        org: OrgId(r.fixed()?),
        user: UserId(r.fixed()?),
        device: DeviceId(r.fixed()?),
        kind: r.varint32()?,
        label: r.text()?,
        secret: read_secret(r)?,
        app: AppId(r.fixed_if()?),
        created: Timestamp(r.varint()?),
    })
}

fn write_app(out: &mut Writer, a: &AppRecord) {
    out.fixed(a.org.0).fixed(a.app.0).bytes(a.name.as_bytes()).bytes(&a.secret);
    out.varint(a.created.0);
}

fn read_app(r: &mut Reader) -> Result<AppRecord, FormatError> {
    Ok(AppRecord {
        org: OrgId(r.fixed()?),
        app: AppId(r.fixed()?),
        name: r.text()?,
        secret: read_secret(r)?,
        created: Timestamp(r.varint()?),
    })
}

pub(super) fn read_secret(r: &mut Reader) -> Result<[u8; 32], FormatError> {
    let bytes = r.bytes()?;
    <[u8; 32]>::try_from(&bytes[..]).map_err(|_| FormatError::Unknown(bytes.len() as u64))
}

/// Encodes one identity command, a record payload.
pub fn encode_command(command: &IdentityCommand) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    write_command(&mut out, command);
    out.finish()
}

fn write_command(out: &mut Writer, command: &IdentityCommand) {
    match command {
        IdentityCommand::PutOrg(org) => write_org(out.byte(1), org),
        IdentityCommand::AddUsers(users) => {
            out.byte(2).varint(users.len() as u64);
            for user in users {
                write_user(out, user);
            }
        }
        IdentityCommand::SetPassword { org, user, password } => {
            out.byte(3).fixed(org.0).fixed(user.0).bytes(password.as_bytes());
        }
        IdentityCommand::SetDisabled { org, user, is_disabled } => {
            out.byte(4).fixed(org.0).fixed(user.0).byte(u8::from(*is_disabled));
        }
        IdentityCommand::PutDevice(device) => write_device(out.byte(5), device),
        IdentityCommand::RemoveDevice { org, user, device } => {
            out.byte(6).fixed(org.0).fixed(user.0).fixed(device.0);
        }
        IdentityCommand::PutApp(app) => write_app(out.byte(7), app),
        IdentityCommand::NameGroup { org, name, conv } => {
            out.byte(8).fixed(org.0).bytes(name.as_bytes()).fixed(conv.0);
        }
        IdentityCommand::RemoveApp { org, app } => {
            out.byte(9).fixed(org.0).fixed(app.0);
        }
        IdentityCommand::SetOrgName { org, name } => {
            out.byte(10).fixed(org.0).bytes(name.as_bytes());
        }
        IdentityCommand::SetRole { org, user, role } => {
            out.byte(11).fixed(org.0).fixed(user.0).byte(role_number(*role));
        }
        IdentityCommand::Note(entry) => audit::write(out.byte(12), entry),
        IdentityCommand::PutSetUpLink(row) => link::write_setup_link(out.byte(14), row),
        IdentityCommand::SetUp(setup) => link::write_setup(out.byte(15), setup),
        IdentityCommand::PutInvitation(row) => link::write_invitation(out.byte(16), row),
        IdentityCommand::RevokeInvitation { org, invitation } => {
            out.byte(17).fixed(org.0).fixed(invitation.0);
        }
        IdentityCommand::Accept(accept) => link::write_accept(out.byte(18), accept),
        IdentityCommand::Audited { audit: entry, command } => {
            audit::write(out.byte(AUDITED), entry);
            write_command(out, command);
        }
    }
}

/// Decodes what [`encode_command`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode_command(payload: Bytes) -> Result<IdentityCommand, FormatError> {
    let (mut r, version) = Reader::with_version(payload, VERSION)?;
    match r.byte()? {
        AUDITED => {
            let entry = audit::read(&mut r)?;
            let tag = r.byte()?;
            let command = Box::new(read_command(&mut r, version, tag)?);
            Ok(IdentityCommand::Audited { audit: entry, command })
        }
        tag => read_command(&mut r, version, tag),
    }
}

/// A command that has no other one inside.
fn read_command(r: &mut Reader, version: u8, tag: u8) -> Result<IdentityCommand, FormatError> {
    Ok(match tag {
        1 => IdentityCommand::PutOrg(read_org(r)?),
        2 => {
            let count = r.count_of(USER_BYTES_MIN)?;
            let mut users = Vec::with_capacity(count);
            for _ in 0..count {
                users.push(read_user(r, version)?);
            }
            IdentityCommand::AddUsers(users)
        }
        3 => IdentityCommand::SetPassword {
            org: OrgId(r.fixed()?),
            user: UserId(r.fixed()?),
            password: r.text()?,
        },
        4 => IdentityCommand::SetDisabled {
            org: OrgId(r.fixed()?),
            user: UserId(r.fixed()?),
            is_disabled: r.byte()? != 0,
        },
        5 => IdentityCommand::PutDevice(read_device(r)?),
        6 => IdentityCommand::RemoveDevice {
            org: OrgId(r.fixed()?),
            user: UserId(r.fixed()?),
            device: DeviceId(r.fixed()?),
        },
        7 => IdentityCommand::PutApp(read_app(r)?),
        8 => IdentityCommand::NameGroup {
            org: OrgId(r.fixed()?),
            name: r.text()?,
            conv: ConversationId(r.fixed()?),
        },
        9 => IdentityCommand::RemoveApp { org: OrgId(r.fixed()?), app: AppId(r.fixed()?) },
        10 => IdentityCommand::SetOrgName { org: OrgId(r.fixed()?), name: r.text()? },
        11 => IdentityCommand::SetRole {
            org: OrgId(r.fixed()?),
            user: UserId(r.fixed()?),
            role: read_role(r)?,
        },
        12 => IdentityCommand::Note(audit::read(r)?),
        14 => IdentityCommand::PutSetUpLink(link::read_setup_link(r)?),
        15 => IdentityCommand::SetUp(Box::new(link::read_setup(r)?)),
        16 => IdentityCommand::PutInvitation(link::read_invitation(r)?),
        17 => IdentityCommand::RevokeInvitation {
            org: OrgId(r.fixed()?),
            invitation: InvitationId(r.fixed()?),
        },
        18 => IdentityCommand::Accept(Box::new(link::read_accept(r)?)),
        other => return Err(FormatError::Unknown(u64::from(other))),
    })
}

fn group_key(org: OrgId, name: &str) -> Bytes {
    let mut key = BytesMut::from(&table_key(org, tag::GROUP, &[])[..]);
    key.put_slice(name.as_bytes());
    key.freeze()
}

fn encode(write: impl FnOnce(&mut Writer)) -> Bytes {
    encode_as(ROW_VERSION, write)
}

fn encode_as(version: u8, write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut out = Writer::versioned(version);
    write(&mut out);
    out.finish()
}

/// Writes the rows that a command changed, as they are in `directory` now.
pub fn write_changed(writer: &mut ShardWriter, directory: &Directory, changes: &[IdentityChange]) {
    for change in changes {
        let (key, value) = match change {
            IdentityChange::Org(org) => (
                table_key(*org, tag::ORG, &[]),
                directory.org(*org).map(|o| encode(|out| write_org(out, o))),
            ),
            IdentityChange::User(org, user) => (
                table_key(*org, tag::USER, &[user.0]),
                directory.user(*org, *user).map(|u| encode_as(VERSION, |out| write_user(out, u))),
            ),
            IdentityChange::Device(org, user, device) => (
                table_key(*org, tag::USER_DEVICE, &[user.0, device.0]),
                directory.device(*device).map(|d| encode(|out| write_device(out, d))),
            ),
            IdentityChange::App(org, app) => (
                table_key(*org, tag::APP, &[app.0]),
                directory.app(*org, *app).map(|a| encode(|out| write_app(out, a))),
            ),
            IdentityChange::SetUpLink(org) => (
                link::setup_link_key(*org),
                directory.setup_link(*org).map(link::encode_setup_link),
            ),
            IdentityChange::Invitation(org, invitation) => (
                link::invitation_key(*org, *invitation),
                directory.invitation(*org, *invitation).map(link::encode_invitation),
            ),
            IdentityChange::Audit(entry) => (audit::encode_key(entry), Some(audit::encode(entry))),
            IdentityChange::Group(org, name) => (
                group_key(*org, name),
                directory.group_named(*org, name).map(|conv| {
                    encode(|out| {
                        out.bytes(name.as_bytes()).fixed(conv.0);
                    })
                }),
            ),
        };
        writer.put(key, value);
    }
}

/// Loads everything. Organisations are found by their rows, in id order; `orgs` bounds the search to those of the layout.
///
/// # Errors
/// When the engine fails or a row does not verify.
pub fn load(view: &View, orgs: &[OrgId]) -> Result<Directory, StoreError> {
    let mut directory = Directory::default();
    for org in orgs {
        each(view, *org, tag::ORG, |r, _| {
            directory.load_org(read_org(r)?);
            Ok(())
        })?;
        each(view, *org, tag::USER, |r, version| {
            directory.load_user(read_user(r, version)?);
            Ok(())
        })?;
        each(view, *org, tag::USER_DEVICE, |r, _| {
            directory.load_device(read_device(r)?);
            Ok(())
        })?;
        each(view, *org, tag::APP, |r, _| {
            directory.load_app(read_app(r)?);
            Ok(())
        })?;
        each(view, *org, tag::GROUP, |r, _| {
            let name = r.text()?;
            directory.load_group(*org, name, ConversationId(r.fixed()?));
            Ok(())
        })?;
        each(view, *org, tag::SETUP_LINK, |r, _| {
            directory.load_setup_link(link::read_setup_link(r)?);
            Ok(())
        })?;
        each(view, *org, tag::INVITATION, |r, _| {
            directory.load_invitation(link::read_invitation(r)?);
            Ok(())
        })?;
        if let Some(newest) = audit::before(view, *org, 0, 1)?.first() {
            directory.load_audited(*org, newest.entry);
        }
    }
    Ok(directory)
}

fn each(
    view: &View,
    org: OrgId,
    tag: u8,
    mut take: impl FnMut(&mut Reader, u8) -> Result<(), FormatError>,
) -> Result<(), StoreError> {
    let prefix = table_key(org, tag, &[]);
    let mut after = Bytes::new();
    loop {
        let rows = view.state_scan(&prefix, &after, LOAD_STEP)?;
        for (_, value) in &rows {
            let (mut reader, version) = Reader::with_version(value.clone(), VERSION)?;
            take(&mut reader, version)?;
        }
        match rows.last() {
            Some((key, _)) if rows.len() == LOAD_STEP => after = key.clone(),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod rows {
    //! Rows alone, for the format fixtures.
    use super::*;

    pub(crate) fn encode_user(user: &UserRecord) -> Bytes {
        encode_as(VERSION, |out| write_user(out, user))
    }

    pub(crate) fn decode_user(bytes: Bytes) -> Result<UserRecord, FormatError> {
        let (mut reader, version) = Reader::with_version(bytes, VERSION)?;
        read_user(&mut reader, version)
    }

    pub(crate) fn encode_device(device: &DeviceRecord) -> Bytes {
        encode(|out| write_device(out, device))
    }

    pub(crate) fn decode_device(bytes: Bytes) -> Result<DeviceRecord, FormatError> {
        read_device(&mut Reader::versioned(bytes, VERSION)?)
    }
}
