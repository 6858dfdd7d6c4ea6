//! Reading a magnet link and writing it again: nothing panics, the round trip keeps everything.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/metainfo/tests/invariants/mod.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check_magnet(bytes));
