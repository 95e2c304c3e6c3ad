//! The HTTP/1.1 codec, tested through its public face.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod block_properties;
mod chunk_properties;
mod corpora;
mod invariants;
mod malformed_bodies;
mod malformed_requests;
mod malformed_responses;
mod message_properties;
mod reading;
mod settings;
mod smuggling;
mod well_formed;
mod writing;
