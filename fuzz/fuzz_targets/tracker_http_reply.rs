//! Reading the body of an announce and of a scrape: nothing panics, nothing contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/tracker/tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(|bytes: &[u8]| invariants::check_http_reply(bytes));
