//! What a data directory is: its organisation, its layout, its keys. Written once, mode 0600.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tenon_base::{OrgId, Random, Timestamp};
use tenon_core::Layout;
use tenon_receiver::Keys;
use tenon_receiver::identity::keys::TicketKey;

use crate::error::ServerError;

const NODE_FILE: &str = "node.json";
const KEYS_FILE: &str = "keys.json";

/// Identity of a data directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) org: OrgId,
    pub(crate) layout: Layout,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    organisation: String,
    conversation_partitions: u16,
    user_partitions: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    credential_hash: String,
    tickets: Vec<TicketFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketFile {
    id: u32,
    key: String,
    made_ms: u64,
}

impl Node {
    /// Reads it, or draws it at the first start. The number of partitions never changes afterwards: slots would move.
    pub(crate) fn load(
        data: &Path,
        random: &dyn Random,
        partitions: u16,
    ) -> Result<Self, ServerError> {
        let path = data.join(NODE_FILE);
        if let Some(file) = read::<NodeFile>(&path)? {
            let org = file.organisation.parse().map_err(|_| damaged(&path, "organisation"))?;
            let layout =
                Layout { conversations: file.conversation_partitions, users: file.user_partitions };
            let is_legal =
                (1..=256).contains(&layout.conversations) && (1..=255).contains(&layout.users);
            return if is_legal {
                Ok(Self { org: OrgId(org), layout })
            } else {
                Err(damaged(&path, "partitions"))
            };
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let count = match partitions {
            0 => u16::try_from(cores.clamp(2, 64)).unwrap_or(2),
            n => n,
        };
        let node = Self {
            org: OrgId(random.next_id()),
            layout: Layout { conversations: count, users: count },
        };
        let file = NodeFile {
            organisation: node.org.to_string(),
            conversation_partitions: count,
            user_partitions: count,
        };
        write(&path, &file)?;
        Ok(node)
    }
}

/// Reads the keys, makes them at the first start, and renews the ticket key when it is due.
pub(crate) fn load_keys(
    data: &Path,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Keys, ServerError> {
    let path = data.join(KEYS_FILE);
    let Some(file) = read::<KeysFile>(&path)? else {
        let keys = Keys::generate(random, now);
        write_keys(&path, &keys)?;
        return Ok(keys);
    };
    let mut keys = Keys {
        credential_hash: unhex(&file.credential_hash).ok_or_else(|| damaged(&path, "hash key"))?,
        tickets: Vec::new(),
    };
    for ticket in file.tickets {
        keys.tickets.push(TicketKey {
            id: ticket.id,
            key: unhex(&ticket.key).ok_or_else(|| damaged(&path, "ticket key"))?,
            made: Timestamp(ticket.made_ms),
        });
    }
    if keys.is_rotation_due(now) {
        rotate_keys(data, &mut keys, random, now)?;
    }
    Ok(keys)
}

/// Renews the ticket key; kept on the disk before it is used.
pub(crate) fn rotate_keys(
    data: &Path,
    keys: &mut Keys,
    random: &dyn Random,
    now: Timestamp,
) -> Result<(), ServerError> {
    keys.rotate(random, now);
    write_keys(&data.join(KEYS_FILE), keys)
}

fn write_keys(path: &Path, keys: &Keys) -> Result<(), ServerError> {
    let file = KeysFile {
        credential_hash: hex(&keys.credential_hash),
        tickets: keys
            .tickets
            .iter()
            .map(|t| TicketFile { id: t.id, key: hex(&t.key), made_ms: t.made.0 })
            .collect(),
    };
    write(path, &file)
}

/// Only the owner may look inside: the directory holds messages and keys.
pub(crate) fn restrict(data: &Path) -> Result<(), ServerError> {
    fs::set_permissions(data, Permissions::from_mode(0o700)).map_err(|e| failed(data, e))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ServerError> {
    match fs::read(path) {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes);
            value.map(Some).map_err(|error| damaged(path, &error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

/// Durable and whole on return: a crash leaves the old file or the new one.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), ServerError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|e| damaged(path, &e.to_string()))?;
    write_private(path, &bytes).map_err(|error| failed(path, error))
}

/// Writes a file that only the owner can read, atomically.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder_of(path))?.sync_all()
}

/// Where a file lies; a bare name lies here.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn damaged(path: &Path, what: &str) -> ServerError {
    ServerError::Damaged { path: path.to_owned(), what: what.to_owned() }
}

fn failed(path: &Path, source: io::Error) -> ServerError {
    ServerError::Io { path: path.to_owned(), source }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tenon_base::SeededRandom;

    #[test]
    fn a_directory_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let random = SeededRandom::new(4);
        let first = Node::load(dir.path(), &random, 3).unwrap();
        let again = Node::load(dir.path(), &random, 8).unwrap();
        assert_eq!((first.org, first.layout), (again.org, again.layout));
        let keys = load_keys(dir.path(), &random, Timestamp(0)).unwrap();
        assert_eq!(load_keys(dir.path(), &random, Timestamp(1)).unwrap(), keys);
        let later = load_keys(dir.path(), &random, Timestamp(90_000_000)).unwrap();
        assert!(later.tickets[1] == keys.tickets[0], "the ticket key of yesterday still opens");
        let mode = fs::metadata(dir.path().join(KEYS_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        let of = |path: &str| folder_of(Path::new(path)).display().to_string();
        assert_eq!(["ready.json", "a/b", "/x", "./y"].map(of), [".", "a", "/", "."]);
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(KEYS_FILE), "{\"credential_hash\":\"zz\",\"tickets\":[]}")
            .unwrap();
        let random = SeededRandom::new(4);
        let error = load_keys(dir.path(), &random, Timestamp(0)).unwrap_err();
        assert!(error.to_string().contains("keys.json"), "{error}");
        fs::write(dir.path().join(NODE_FILE), "{}").unwrap();
        assert!(Node::load(dir.path(), &random, 2).is_err());
    }
}
