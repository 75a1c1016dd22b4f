//! Payloads of log records: admitted commands, user commands, fan-outs. One record names one organisation.

use bytes::Bytes;
use tenon_base::{
    AppId, Cid, Cnt, ConversationId, DeviceEpoch, DeviceId, Lsn, MessageId, OpSeq, OrgId, Seq,
    Timestamp, UserId,
};
use tenon_core::command::{CreateConversation, SummaryPatch};
use tenon_core::user::FanOut;
use tenon_core::{
    Action, Author, Command, ImportEntry, ImportItem, SendMessage, UserAction, UserCommand,
};

use crate::codec::{FormatError, Reader, Writer};
use crate::table::header::decode_kind;
use crate::table::member::decode_role;
use crate::table::queue::{read_item, write_item};
use crate::table::sender::decode_rejection;

const VERSION: u8 = 1;
/// Bytes that a command takes at least: author 11, conversation 8, cid 1, digest 16, void 1, message id 8, time 1,
/// refusal 1, action 1.
const COMMAND_BYTES_MIN: usize = 48;
/// The same of a user command: author 11, number 1, digest 16, void 1, time 1, action 2.
const USER_COMMAND_BYTES_MIN: usize = 32;
/// The same of a fan-out: organisation 8, source 8, index 1, time 1, item 10, recipients 1.
const FAN_OUT_BYTES_MIN: usize = 29;
/// The same of an import entry: key 16, time 1, user 8, item 1.
const IMPORT_BYTES_MIN: usize = 26;

/// Encodes the commands of one organisation, in order.
pub fn encode_commands(commands: &[Command]) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    let org = commands.first().map_or(0, |c| c.author.org.0);
    // The organisation is written once: a stranger among them would silently change it.
    tenon_base::always!(commands.iter().all(|c| c.author.org.0 == org), "one organisation");
    out.fixed(org).varint(commands.len() as u64);
    for command in commands {
        write_author(&mut out, &command.author);
        out.fixed(command.conv.0).varint(command.cid.0).digest(&command.digest);
        out.byte(u8::from(command.is_void)).fixed(command.message_id.0).varint(command.time.0);
        out.varint(command.refused.map_or(0, |r| u64::from(r.number())));
        write_action(&mut out, &command.action);
    }
    out.finish()
}

/// Decodes what [`encode_commands`] wrote; bodies share the payload.
///
/// # Errors
/// [`FormatError`].
pub fn decode_commands(payload: Bytes) -> Result<Vec<Command>, FormatError> {
    let mut r = Reader::versioned(payload, VERSION)?;
    let org = OrgId(r.fixed()?);
    let count = r.count_of(COMMAND_BYTES_MIN)?;
    let mut commands = Vec::with_capacity(count);
    for _ in 0..count {
        commands.push(Command {
            author: read_author(&mut r, org)?,
            conv: ConversationId(r.fixed()?),
            cid: Cid(r.varint()?),
            digest: r.digest()?,
            is_void: r.byte()? != 0,
            message_id: MessageId(r.fixed()?),
            time: Timestamp(r.varint()?),
            refused: read_refused(&mut r)?,
            action: read_action(&mut r)?,
        });
    }
    Ok(commands)
}

fn write_author(out: &mut Writer, a: &Author) {
    out.fixed(a.user.0).fixed_if(a.device.0).varint(u64::from(a.device_epoch.0)).fixed_if(a.app.0);
}

fn read_author(r: &mut Reader, org: OrgId) -> Result<Author, FormatError> {
    Ok(Author {
        org,
        user: UserId(r.fixed()?),
        device: DeviceId(r.fixed_if()?),
        device_epoch: DeviceEpoch(r.varint32()?),
        app: AppId(r.fixed_if()?),
    })
}

fn read_refused(r: &mut Reader) -> Result<Option<tenon_core::Rejection>, FormatError> {
    let number = r.varint()?;
    if number == 0 {
        return Ok(None);
    }
    let known = u16::try_from(number).ok().and_then(tenon_core::Rejection::from_number);
    known.map(Some).ok_or(FormatError::Unknown(number))
}

fn write_users(out: &mut Writer, users: &[UserId]) {
    out.varint(users.len() as u64);
    for user in users {
        out.fixed(user.0);
    }
}

fn read_users(r: &mut Reader) -> Result<Vec<UserId>, FormatError> {
    let count = r.count_of(8)?;
    let mut users = Vec::with_capacity(count);
    for _ in 0..count {
        users.push(UserId(r.fixed()?));
    }
    Ok(users)
}

