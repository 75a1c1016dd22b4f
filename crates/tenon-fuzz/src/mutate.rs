//! Inputs out of inputs.

use tenon_base::{Random, SeededRandom};

/// Numbers at which decoders err: ends of widths, signs, and lengths that lie.
const EDGES: [u64; 16] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 62,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];
/// Most steps of one mutation; mostly it is far fewer.
const STEPS_MAX: u64 = 12;

/// Makes inputs; one seed gives one sequence.
#[derive(Debug)]
pub struct Mutator {
    random: SeededRandom,
    bytes_max: usize,
    dictionary: &'static [&'static [u8]],
}

impl Mutator {
    /// A source of inputs of at most `bytes_max` bytes.
    pub const fn new(seed: u64, bytes_max: usize, dictionary: &'static [&'static [u8]]) -> Self {
        Self { random: SeededRandom::new(seed), bytes_max, dictionary }
    }

    /// A number below `n`; 0 for 0.
    pub fn below(&self, n: usize) -> usize {
        let n = n as u64;
        usize::try_from(self.random.next_u64().checked_rem(n).unwrap_or(0)).unwrap_or(0)
    }

    /// A changed copy of one of `pool`; now and then it starts from nothing.
    pub fn next(&self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = match pool.get(self.below(pool.len())) {
            Some(base) if self.below(64) != 0 => base.clone(),
            _ => self.noise(64),
        };
        // Half of all inputs get one or two steps: nearly right is where decoders err.
        let steps = 1 + self.random.next_u64().trailing_ones() as u64 % STEPS_MAX;
        for _ in 0..steps {
            self.step(&mut input, pool);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn noise(&self, len_max: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.below(len_max + 1)];
        self.random.fill(&mut bytes);
        bytes
    }

    fn step(&self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(13) {
            0 | 1 => self.flip(input),
            2 => self.set(input),
            3 => self.add(input),
            4 => self.put_edge(input),
            5 => self.put_varint(input),
            6 => self.length_edit(input),
            7 => drop(input.drain(at..(at + 1 + self.below(16)).min(input.len()).max(at))),
            8 => input.truncate(at),
            9 => self.repeat(input),
            10 => self.splice(input, pool),
            11 => {
                let noise = self.noise(16);
                input.splice(at..at, noise);
            }
            _ => self.put_word(input),
        }
    }

    fn flip(&self, input: &mut [u8]) {
        let bit = 1 << self.below(8);
        if let Some(byte) = input.get_mut(self.below(input.len())) {
            *byte ^= bit;
        }
    }

    fn set(&self, input: &mut [u8]) {
        let value = self.random.next_u64() as u8;
        if let Some(byte) = input.get_mut(self.below(input.len())) {
            *byte = value;
        }
    }

    fn add(&self, input: &mut [u8]) {
        let delta = [1, 255, 2, 254, 8, 248, 16, 240][self.below(8)];
        if let Some(byte) = input.get_mut(self.below(input.len())) {
            *byte = byte.wrapping_add(delta);
        }
    }

    /// Overwrites a fixed-width number.
    fn put_edge(&self, input: &mut [u8]) {
        let edge = EDGES[self.below(EDGES.len())];
        let width = [1, 2, 4, 8][self.below(4)];
        let at = self.below(input.len());
        let is_big_endian = self.below(2) == 0;
        let bytes = if is_big_endian {
            (edge << (64 - 8 * width as u32)).to_be_bytes()
        } else {
            edge.to_le_bytes()
        };
        for (slot, byte) in input.iter_mut().skip(at).zip(bytes.iter().take(width)) {
            *slot = *byte;
        }
    }

    /// Replaces one byte by a varint.
    fn put_varint(&self, input: &mut Vec<u8>) {
        let mut edge = EDGES[self.below(EDGES.len())].wrapping_add(self.below(3) as u64);
        let at = self.below(input.len());
        let mut varint = Vec::new();
        while edge >= 0x80 {
            varint.push(edge as u8 | 0x80);
            edge >>= 7;
        }
        varint.push(edge as u8);
        input.splice(at..(at + 1).min(input.len()), varint);
    }

    /// Writes into a byte how many bytes follow it, or nearly.
    fn length_edit(&self, input: &mut [u8]) {
        let at = self.below(input.len());
        let left = input.len().saturating_sub(at + 1);
        let lie = [0, 1, usize::MAX, left / 2][self.below(4)];
        if let Some(byte) = input.get_mut(at) {
            *byte = left.wrapping_add(lie) as u8 & 0x7f;
        }
    }

    /// Repeats a short run many times: the way from a small lie to a large list.
    fn repeat(&self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        let run: Vec<u8> = input.iter().skip(at).take(1 + self.below(24)).copied().collect();
        let times = 1 << self.below(15);
        let room = self.bytes_max.saturating_sub(input.len());
        let many = run.iter().copied().cycle().take((run.len() * times).min(room));
        let many: Vec<u8> = if run.is_empty() { Vec::new() } else { many.collect() };
        input.splice(at..at, many);
    }

    /// The head of one and the tail of another, or a piece of the other put in.
    fn splice(&self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let Some(other) = pool.get(self.below(pool.len())) else { return };
        let (from, at) = (self.below(other.len() + 1), self.below(input.len() + 1));
        if self.below(2) == 0 {
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        } else {
            let to = (from + self.below(64)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
    }

    fn put_word(&self, input: &mut Vec<u8>) {
        let Some(word) = self.dictionary.get(self.below(self.dictionary.len())) else {
            return self.flip(input);
        };
        let at = self.below(input.len() + 1);
        let over = if self.below(2) == 0 { word.len() } else { 0 };
        input.splice(at..(at + over).min(input.len()), word.iter().copied());
    }
}

/// One seed gives one sequence, and bounds are kept.
#[test]
fn a_seed_gives_one_sequence() {
    let pool = vec![b"hello world".to_vec(), vec![0; 300]];
    let run = |seed| {
        let mutator = Mutator::new(seed, 500, &[b"\xff\xff"]);
        (0..500).map(|_| mutator.next(&pool)).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    assert!(run(7).iter().all(|input| input.len() <= 500));
    let distinct: std::collections::BTreeSet<_> = run(7).into_iter().collect();
    assert!(distinct.len() > 400, "{} distinct of 500", distinct.len());
}
