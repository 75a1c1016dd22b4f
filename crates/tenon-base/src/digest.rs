//! The digest functions of the protocol (section 13.3): checks against faults, not against an attacker.

/// Key of the first sum.
pub const K1: u64 = 0x9E37_79B9_7F4A_7C15;
/// Key of the second sum.
pub const K2: u64 = 0xD1B5_4A32_D192_ED03;

/// A bijective mix of 64 bits.
pub const fn mix64(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// H(k, a, b), the term that digests sum.
pub const fn term(key: u64, a: u64, b: u64) -> u64 {
    mix64(mix64(a ^ key).wrapping_add(b))
}

/// The term of one conversation in a list digest.
pub const fn list_term(conv: u64, rev: u64, conv_epoch: u32) -> u64 {
    term(K1, conv, rev ^ ((conv_epoch as u64) << 48))
}

/// Digest of a range of messages: count and two sums over (seq, ver).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RangeSum {
    /// Messages in the range.
    pub count: u32,
    /// Sum of H(K1, seq, ver).
    pub sum_a: u64,
    /// Sum of H(K2, seq, ver).
    pub sum_b: u64,
}

impl RangeSum {
    /// Adds one message.
    pub const fn add(&mut self, seq: u64, ver: u64) {
        self.count += 1;
        self.sum_a = self.sum_a.wrapping_add(term(K1, seq, ver));
        self.sum_b = self.sum_b.wrapping_add(term(K2, seq, ver));
    }
}

/// The check values that the protocol page prints.
#[test]
fn check_values_hold() {
    assert_eq!(mix64(1), 0x5692_161D_100B_05E5);
    assert_eq!(term(K1, 1, 1), 0x1943_8AE6_B813_B33D);
}
