//! `cargo +nightly fuzz run http2_frames`, from the folder above. `cargo test` replays the corpus.

#![no_main]
#![allow(dead_code, reason = "the modules are shared with the tests")]

#[path = "../../tests/http2/invariants.rs"]
mod invariants;
#[path = "../../tests/http2/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| invariants::frames(data, &[7, 1000]));
