//! Everything that moves bytes. No Python: `crates/native` is the only caller.
//!
//! The modules stand in the order in which a request meets them.

pub mod model;
pub mod stream_info;
pub mod stats;
