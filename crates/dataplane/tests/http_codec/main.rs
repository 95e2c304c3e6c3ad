//! HTTP/1.1 over real sockets: what is read, what is written, and with how many system calls.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so when it fails")]

mod connections;
mod long_bodies;
mod reading;
mod silence;
mod sockets;
mod writing;
