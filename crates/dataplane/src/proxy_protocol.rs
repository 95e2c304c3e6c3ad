//! The PROXY protocol: who a connection is really from, told in front of its bytes.
//!
//! Owns: the two forms of the header, read and written, and what is known of a connection by it. Does not own: when one
//! is awaited (`filters::listener::proxy_protocol`) or sent (`transport_sockets::upstream_proxy_protocol`).
//! Follows "The PROXY protocol, versions 1 & 2" of HAProxy, read as Envoy 1.40 reads it.

use std::net::SocketAddr;

pub mod read;
pub mod write;

pub use read::{Accepted, Header, Reading, read};
pub use write::HeaderWriter;

/// The bytes that version 2 begins with.
pub const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The bytes that version 1 begins with.
pub const V1_SIGNATURE: &[u8] = b"PROXY ";
/// Signature, version and command, family, length.
pub const V2_HEADER: usize = 16;
/// The longest line of version 1, with its end.
pub const V1_LONGEST: usize = 108;
/// The longest header of version 2.
pub const V2_LONGEST: usize = V2_HEADER + 65_535;

/// A version of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with TLVs.
    V2,
}

/// A field of a version 2 header: its type and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlv {
    /// What it is.
    pub kind: u8,
    /// The value, at most 65535 bytes.
    pub value: Box<[u8]>,
}

/// What a header has told of a connection, for those who tell it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The client, and where it believes to be connected to; `None`: the connection's own addresses are meant.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The TLVs that are to be passed on.
    pub tlvs: Vec<Tlv>,
}
