//! The admin listener over loopback, with a proxy that is made up.
//!
//! `golden` compares every page with what the real Envoy answered (`tests/admin/`); `pages` and `connections` look at
//! what is ours to decide.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a test may stop at the first surprise

mod client;
mod connections;
mod fake_proxy;
mod golden;
mod pages;
mod server;
