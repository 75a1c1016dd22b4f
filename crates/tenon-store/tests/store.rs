//! The store against a map of all values: whatever is rotated, flushed, re-packed, failed or lost in between, a page is the page
//! of the map.

#[path = "store/faults.rs"]
mod faults;
#[path = "store/harness.rs"]
mod harness;
#[path = "store/readers.rs"]
mod readers;

use harness::{House, Op, op};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 500, ..ProptestConfig::default() })]

    /// Pages in both directions, points, state and scans equal the model, with crashes and accepted losses in between.
    #[test]
    fn readers_see_the_model(ops in prop::collection::vec(op(), 1..70)) {
        let mut house = House::new();
        for op in ops {
            house.apply(op);
        }
        house.apply(Op::Flush { failing_after: None });
        house.check_all();
        house.apply(Op::Crash { is_tail_lost: false });
        house.check_all();
    }
}
