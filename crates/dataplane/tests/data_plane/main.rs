//! One worker's data plane over loopback: a client and an upstream of the test's own, the proxy between them; and a whole
//! one, from its making to its end.
//!
//! The models come from `tests/model/minimal.msgpack`, which Python lowered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

mod filters;
mod proxy;
mod rig;
mod streams;
