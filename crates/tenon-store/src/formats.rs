//! Every stored format: what is written comes back, bytes of every release still open, and no damage makes a decoder panic.

use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use tenon_base::{Lsn, PartitionId, Pts, Seq};

use crate::block::{BlockKey, Encoder, Index, Origin};
use crate::codec::FormatError;
use crate::memtable::{Entry, SeriesKey};
use crate::table;
use crate::{checkpoint, record, row};

mod identity;
mod values;

use values::Values;

/// One format: encodes a value made of a seed, and decodes bytes to the bytes of the decoded value.
struct Format {
    name: &'static str,
    sample: fn(&mut Values) -> Bytes,
    reencode: fn(Bytes) -> Result<Bytes, FormatError>,
}

macro_rules! state_table {
    ($name:ident, $value:ident) => {
        Format {
            name: stringify!($name),
            sample: |v| table::$name::encode(&v.$value()),
            reencode: |b| table::$name::decode(&b).map(|x| table::$name::encode(&x)),
        }
    };
}

/// Two parts as one, so that a fixture is one file.
fn join(header: &Bytes, body: &Bytes) -> Bytes {
    let mut out = crate::codec::Writer::with_capacity(64);
    out.bytes(header).bytes(body);
    out.finish()
}

fn join_all(parts: impl Iterator<Item = Bytes>) -> Bytes {
    let mut out = crate::codec::Writer::with_capacity(256);
    for part in parts {
        out.bytes(&part);
    }
    out.finish()
}

fn split(joined: Bytes) -> Result<(Bytes, Bytes), FormatError> {
    let mut r = crate::codec::Reader::plain(joined);
    Ok((r.bytes()?, r.bytes()?))
}

const FORMATS: &[Format] = &[
    Format {
        name: "commands",
        sample: |v| record::encode_commands(&v.commands()),
        reencode: |b| record::decode_commands(b).map(|x| record::encode_commands(&x)),
    },
    Format {
        name: "user-commands",
        sample: |v| record::encode_user_commands(&v.user_commands()),
        reencode: |b| record::decode_user_commands(b).map(|x| record::encode_user_commands(&x)),
    },
    Format {
        name: "fan-out",
        sample: |v| record::encode_fan_out(&v.fan_outs()),
        reencode: |b| record::decode_fan_out(b).map(|x| record::encode_fan_out(&x)),
    },
    state_table!(header, header),
    state_table!(member, member),
    state_table!(sender, sender),
    state_table!(user_header, user_header),
    Format {
        name: "device-2",
        sample: |v| table::device::encode(&v.device()),
        reencode: |b| table::device::decode(&b).map(|x| table::device::encode(&x)),
    },
    state_table!(line, line),
    state_table!(fan_out_source, fan_out_source),
    Format {
        name: "import_key",
        sample: |v| table::import_key::encode(Seq(v.small()), tenon_base::Rev(v.small())),
        reencode: |b| table::import_key::decode(&b).map(|(s, r)| table::import_key::encode(s, r)),
    },
    Format {
        name: "identity-command-2",
        sample: |v| {
            let commands = v.identity_commands();
            join_all(commands.iter().map(table::identity::encode_command))
        },
        reencode: |b| {
            let mut r = crate::codec::Reader::plain(b);
            let mut again = Vec::new();
            while !r.is_empty() {
                let command = table::identity::decode_command(r.bytes()?)?;
                again.push(table::identity::encode_command(&command));
            }
            Ok(join_all(again.into_iter()))
        },
    },
    Format {
        name: "identity-audit",
        sample: |v| table::audit::encode(&v.audit_entry()),
        reencode: |b| table::audit::decode(&b).map(|x| table::audit::encode(&x)),
    },
    Format {
        name: "identity-setup-link",
        sample: |v| table::link::encode_setup_link(&v.setup_link()),
        reencode: |b| {
            table::link::decode_setup_link(&b).map(|x| table::link::encode_setup_link(&x))
        },
    },
    Format {
        name: "identity-invitation",
        sample: |v| table::link::encode_invitation(&v.invitation()),
        reencode: |b| {
            table::link::decode_invitation(&b).map(|x| table::link::encode_invitation(&x))
        },
    },
    Format {
        name: "identity-user-2",
        sample: |v| table::identity::rows::encode_user(&v.user_record()),
        reencode: |b| {
            table::identity::rows::decode_user(b).map(|x| table::identity::rows::encode_user(&x))
        },
    },
    Format {
        name: "identity-device",
        sample: |v| table::identity::rows::encode_device(&v.device_record()),
        reencode: |b| {
            let device = table::identity::rows::decode_device(b)?;
            Ok(table::identity::rows::encode_device(&device))
        },
    },
    Format {
        name: "message",
        sample: |v| {
            let message = v.message(9);
            join(&table::message::encode_header(&message), &message.body)
        },
        reencode: |b| {
            let (header, body) = split(b)?;
            let message = table::message::decode(Seq(9), &header, body)?;
            Ok(join(&table::message::encode_header(&message), &message.body))
        },
    },
    Format {
        name: "queue",
        sample: |v| {
            let (header, body) = table::queue::encode(&v.queue_entry());
            join(&header, &body)
        },
        reencode: |b| {
            let (header, body) = split(b)?;
            let (header, body) =
                table::queue::encode(&table::queue::decode(Pts(3), &header, &body)?);
            Ok(join(&header, &body))
        },
    },
    Format {
        name: "row",
        sample: |v| row_of(v).encode(b"key"),
        reencode: |b| row::Row::decode(b"key", &b).map(|row| row.encode(b"key")),
    },
    Format {
        name: "state-row",
        sample: |v| row::encode_state(b"key", Lsn(v.small()), &v.bytes()),
        reencode: |b| {
            row::decode_state(b"key", &b).map(|(lsn, v)| row::encode_state(b"key", lsn, &v))
        },
    },
];

