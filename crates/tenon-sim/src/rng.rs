//! Seeded randomness, one stream per concern: a new draw in one stream does not shift the others.

use tenon_base::digest::mix64;

/// A deterministic stream of numbers (SplitMix64). Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The stream `name` of a seed.
    pub fn new(seed: u64, name: &str) -> Self {
        let salt = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Self(mix64(seed ^ mix64(salt)))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(tenon_base::digest::K1);
        mix64(self.0)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.draw() % end }
    }

    /// A number of `from..=to`.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True with a probability of `per_million` in a million.
    pub fn chance(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(per_million)
    }

    /// One of the items.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// An index below `len`, small ones far more often: a few of the many do most (R047), the square of a uniform draw.
    pub fn skewed(&mut self, len: usize) -> usize {
        let draw = self.below(1_000_000);
        let scaled = draw * draw / 1_000_000 * len as u64 / 1_000_000;
        usize::try_from(scaled).unwrap_or(0).min(len.saturating_sub(1))
    }

    /// The index of one of the weights, as often as its weight says; 0 if all are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut at = u32::try_from(self.below(u64::from(total))).unwrap_or(0);
        for (index, weight) in weights.iter().enumerate() {
            if at < *weight {
                return index;
            }
            at -= weight;
        }
        0
    }

    /// A number of `from..=to` on a logarithmic scale: small ones are as likely as large ones.
    pub fn scale(&mut self, from: u64, to: u64) -> u64 {
        let (low, high) = (from.max(1).ilog2(), to.max(1).ilog2());
        let bits = self.range(u64::from(low), u64::from(high));
        let base = 1u64 << bits;
        (base + self.below(base)).clamp(from, to)
    }
}

/// The streams of one world.
#[derive(Debug, Clone)]
pub struct Rngs {
    /// Which of several ready things comes first.
    pub order: Rng,
    /// The network.
    pub net: Rng,
    /// What people do.
    pub work: Rng,
    /// What breaks.
    pub fault: Rng,
    /// How long things take.
    pub time: Rng,
}

impl Rngs {
    /// The streams of a seed.
    pub fn of(seed: u64) -> Self {
        Self {
            order: Rng::new(seed, "order"),
            net: Rng::new(seed, "net"),
            work: Rng::new(seed, "work"),
            fault: Rng::new(seed, "fault"),
            time: Rng::new(seed, "time"),
        }
    }
}
