//! The record frame (`docs/formats/log.md`): 104 bytes of header, then the payload, padded to 8 bytes.
//!
//! ```text
//!  0 magic 4 | version 1 | kind 1 | flags 2 | payload length 4 | payload CRC-32C 4, seeded with device id and position
//! 16 device id 8 | device position 8 | use number 4 | partition 4 | Lsn 8 | LeaderEpoch 8 | durable_through 8
//! 64 producer 8 | producer sequence 8 | time, us 8 | key id 8
//! 96 header checksum of the previous record on the device 4 (chain) | header CRC-32C over all before it 4
//! ```

use tenon_base::Lsn;
use tenon_base::limits::RECORD_BYTES_MAX;

/// Size of the header.
pub const HEADER_BYTES: usize = 104;
/// "TNRC".
const MAGIC: [u8; 4] = *b"TNRC";
/// The version this code writes.
const VERSION: u8 = 1;
/// Partition of markers: they belong to none.
pub const NO_PARTITION: u32 = u32::MAX;

/// The record is the last of its group: the next group starts at the next block.
pub const FLAG_LAST: u16 = 1;
/// The record was moved here from the unproven end of the segment before.
pub const FLAG_REWRITTEN: u16 = 2;
/// The record was not waited for.
pub const FLAG_LAZY: u16 = 4;
/// A marker of a planned stop: nothing was enqueued and not written.
pub const FLAG_CLEAN: u16 = 8;

/// Where a frame must lie to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Random id of the device.
    pub device_id: u64,
    /// Device position of the first byte.
    pub position: u64,
    /// Use number of the segment.
    pub use_number: u32,
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Kind of the payload.
    pub kind: u8,
    /// `FLAG_*`.
    pub flags: u16,
    /// Length of the payload in bytes.
    pub payload_bytes: u32,
    /// Where it lies.
    pub place: Place,
    /// Which log; [`NO_PARTITION`] for markers.
    pub partition: u32,
    /// Position in the partition.
    pub lsn: u64,
    /// Leader epoch of the writer.
    pub leader_epoch: u64,
    /// Everything before this device position was durable when the record was written.
    pub durable_through: u64,
    /// Who appended.
    pub producer: u64,
    /// Sequence at the producer.
    pub producer_seq: u64,
    /// Admission time, Unix microseconds.
    pub time_us: u64,
    /// Key of the payload; 0 = clear.
    pub key_id: u64,
    /// Header checksum of the record before; 0 where a chain starts.
    pub chain: u32,
}

/// A header that was read, with its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// The header.
    pub frame: Frame,
    /// Checksum of the header: what the next record must carry as its chain.
    pub checksum: u32,
    /// Checksum the payload must have.
    pub payload_checksum: u32,
}

/// Why bytes are not a frame of this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// Not a frame at all.
    Magic,
    /// A whole frame of a newer format.
    Newer(u8),
    /// The header is damaged.
    Header,
    /// A frame of another place, another use or another device.
    Place,
    /// The length is impossible.
    Length,
    /// The payload is damaged.
    Payload,
}

/// Bytes that a record of this payload takes.
pub const fn frame_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(8)
}

fn payload_checksum(place: &Place, payload: &[u8]) -> u32 {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&place.device_id.to_le_bytes());
    seed[8..].copy_from_slice(&place.position.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&seed), payload)
}

impl Frame {
    /// Bytes of the record with its padding.
    pub const fn bytes(&self) -> usize {
        frame_bytes(self.payload_bytes as usize)
    }

