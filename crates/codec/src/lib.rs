//! HTTP codecs: bytes to events and back. No socket, no clock, no async, no Python.
//!
//! A codec is fed the bytes that a connection has received so far and answers with what they mean;
//! to send, it writes bytes into a buffer of the caller's. It never waits and never allocates in
//! the steady state: heads live in a `HeaderBlock` that the caller keeps and reuses.
//!
//! The codec is strict: a message that two readers could understand differently is an error, never
//! an event.

pub mod error;
pub mod framing;
pub mod header_block;
pub mod http1;
pub mod http2;
pub mod message;

pub use error::{Error, ErrorKind};
pub use framing::BodyFraming;
pub use header_block::{HeaderBlock, HeaderName, InvalidName, KnownName, NameCase};
pub use http1::body::{BodyDecoder, BodyStep};
pub use http1::encode::{
    CHUNK_END, encode_chunk_start, encode_last_chunk, encode_request_head, encode_request_head_in_full,
    encode_response_head,
};
pub use http1::request::{RequestDecoder, RequestHead};
pub use http1::response::{ResponseDecoder, ResponseHead};
pub use http1::{Http1Settings, UnderscoresAction};
pub use http2::connection::{Http2Connection, Http2Event, OpenError, Received, Role, SendError};
pub use http2::counts::Http2Counts;
pub use http2::error::{ErrorCode, Http2Error, Http2ErrorKind};
pub use http2::head::{Http2RequestHead, Http2ResponseHead};
pub use http2::settings::{FloodLimits, Http2Settings, PeerSettings};
pub use message::{RequestKind, Version};
