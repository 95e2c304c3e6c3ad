//! Everything that moves bytes. No Python: `crates/native` is the only caller.
//!
//! The modules stand in the order in which a request meets them.

// What there is to serve, and who serves it.
pub mod control;
pub mod model;
pub mod proxy;
pub mod snapshot;
pub mod state;
pub mod worker;

// A connection comes in.
pub mod drain;
pub mod filter_chain;
pub mod filters;
pub mod listener;
pub mod transport_sockets;

// A request is read, judged and routed.
pub mod http_codec;
pub mod http_stream;
pub mod route;

// It goes to an endpoint.
pub mod circuit_breakers;
pub mod cluster;
pub mod connection_pool;
pub mod load_balancing_policies;
pub mod relay;

// It ends, in one way or another.
pub mod access_loggers;
pub mod error;
pub mod format;
pub mod local_reply;
pub mod stats;
pub mod stream_info;

// Seen from outside.
pub mod admin;
pub mod application_log;

// What all of them use.
pub mod buffer;
pub mod clock;
pub mod connection_id;
pub mod decimal;
pub mod header_mutation;
pub mod header_name;
mod ip_range;
pub mod local_address;
pub mod matcher;
pub mod random;
pub mod repeated_headers;
pub mod timer;
mod uuid;
