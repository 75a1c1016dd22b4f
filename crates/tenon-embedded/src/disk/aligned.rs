//! A buffer that direct I/O takes.

use super::BLOCK_BYTES;

/// Zeroed bytes that start at a multiple of [`BLOCK_BYTES`] in memory.
///
/// The memory is a little larger than asked for and never grows, so the aligned start stays where it is.
#[derive(Debug)]
pub struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    size: usize,
}

impl AlignedBuffer {
    /// A buffer of `size` bytes, rounded up to whole blocks.
    pub fn new(size: usize) -> Self {
        let size = size.next_multiple_of(BLOCK_BYTES);
        let memory = vec![0; size + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        // The offset is less than one block for a pointer to bytes, so the size fits behind it.
        Self { memory, start: start.min(BLOCK_BYTES), size }
    }
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.size]
    }
    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.size]
    }
}

#[test]
fn buffers_are_aligned() {
    for size in [1, 4096, 10_000] {
        let buffer = AlignedBuffer::new(size);
        assert_eq!(buffer.bytes().as_ptr().addr() % BLOCK_BYTES, 0);
        assert_eq!(buffer.bytes().len() % BLOCK_BYTES, 0);
    }
}
