//! Bounds of one archive.

/// How large an archive may be. An archive above a bound is refused with [`crate::ImportError::TooLarge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files in the ZIP, folders included. A workspace of 400 busy channels makes as many in seven years.
    pub files_max: usize,
    /// Unpacked bytes of one day of one channel, read into memory whole.
    pub day_bytes_max: u64,
    /// Unpacked bytes of one list (`users.json`, `channels.json` ...): 190 bytes a user make 1,400,000 users.
    pub list_bytes_max: u64,
    /// Entries of one day of one channel: five a second.
    pub day_entries_max: usize,
    /// Entries of one list.
    pub list_entries_max: usize,
    /// Bytes of entries held back because later files may hold older ones.
    pub held_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files_max: 1_000_000,
            day_bytes_max: 64 << 20,
            list_bytes_max: 256 << 20,
            day_entries_max: 400_000,
            list_entries_max: 1_000_000,
            held_bytes_max: 256 << 20,
        }
    }
}
