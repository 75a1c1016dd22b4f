//! The cases, by set.

mod apply;
mod history;
mod outbox;
mod rebase;

pub use apply::cases as apply;
pub use history::cases as history;
pub use outbox::cases as outbox;
pub use rebase::cases as rebase;

use crate::script::{Case, Script};

/// What a case claims, and how it is written down.
type Cases = Vec<(&'static str, fn(&mut Script))>;

/// Numbers the cases of a set.
fn number(prefix: &str, cases: Cases) -> Vec<Case> {
    let mut out = Vec::with_capacity(cases.len());
    for (n, (desc, write)) in cases.into_iter().enumerate() {
        let mut script = Script::new(&format!("{prefix}-{:03}", n + 1), desc);
        write(&mut script);
        out.push(script.done());
    }
    out
}