/// Action numbers: 1 send, 2 create, 3 rename, 4 add, 5 remove, 6 leave, 7 role, 8 read mark, 9 import. Never reused.
fn write_action(out: &mut Writer, action: &Action) {
    match action {
        Action::Send(s) => {
            out.byte(1).varint(u64::from(s.kind)).bytes(&s.body).varint(s.reply_seq.0);
            write_users(out, &s.mentions);
            out.varint(u64::from(s.flags));
            write_users(out, &s.to);
            out.varint(u64::from(s.expires_in_s)).varint(u64::from(s.valid_for_s));
        }
        Action::Create(c) => {
            out.byte(2).byte(c.kind as u8).bytes(c.title.as_bytes()).fixed(c.owner.0);
            write_users(out, &c.members);
            out.byte(u8::from(c.history_visible));
            out.varint(u64::from(c.queue_mode_max)).varint(u64::from(c.pull_mode_min));
        }
        Action::Rename { title } => {
            out.byte(3).bytes(title.as_bytes());
        }
        Action::AddMembers { users } => write_users(out.byte(4), users),
        Action::RemoveMembers { users } => write_users(out.byte(5), users),
        Action::Leave => {
            out.byte(6);
        }
        Action::SetRole { user, role } => {
            out.byte(7).fixed(user.0).byte(*role as u8);
        }
        Action::ReadMark { up_to, cnt } => {
            out.byte(8).varint(up_to.0).varint(cnt.0);
        }
        Action::Import { entries } => {
            out.byte(9).varint(entries.len() as u64);
            for entry in entries {
                write_import(out, entry);
            }
        }
    }
}

fn read_action(r: &mut Reader) -> Result<Action, FormatError> {
    Ok(match r.byte()? {
        1 => Action::Send(SendMessage {
            kind: r.varint32()?,
            body: r.bytes()?,
            reply_seq: Seq(r.varint()?),
            mentions: read_users(r)?,
            flags: r.varint32()?,
            to: read_users(r)?,
            expires_in_s: r.varint32()?,
            valid_for_s: r.varint32()?,
        }),
        2 => Action::Create(CreateConversation {
            kind: decode_kind(r.byte()?)?,
            title: r.text()?,
            owner: UserId(r.fixed()?),
            members: read_users(r)?,
            history_visible: r.byte()? != 0,
            queue_mode_max: r.varint32()?,
            pull_mode_min: r.varint32()?,
        }),
        3 => Action::Rename { title: r.text()? },
        4 => Action::AddMembers { users: read_users(r)? },
        5 => Action::RemoveMembers { users: read_users(r)? },
        6 => Action::Leave,
        7 => Action::SetRole { user: UserId(r.fixed()?), role: decode_role(r.byte()?)? },
        8 => Action::ReadMark { up_to: Seq(r.varint()?), cnt: Cnt(r.varint()?) },
        9 => {
            let count = r.count_of(IMPORT_BYTES_MIN)?;
            let mut entries = Vec::with_capacity(count);
            for _ in 0..count {
                entries.push(read_import(r)?);
            }
            Action::Import { entries }
        }
        other => return Err(FormatError::Unknown(u64::from(other))),
    })
}

fn write_import(out: &mut Writer, entry: &ImportEntry) {
    out.digest(&entry.key).varint(entry.time.0).fixed(entry.user.0);
    match &entry.item {
        ImportItem::Message { kind, body, root, message_id, edited } => {
            out.byte(1).varint(u64::from(*kind)).bytes(body).byte(u8::from(root.is_some()));
            if let Some(root) = root {
                out.digest(root);
            }
            out.fixed(message_id.0).varint(edited.0);
        }
        ImportItem::Join => {
            out.byte(2);
        }
        ImportItem::Leave => {
            out.byte(3);
        }
    }
}

fn read_import(r: &mut Reader) -> Result<ImportEntry, FormatError> {
    let key = r.digest()?;
    let time = Timestamp(r.varint()?);
    let user = UserId(r.fixed()?);
    let item = match r.byte()? {
        1 => ImportItem::Message {
            kind: r.varint32()?,
            body: r.bytes()?,
            root: if r.byte()? == 0 { None } else { Some(r.digest()?) },
            message_id: MessageId(r.fixed()?),
            edited: Timestamp(r.varint()?),
        },
        2 => ImportItem::Join,
        3 => ImportItem::Leave,
        other => return Err(FormatError::Unknown(u64::from(other))),
    };
    Ok(ImportEntry { key, time, user, item })
}

/// Encodes user commands of one organisation, in order.
pub fn encode_user_commands(commands: &[UserCommand]) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    let org = commands.first().map_or(0, |c| c.author.org.0);
    tenon_base::always!(commands.iter().all(|c| c.author.org.0 == org), "one organisation");
    out.fixed(org).varint(commands.len() as u64);
    for command in commands {
        write_author(&mut out, &command.author);
        out.varint(command.op_seq.0).digest(&command.digest);
        out.byte(u8::from(command.is_void)).varint(command.time.0);
        write_user_action(&mut out, &command.action);
    }
    out.finish()
}

