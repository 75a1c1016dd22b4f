//! What a target is.

/// The function of a target: panics if a law of its own broke.
pub type Law = fn(&[u8]);

/// A decoder, or a machine that is fed by bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its corpus folder: lower case and underscores.
    pub name: &'static str,
    /// What it judges, in one sentence.
    pub about: &'static str,
    /// Runs one input.
    pub run: Law,
    /// Inputs made by our own encoders: what a mutation starts from besides the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Byte runs that mean something to the decoder, to be spliced in.
    pub dictionary: &'static [&'static [u8]],
    /// Longest input that is tried: the bound that stands before the decoder in the house.
    pub bytes_max: usize,
    /// Bytes that may be alive at once for each byte of input, beside the slack.
    pub memory_factor: usize,
    /// Bytes that may be alive whatever the input: tables of a compressor, buffers of a reader.
    pub memory_slack: usize,
}

/// What holds unless a target says otherwise: four bytes alive for each byte of input.
pub(crate) const MEMORY_FACTOR: usize = 4;
/// And this.
pub(crate) const MEMORY_SLACK: usize = 1024 * 1024;
