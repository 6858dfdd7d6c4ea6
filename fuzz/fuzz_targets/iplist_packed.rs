//! Opening and searching packed lists, however damaged: nothing panics, nothing contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/iplist/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check_packed(bytes));
