//! Datagrams of the DHT, and the machine taking them: nothing panics, nothing contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/dht/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check(bytes));
