//! Datagrams of local service discovery, and the machine taking them: nothing panics, nothing contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/lsd/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check(bytes));
