//! What a caller may do after an error.

/// Answer of every door's error to "may I repeat the call?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Certainly nothing happened: repeat with backoff.
    Safe,
    /// It may have happened: repeat only under the same idempotency key or position.
    Unknown,
    /// The same input gives the same answer.
    Never,
}
