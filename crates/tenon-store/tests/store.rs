//! The store against a map of all values: whatever is rotated, flushed, re-packed, failed or lost in between, a page is the page
//! of the map.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code"
)]

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
        house.check_verified();
        house.apply(Op::Crash { is_tail_lost: false });
        house.check_all();
    }

    /// The same records make the same state, wherever the flushes, re-packs and crashes fell between them.
    #[test]
    fn flush_and_replay_equal_replay(
        appends in prop::collection::vec((0usize..5, 1u64..20, 0usize..900), 1..30),
        between in prop::collection::vec(0u8..6, 30),
    ) {
        let (mut plain, mut moved) = (House::new(), House::new());
        for ((series, count, bytes), between) in appends.into_iter().zip(between) {
            plain.append(series, count, bytes);
            moved.append(series, count, bytes);
            match between {
                0 | 1 => moved.apply(Op::Flush { failing_after: None }),
                2 => moved.apply(Op::Flush { failing_after: Some(1) }),
                3 => moved.apply(Op::Repack { failing_after: None }),
                4 => moved.apply(Op::Crash { is_tail_lost: false }),
                _ => {}
            }
        }
        for house in [&mut plain, &mut moved] {
            house.apply(Op::Flush { failing_after: None });
            house.check_verified();
        }
        prop_assert_eq!(plain.hashes(), moved.hashes());
        moved.append(0, 1, 0);
        moved.apply(Op::Flush { failing_after: None });
        prop_assert_ne!(plain.hashes()[0], moved.hashes()[0]);
        prop_assert_eq!(plain.hashes()[1], moved.hashes()[1]);
    }
}
