//! Everything that moves bytes. No Python: `crates/native` is the only caller.
//!
//! The modules stand in the order in which a request meets them.

pub mod access_loggers;
pub mod admin;
pub mod application_log;
pub mod buffer;
pub mod clock;
pub mod decimal;
pub mod filter_chain;
pub mod filters;
pub mod format;
pub mod header_mutation;
pub mod header_name;
pub mod http_codec;
mod ip_range;
pub mod local_address;
pub mod matcher;
pub mod model;
pub mod relay;
pub mod repeated_headers;
pub mod route;
pub mod stats;
pub mod stream_info;
pub mod timer;
pub mod transport_sockets;
mod uuid;
