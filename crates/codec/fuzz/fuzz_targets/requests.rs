//! `cargo +nightly fuzz run requests`, from the folder above. `cargo test` replays the corpus.

#![no_main]
#![allow(dead_code, reason = "the modules are shared with the tests")]

#[path = "../../tests/http1/invariants.rs"]
mod invariants;
#[path = "../../tests/http1/reading.rs"]
mod reading;

libfuzzer_sys::fuzz_target!(|data: &[u8]| invariants::requests(data));
