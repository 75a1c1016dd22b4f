//! Randomness, through [`Random`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::mix64;

/// Where rooms draw random bytes. Decisions never do: the receiver stamps what they need into the record.
pub trait Random: Send + Sync {
    /// Fills `bytes`. The server's source is the operating system's.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random id in 1..2^63, so that it is a positive signed number everywhere.
    fn next_id(&self) -> u64 {
        loop {
            let id = self.next_u64() >> 1;
            if id != 0 {
                return id;
            }
        }
    }
}

/// A deterministic source for tests and the simulator. Not for secrets.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// A source whose draws depend on `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(crate::digest::K1, Ordering::Relaxed);
            let word = mix64(state.wrapping_add(crate::digest::K1)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
