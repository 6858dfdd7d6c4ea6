//! Reading a resume file: nothing panics, what is read is written alike.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/storage/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check(bytes));
