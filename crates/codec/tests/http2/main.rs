//! The HTTP/2 codec, tested through its public face.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "these are tests"
)]

mod both_roles;
mod corpora;
mod floods;
mod flow_control;
mod h2_peer;
mod heads;
mod invariants;
mod rules;
mod wire;