fn row_of(v: &mut Values) -> row::Row {
    row::Row {
        flush: v.small(),
        lsn: Lsn(v.small()),
        key_id: v.small(),
        header: v.bytes(),
        body: v.bytes(),
    }
}

proptest! {
    /// Decoding gives back what was encoded, whatever the value.
    #[test]
    fn what_is_written_comes_back(seed in any::<u64>()) {
        for format in FORMATS {
            let bytes = (format.sample)(&mut Values::new(seed));
            prop_assert_eq!((format.reencode)(bytes.clone()), Ok(bytes), "{}", format.name);
        }
    }

    /// Cut or changed bytes are an error or another value, never a panic.
    #[test]
    fn damaged_bytes_do_not_panic(seed in any::<u64>(), at in any::<usize>(), bit in 0u32..8) {
        for format in FORMATS {
            let bytes = (format.sample)(&mut Values::new(seed)).to_vec();
            let at = at % bytes.len();
            let cut = (format.reencode)(Bytes::copy_from_slice(&bytes[..at]));
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            // A flag byte has more than one true: another value or the same, but no panic.
            drop((format.reencode)(bad.into()));
            prop_assert!(cut != Ok(bytes.into()), "{}", format.name);
        }
    }

    /// Commands come back as values, and their bodies are slices of the record.
    #[test]
    fn commands_come_back_as_values(seed in any::<u64>()) {
        let mut values = Values::new(seed);
        let (commands, users, fan_outs) =
            (values.commands(), values.user_commands(), values.fan_outs());
        let payload = record::encode_commands(&commands);
        let range = payload.as_ptr_range();
        let decoded = record::decode_commands(payload.clone()).unwrap();
        for command in &decoded {
            if let tenon_core::Action::Send(send) = &command.action {
                prop_assert!(send.body.is_empty() || range.contains(&send.body.as_ptr()));
            }
        }
        prop_assert_eq!(decoded, commands);
        let bytes = record::encode_user_commands(&users);
        prop_assert_eq!(record::decode_user_commands(bytes), Ok(users));
        let bytes = record::encode_fan_out(&fan_outs);
        prop_assert_eq!(record::decode_fan_out(bytes), Ok(fan_outs));
    }

    /// Blocks of real message headers come back byte for byte, as columns too.
    #[test]
    fn message_blocks_come_back(seed in any::<u64>(), count in 1u64..80) {
        let run = messages(&mut Values::new(seed), count);
        let packed = Encoder::new().unwrap().pack(series(), &run, origin());
        let index = Index::decode(packed.key, &packed.index).unwrap();
        let bodies = index.bodies(packed.body.as_ref()).unwrap();
        prop_assert!(index.sums_hold().unwrap());
        for ((entry, header), body) in run.iter().zip(&index.headers).zip(&bodies) {
            prop_assert_eq!((&entry.header, &entry.body), (header, body));
        }
    }
}

fn series() -> SeriesKey {
    SeriesKey::message(tenon_base::OrgId(1), tenon_base::ConversationId(2))
}

fn origin() -> Origin {
    Origin { flush: 5, ordinal: 1, lsn: Lsn(77), key_id: 0 }
}

fn messages(values: &mut Values, count: u64) -> Vec<Entry> {
    let entry = |number| {
        let message = values.message(number);
        let header = table::message::encode_header(&message);
        Entry { number, header, body: message.body }
    };
    (1..=count).map(entry).collect()
}

