//! HTTP messages over a transport socket.
//!
//! Owns: what a reader of messages can answer besides messages: why there are no more, and what happened on a
//! connection that should have been silent. The readers and writers are in the modules below.
//! Does not own: the wire format (`ferryman_codec`), what a message means, nor when to close.
//! Follows: RFC 9112; Envoy's `Http::Connection`.

use std::fmt;
use std::io;

pub mod http1_reader;
pub mod http1_writer;

pub use http1_reader::Http1Reader;
pub use http1_writer::Http1Writer;

/// Why a message cannot be read. The connection cannot be read on.
#[derive(Debug)]
pub enum ReadError {
    /// The peer broke a rule of the protocol.
    Codec(ferryman_codec::Error),
    /// The socket failed.
    Io(io::Error),
    /// The peer has ended its side.
    Ended {
        /// Whether it did so between two messages; else inside one.
        clean: bool,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Codec(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
            ReadError::Ended { clean: true } => f.write_str("the connection closed"),
            ReadError::Ended { clean: false } => f.write_str("the connection closed inside a message"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<ferryman_codec::Error> for ReadError {
    fn from(error: ferryman_codec::Error) -> Self {
        ReadError::Codec(error)
    }
}

/// What happened on a connection from which nothing should come now.
#[derive(Debug)]
pub enum Disturbance {
    /// The peer has ended its side.
    Ended,
    /// Bytes have come; they are kept for the next message.
    Data,
    /// The socket failed.
    Failed(io::Error),
}