    /// True if `flag` is set.
    pub const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Writes header, payload and padding to the start of `target`; returns the header checksum.
    pub fn encode(&self, payload: &[u8], target: &mut [u8]) -> u32 {
        let (header, rest) = target[..self.bytes()].split_at_mut(HEADER_BYTES);
        header[0..4].copy_from_slice(&MAGIC);
        header[4] = VERSION;
        header[5] = self.kind;
        header[6..8].copy_from_slice(&self.flags.to_le_bytes());
        put_u32(header, 8, self.payload_bytes);
        put_u32(header, 12, payload_checksum(&self.place, payload));
        put_u64(header, 16, self.place.device_id);
        put_u64(header, 24, self.place.position);
        put_u32(header, 32, self.place.use_number);
        put_u32(header, 36, self.partition);
        put_u64(header, 40, self.lsn);
        put_u64(header, 48, self.leader_epoch);
        put_u64(header, 56, self.durable_through);
        put_u64(header, 64, self.producer);
        put_u64(header, 72, self.producer_seq);
        put_u64(header, 80, self.time_us);
        put_u64(header, 88, self.key_id);
        put_u32(header, 96, self.chain);
        let checksum = crc32c::crc32c(&header[..100]);
        put_u32(header, 100, checksum);
        rest[..payload.len()].copy_from_slice(payload);
        rest[payload.len()..].fill(0);
        checksum
    }

    /// Reads the header at the start of `bytes`, which must lie at `place`.
    ///
    /// # Errors
    /// See [`BadFrame`].
    pub fn decode(bytes: &[u8], place: Place) -> Result<Decoded, BadFrame> {
        let Some(header) = bytes.get(..HEADER_BYTES) else { return Err(BadFrame::Magic) };
        if header[0..4] != MAGIC {
            return Err(BadFrame::Magic);
        }
        let checksum = take_u32(header, 100);
        if crc32c::crc32c(&header[..100]) != checksum {
            return Err(BadFrame::Header);
        }
        let frame = Self {
            kind: header[5],
            flags: u16::from_le_bytes([header[6], header[7]]),
            payload_bytes: take_u32(header, 8),
            place: Place {
                device_id: take_u64(header, 16),
                position: take_u64(header, 24),
                use_number: take_u32(header, 32),
            },
            partition: take_u32(header, 36),
            lsn: take_u64(header, 40),
            leader_epoch: take_u64(header, 48),
            durable_through: take_u64(header, 56),
            producer: take_u64(header, 64),
            producer_seq: take_u64(header, 72),
            time_us: take_u64(header, 80),
            key_id: take_u64(header, 88),
            chain: take_u32(header, 96),
        };
        if frame.place != place && !tenon_base::planted!("stale-frame-replayed") {
            return Err(BadFrame::Place);
        }
        if header[4] != VERSION {
            return Err(BadFrame::Newer(header[4]));
        }
        if frame.payload_bytes as usize > RECORD_BYTES_MAX {
            return Err(BadFrame::Length);
        }
        // A checksum that fits proves that somebody wrote it, not that it makes sense.
        let is_record = frame.partition != NO_PARTITION;
        if Lsn::checked(frame.lsn).is_none() || (is_record && frame.lsn == 0) {
            return Err(BadFrame::Header);
        }
        Ok(Decoded { frame, checksum, payload_checksum: take_u32(header, 12) })
    }
}

impl Decoded {
    /// The payload behind the header in `bytes`, if it is whole.
    ///
    /// # Errors
    /// [`BadFrame::Length`] if `bytes` ends before it, [`BadFrame::Payload`] if it is damaged.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], BadFrame> {
        let end = HEADER_BYTES + self.frame.payload_bytes as usize;
        let payload = bytes.get(HEADER_BYTES..end).ok_or(BadFrame::Length)?;
        if payload_checksum(&self.frame.place, payload) != self.payload_checksum {
            return Err(BadFrame::Payload);
        }
        Ok(payload)
    }
}

/// The use number that bytes which look like a frame name; only [`Frame::decode`] tells whether it is true.
pub fn named_use(bytes: &[u8]) -> Option<u32> {
    let is_frame = bytes.len() >= HEADER_BYTES && bytes[..4] == MAGIC;
    is_frame.then(|| take_u32(bytes, 32))
}

/// The first frame magic at an 8-byte step of `bytes` from `from` on.
pub fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.next_multiple_of(8);
    let tail = bytes.get(start..)?;
    tail.chunks_exact(8).position(|chunk| chunk[..4] == MAGIC).map(|at| start + at * 8)
}

pub(super) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn take_u32(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

pub(super) fn take_u64(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
