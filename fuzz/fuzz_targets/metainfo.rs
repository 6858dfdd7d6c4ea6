//! Reading a `.torrent` or an info dictionary, and writing it again: nothing panics, nothing contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/metainfo/tests/invariants/mod.rs"]
#[allow(dead_code, reason = "each target uses one of the checks")]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check_torrent(bytes));
