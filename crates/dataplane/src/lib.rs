//! Everything that moves bytes. No Python: `crates/native` is the only caller.
//!
//! The modules stand in the order in which a request meets them.

pub mod access_loggers;
pub mod admin;
pub mod application_log;
pub mod buffer;
pub mod circuit_breakers;
pub mod clock;
pub mod cluster;
pub mod connection_id;
pub mod connection_pool;
pub mod decimal;
pub mod filter_chain;
pub mod filters;
pub mod format;
pub mod header_mutation;
pub mod header_name;
pub mod http_codec;
mod ip_range;
pub mod load_balancing_policies;
pub mod local_address;
pub mod matcher;
pub mod model;
pub mod random;
pub mod relay;
pub mod repeated_headers;
pub mod route;
pub mod snapshot;
pub mod stats;
pub mod stream_info;
pub mod timer;
pub mod transport_sockets;
mod uuid;