/// Messages as a group writes them: a few senders, times and ids that grow.
#[test]
fn a_chat_header_takes_few_bytes() {
    let mut values = Values::new(1);
    let senders: Vec<_> = (0..8).map(|_| values.message(1)).collect();
    let entry = |number: u64| {
        let mut message = senders[(number * 5 % 8) as usize].clone();
        message.seq = Seq(number);
        message.ver = tenon_base::Ver(number + 3);
        message.cnt = tenon_base::Cnt(number);
        message.ts = tenon_base::Timestamp(1_700_000_000_000 + number * 7_919);
        message.message_id = tenon_base::MessageId((1 << 50) + number * 800_000);
        message.cid = tenon_base::Cid(number / 8 + 1);
        (message.kind, message.flags) = (1, 0);
        message.mentions.clear();
        (message.reply_seq, message.app) = (Seq(0), tenon_base::AppId(0));
        (message.edited, message.expires) = Default::default();
        let header = table::message::encode_header(&message);
        Entry { number, header, body: Bytes::new() }
    };
    let run: Vec<Entry> = (1..=300).map(entry).collect();
    let packed = Encoder::new().unwrap().pack(series(), &run, origin());
    assert!(packed.index.len() / run.len() < 10, "{} bytes", packed.index.len());
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", "0.1.0", name].iter().collect()
}

/// The bytes of a fixture. A missing one is written beside as `.new`, to be looked at and renamed.
fn open_fixture(name: &str, sample: impl FnOnce() -> Bytes) -> Bytes {
    let path = fixture(name);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(_) => {
            std::fs::write(path.with_extension("new"), sample()).unwrap();
            panic!("no fixture {name}; look at the .new file and rename it");
        }
    }
}

/// Bytes of release 0.1.0 open, and are written alike today.
#[test]
fn bytes_of_every_release_open() {
    for format in FORMATS {
        let name = format!("{}.bin", format.name);
        let bytes = open_fixture(&name, || (format.sample)(&mut Values::new(42)));
        assert_eq!((format.reencode)(bytes.clone()), Ok(bytes), "{name}");
    }
}

/// A device row from before the chains of left epochs were kept.
#[test]
fn a_device_row_of_version_one_opens() {
    let bytes = open_fixture("device.bin", Bytes::new);
    let device = table::device::decode(&bytes).unwrap();
    let again = table::device::decode(&table::device::encode(&device));
    assert!(device.left.is_empty() && device.device.is_some());
    assert_eq!(again, Ok(device));
}

/// A block and a checkpoint of release 0.1.0 open, with the contents they had. (Compressed bytes may differ between versions
/// of the compressor, so they are not written again.)
#[test]
fn blocks_of_every_release_open() {
    let run = || messages(&mut Values::new(42), 20);
    let key = BlockKey { series: series(), last: 20, flush: 5 };
    let joined = open_fixture("block.bin", || {
        let packed = Encoder::new().unwrap().pack(series(), &run(), origin());
        join(&packed.index, &packed.body.unwrap())
    });
    let (index, body) = split(joined).unwrap();
    let index = Index::decode(key, &index).unwrap();
    let bodies = index.bodies(Some(&body)).unwrap();
    let mut hasher = blake3::Hasher::new();
    for (header, body) in index.headers.iter().zip(&bodies) {
        hasher.update(header).update(body);
    }
    assert_eq!(&hasher.finalize().to_hex()[..16], BLOCK_CONTENTS);

    let bytes = open_fixture("checkpoint.bin", || {
        let mut ledger = checkpoint::Ledger::default();
        ledger.applied.insert(PartitionId(3), Lsn::new(1, 9));
        ledger.numbers.top_up(1);
        let number = ledger.numbers.take().unwrap();
        ledger.numbers.confirm(number);
        let row = ledger.live.target(crate::space::SpaceKind::Row, 8);
        ledger.live.fill(&row);
        ledger.encode().value
    });
    let ledger = checkpoint::Ledger::decode(&bytes).unwrap();
    assert_eq!(ledger.applied.get(&PartitionId(3)), Some(&Lsn::new(1, 9)));
    let hidden = ledger.numbers.hidden();
    assert!(!hidden.hides(1) && hidden.hides(2) && hidden.hides(16) && !hidden.hides(17));
    let names: Vec<_> = ledger.live.all().map(|s| s.space.0.to_string()).collect();
    assert_eq!(names, ["block-0", "event-1", "queue-2", "row-3"]);
}

/// First half of the BLAKE3 of headers and bodies in `block.bin`.
const BLOCK_CONTENTS: &str = "957b1e177a2424b7";
