//! Everything that moves bytes. No Python: `crates/native` is the only caller.
//!
//! The modules stand in the order in which a request meets them; `docs/life_of_a_request.md` tells what each is.

// What there is to serve, and who serves it.
pub mod model;
pub mod proxy;
pub mod control;
pub mod snapshot;
pub mod runtime;
pub mod worker;
pub mod dispatcher;
pub mod watchdog;

// A connection comes in.
pub mod listener;
pub mod proxy_protocol;
pub mod filter_chain;
pub mod transport_sockets;
pub mod filters;
pub mod relay;

// A request is read, judged and routed.
pub mod http_codec;
pub mod http_stream;
pub mod route;

// It goes to an endpoint.
pub mod cluster;
pub mod load_balancing_policies;
pub mod circuit_breakers;
pub mod connection_pool;
pub mod client;

// It ends, in one way or another.
pub mod local_reply;
pub mod error;
pub mod stream_info;
pub mod format;
pub mod access_loggers;
pub mod stats;
pub mod stat_sinks;
pub mod explain;
pub mod drain;

// Seen from outside.
pub mod admin;
pub mod state;
pub mod application_log;

// What all of them use.
pub mod buffer;
pub mod datagrams;
pub mod timer;
pub mod clock;
mod file_watch;
pub mod random;
mod uuid;
pub mod connection_id;
pub mod local_address;
mod ip_range;
pub mod matcher;
pub mod header_name;
pub mod header_mutation;
pub mod repeated_headers;
pub mod decimal;
pub mod grpc;
mod base64;
pub mod token_bucket;
pub mod rate_limit;
pub mod compression;
