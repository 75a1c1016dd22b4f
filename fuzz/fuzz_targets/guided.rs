//! Every target of `tenon-fuzz` under libFuzzer: `TENON_FUZZ_TARGET=frames cargo +nightly fuzz run guided corpus/frames`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tenon_fuzz::Target;

fn target() -> &'static Target {
    static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("TENON_FUZZ_TARGET").unwrap_or_default();
        tenon_fuzz::find(&name).expect("TENON_FUZZ_TARGET names a target; `tenon-fuzz list` tells them")
    })
}

fuzz_target!(|input: &[u8]| {
    // Time is libFuzzer's own limit (-timeout=1), memory its -malloc_limit_mb; the laws are in the target.
    if input.len() <= target().bytes_max {
        (target().run)(input);
    }
});
