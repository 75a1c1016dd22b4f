//! Header and footer of a segment, and the device file.
//!
//! ```text
//! segment: header 4 KiB | data, groups at 4 KiB boundaries | footer 16 KiB at the fixed end
//! ```

use tenon_base::Lsn;

use super::frame::{put_u32, put_u64, take_u32, take_u64};

/// Size of the header.
pub const HEADER_BYTES: usize = 4096;
/// Size of the footer.
pub const FOOTER_BYTES: usize = 16 * 1024;
/// Size of the device file.
pub const DEVICE_BYTES: usize = 64;
/// Partitions that a footer can describe, and so the bound of a device.
pub const PARTITIONS_MAX: usize = 512;
/// Format of header, footer and device file.
const VERSION: u32 = 1;
const MAGIC_HEADER: [u8; 8] = *b"TENONSEG";
const MAGIC_FOOTER: [u8; 8] = *b"TENONEND";
const MAGIC_DEVICE: [u8; 8] = *b"TENONDEV";
const ENTRIES_AT: usize = 64;
const ENTRY_BYTES: usize = 30;
const _: () = assert!(ENTRIES_AT + PARTITIONS_MAX * ENTRY_BYTES + 4 <= FOOTER_BYTES);

/// Why bytes are not a block of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBlock {
    /// Not such a block, or damaged.
    Damaged,
    /// A whole block of a newer format.
    Newer(u32),
}

/// What names a device: content of `data/log/device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Random, secret.
    pub id: u64,
    /// Size of every segment.
    pub segment_bytes: u64,
}

/// First block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of which device.
    pub device: Device,
    /// The how-manieth segment of the device this is; grows with every use.
    pub use_number: u32,
}

/// What a footer tells of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FooterEntry {
    /// Which log, below [`PARTITIONS_MAX`].
    pub partition: u16,
    /// Offset of its first record in the segment; 0 if it has none here.
    pub offset: u32,
    /// Its first Lsn in the segment; 0 if it has none here.
    pub first: u64,
    /// Its last Lsn in this segment or an earlier one.
    pub last: u64,
    /// The highest leader epoch seen.
    pub leader_epoch: u64,
}

/// Last 16 KiB of a segment: written when it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Of which device.
    pub device_id: u64,
    /// Of which use.
    pub use_number: u32,
    /// Offset behind the last group.
    pub end: u32,
    /// Header checksum of the last record.
    pub checksum: u32,
    /// Ascending by partition.
    pub entries: Vec<FooterEntry>,
}

impl Device {
    /// The bytes of the device file.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; DEVICE_BYTES];
        open_block(&mut block, MAGIC_DEVICE);
        put_u64(&mut block, 16, self.id);
        put_u64(&mut block, 24, self.segment_bytes);
        seal_block(&mut block);
        block
    }

    /// Reads a device file.
    ///
    /// # Errors
    /// See [`BadBlock`].
    pub fn decode(block: &[u8]) -> Result<Self, BadBlock> {
        check_block(block, DEVICE_BYTES, MAGIC_DEVICE)?;
        Ok(Self { id: take_u64(block, 16), segment_bytes: take_u64(block, 24) })
    }
}

impl Header {
    /// Fills a block of [`HEADER_BYTES`].
    pub fn encode(&self, block: &mut [u8]) {
        block.fill(0);
        open_block(block, MAGIC_HEADER);
        put_u64(block, 16, self.device.id);
        put_u64(block, 24, self.device.segment_bytes);
        put_u32(block, 32, self.use_number);
        seal_block(block);
    }

    /// Reads a header.
    ///
    /// # Errors
    /// See [`BadBlock`].
    pub fn decode(block: &[u8]) -> Result<Self, BadBlock> {
        check_block(block, HEADER_BYTES, MAGIC_HEADER)?;
        let device = Device { id: take_u64(block, 16), segment_bytes: take_u64(block, 24) };
        Ok(Self { device, use_number: take_u32(block, 32) })
    }
}

impl Footer {
    /// Fills a block of [`FOOTER_BYTES`].
    pub fn encode(&self, block: &mut [u8]) {
        block.fill(0);
        open_block(block, MAGIC_FOOTER);
        put_u64(block, 16, self.device_id);
        put_u32(block, 24, self.use_number);
        put_u32(block, 28, self.end);
        put_u32(block, 32, self.checksum);
        // At most `PARTITIONS_MAX` entries: the writer knows no others.
        let entries = &self.entries[..self.entries.len().min(PARTITIONS_MAX)];
        put_u32(block, 36, u32::try_from(entries.len()).unwrap_or(0));
        for (index, entry) in entries.iter().enumerate() {
            let at = ENTRIES_AT + index * ENTRY_BYTES;
            block[at..at + 2].copy_from_slice(&entry.partition.to_le_bytes());
            put_u32(block, at + 2, entry.offset);
            put_u64(block, at + 6, entry.first);
            put_u64(block, at + 14, entry.last);
            put_u64(block, at + 22, entry.leader_epoch);
        }
        seal_block(block);
    }

    /// Reads a footer.
    ///
    /// # Errors
    /// See [`BadBlock`].
    pub fn decode(block: &[u8]) -> Result<Self, BadBlock> {
        check_block(block, FOOTER_BYTES, MAGIC_FOOTER)?;
        let count = take_u32(block, 36) as usize;
        if count > PARTITIONS_MAX {
            return Err(BadBlock::Damaged);
        }
        let entry = |index: usize| {
            let at = ENTRIES_AT + index * ENTRY_BYTES;
            FooterEntry {
                partition: u16::from_le_bytes([block[at], block[at + 1]]),
                offset: take_u32(block, at + 2),
                first: take_u64(block, at + 6),
                last: take_u64(block, at + 14),
                leader_epoch: take_u64(block, at + 22),
            }
        };
        let entries: Vec<FooterEntry> = (0..count).map(entry).collect();
        if !entries.iter().all(FooterEntry::makes_sense) {
            return Err(BadBlock::Damaged);
        }
        Ok(Self {
            device_id: take_u64(block, 16),
            use_number: take_u32(block, 24),
            end: take_u32(block, 28),
            checksum: take_u32(block, 32),
            entries,
        })
    }
}

impl FooterEntry {
    /// A checksum that fits proves that somebody wrote it, not that it can be true.
    fn makes_sense(&self) -> bool {
        let is_here = self.offset != 0;
        is_here == (self.first != 0) && self.first <= self.last && Lsn::checked(self.last).is_some()
    }
}

fn open_block(block: &mut [u8], magic: [u8; 8]) {
    block[..8].copy_from_slice(&magic);
    put_u32(block, 8, VERSION);
}

/// The checksum closes the block and covers all of it, so that no flipped bit passes.
fn seal_block(block: &mut [u8]) {
    let at = block.len() - 4;
    let checksum = crc32c::crc32c(&block[..at]);
    put_u32(block, at, checksum);
}

fn check_block(block: &[u8], bytes: usize, magic: [u8; 8]) -> Result<(), BadBlock> {
    if block.len() != bytes || block[..8] != magic {
        return Err(BadBlock::Damaged);
    }
    if crc32c::crc32c(&block[..bytes - 4]) != take_u32(block, bytes - 4) {
        return Err(BadBlock::Damaged);
    }
    match take_u32(block, 8) {
        VERSION => Ok(()),
        newer => Err(BadBlock::Newer(newer)),
    }
}