/// Decodes what [`encode_user_commands`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode_user_commands(payload: Bytes) -> Result<Vec<UserCommand>, FormatError> {
    let mut r = Reader::versioned(payload, VERSION)?;
    let org = OrgId(r.fixed()?);
    let count = r.count_of(USER_COMMAND_BYTES_MIN)?;
    let mut commands = Vec::with_capacity(count);
    for _ in 0..count {
        commands.push(UserCommand {
            author: read_author(&mut r, org)?,
            op_seq: OpSeq(r.varint()?),
            digest: r.digest()?,
            is_void: r.byte()? != 0,
            time: Timestamp(r.varint()?),
            action: read_user_action(&mut r)?,
        });
    }
    Ok(commands)
}

/// Action numbers: 1 renew device epoch, 2 forget device, 3 made conversation, 4 summary, 5 refused. Never reused.
fn write_user_action(out: &mut Writer, action: &UserAction) {
    match action {
        UserAction::RenewDeviceEpoch { presented } => {
            out.byte(1).varint(u64::from(presented.0));
        }
        UserAction::ForgetDevice { device } => {
            out.byte(2).fixed(device.0);
        }
        UserAction::MadeConversation { conv } => {
            out.byte(3).fixed(conv.0);
        }
        UserAction::SetSummary { conv, patch } => {
            out.byte(4).fixed(conv.0);
            write_patch(out, patch);
        }
        UserAction::Refused(rejection) => {
            out.byte(5).varint(u64::from(rejection.number()));
        }
    }
}

fn read_user_action(r: &mut Reader) -> Result<UserAction, FormatError> {
    Ok(match r.byte()? {
        1 => UserAction::RenewDeviceEpoch { presented: DeviceEpoch(r.varint32()?) },
        2 => UserAction::ForgetDevice { device: DeviceId(r.fixed()?) },
        3 => UserAction::MadeConversation { conv: ConversationId(r.fixed()?) },
        4 => UserAction::SetSummary { conv: ConversationId(r.fixed()?), patch: read_patch(r)? },
        5 => UserAction::Refused(decode_rejection(r)?),
        other => return Err(FormatError::Unknown(u64::from(other))),
    })
}

fn write_patch(out: &mut Writer, p: &SummaryPatch) {
    let flag = |v: Option<bool>| v.map_or(0, |v| 1 + u8::from(v));
    out.byte(flag(p.pinned)).byte(flag(p.hidden)).byte(flag(p.marked_unread));
    out.varint(p.notify.map_or(0, |n| 1 + u64::from(n)));
    out.byte(u8::from(p.draft.is_some()));
    if let Some(draft) = &p.draft {
        out.bytes(draft);
    }
}

fn read_patch(r: &mut Reader) -> Result<SummaryPatch, FormatError> {
    let flag = |n: u8| if n == 0 { None } else { Some(n == 2) };
    let (pinned, hidden, marked_unread) = (flag(r.byte()?), flag(r.byte()?), flag(r.byte()?));
    let notify = match r.varint32()? {
        0 => None,
        n => Some(n - 1),
    };
    let draft = if r.byte()? == 0 { None } else { Some(r.bytes()?) };
    Ok(SummaryPatch { pinned, notify, hidden, marked_unread, draft })
}

/// Encodes fan-outs into one user partition.
pub fn encode_fan_out(items: &[FanOut]) -> Bytes {
    let mut out = Writer::versioned(VERSION);
    out.varint(items.len() as u64);
    for item in items {
        out.fixed(item.org.0).fixed(item.source.0).varint(u64::from(item.index));
        out.varint(item.ts.0);
        write_item(&mut out, &item.item);
        out.varint(item.recipients.len() as u64);
        let mut before = 0;
        for user in &item.recipients {
            out.varint(user.0.wrapping_sub(before));
            before = user.0;
        }
    }
    out.finish()
}

/// Decodes what [`encode_fan_out`] wrote.
///
/// # Errors
/// [`FormatError`].
pub fn decode_fan_out(payload: Bytes) -> Result<Vec<FanOut>, FormatError> {
    let mut r = Reader::versioned(payload, VERSION)?;
    let count = r.count_of(FAN_OUT_BYTES_MIN)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let org = OrgId(r.fixed()?);
        let source = Lsn(r.fixed()?);
        let index = r.varint32()?;
        let ts = Timestamp(r.varint()?);
        let item = read_item(&mut r)?;
        let recipients_count = r.count()?;
        let mut recipients = Vec::with_capacity(recipients_count);
        let mut before = 0u64;
        for _ in 0..recipients_count {
            before = before.wrapping_add(r.varint()?);
            recipients.push(UserId(before));
        }
        items.push(FanOut { org, source, index, ts, item, recipients });
    }
    Ok(items)
}
