//! HTTP/2 on the wire.
//!
//! Owns: connections and streams of both roles: frames, header compression, flow control, limits. Does not own: sockets,
//! clocks, time-outs, nor what is done with a message (the data plane).
//! Follows: RFC 9113, RFC 7541, RFC 8441; Envoy's `Http2ProtocolOptions` for the limits.

pub mod connection;
pub mod counts;
pub mod error;
mod floods;
pub(crate) mod frame;
pub mod head;
pub(crate) mod hpack;
mod outbound;
pub mod settings;
mod stream;
mod write_head;
