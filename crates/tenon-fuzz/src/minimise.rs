//! A failing input, smaller.

/// Tries after which a smaller input is no longer looked for.
const TRIES_MAX: usize = 4_000;

/// A smaller input for which `fails` still holds: pieces are cut out from large to small, then bytes become zero.
pub fn minimise(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = 0;
    let mut piece = best.len().next_power_of_two() / 2;
    while piece > 0 && tries < TRIES_MAX {
        let mut at = 0;
        let mut has_cut = false;
        while at < best.len() && tries < TRIES_MAX {
            let mut shorter = best.clone();
            shorter.drain(at..(at + piece).min(best.len()));
            tries += 1;
            if fails(&shorter) {
                best = shorter;
                has_cut = true;
            } else {
                at += piece;
            }
        }
        if !has_cut {
            piece /= 2;
        }
    }
    for at in 0..best.len() {
        if best[at] != 0 && tries < TRIES_MAX {
            let before = std::mem::take(&mut best[at]);
            tries += 1;
            if !fails(&best) {
                best[at] = before;
            }
        }
    }
    best
}

/// What is left is what the failure needs.
#[test]
fn only_what_matters_is_left() {
    let noisy: Vec<u8> = (0..2_000u32).map(|n| n as u8).chain(*b"needle").chain(1..200).collect();
    let fails = |input: &[u8]| input.windows(6).any(|w| w == b"needle");
    assert_eq!(minimise(&noisy, fails), b"needle");
    let long = |input: &[u8]| input.len() >= 10;
    assert_eq!(minimise(&noisy, long), [0; 10]);
}
