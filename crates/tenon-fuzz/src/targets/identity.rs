//! What proves who somebody is.

use tenon_receiver::fuzz;

/// The first byte chooses: sealed as on the wire, or what is inside.
pub(super) fn tickets(input: &[u8]) {
    match input.split_first() {
        Some((0, rest)) => fuzz::sealed(rest),
        Some((_, rest)) => fuzz::plain(rest),
        None => {}
    }
}

pub(super) fn credentials(input: &[u8]) {
    fuzz::credential_text(input);
}
