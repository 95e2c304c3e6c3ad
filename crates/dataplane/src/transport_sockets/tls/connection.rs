//! What is known of a TLS connection: shared by its socket and those who print it.
//!
//! Owns: the facts of a handshake, and why it failed. Does not own: how they are printed (`format`).

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::Instant;

use super::peer::Peer;
use super::x509::Certificate;
use crate::stream_info::ConnectionInfo;

/// A TLS connection.
#[derive(Debug, Default)]
pub struct TlsConnection {
    /// What the handshake has brought; none: it is not over.
    pub handshake: OnceCell<Box<Handshake>>,
    /// Why the connection failed, in Envoy's words; none: it did not.
    pub failure: OnceCell<String>,
    /// Whether the handshake took too long.
    pub timed_out: Cell<bool>,
}

impl TlsConnection {
    /// Whether HTTP/2 was agreed on.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.handshake.get().is_some_and(|handshake| handshake.application_protocol == b"h2")
    }
}

/// What a handshake has brought.
#[derive(Debug)]
pub struct Handshake {
    /// `TLSv1.3`
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: &'static str,
    /// The curve.
    pub group: &'static str,
    /// Empty: none was agreed on.
    pub application_protocol: Vec<u8>,
    /// The name that the client asked for; empty: none.
    pub server_name: String,
    /// The session's, as hexadecimal digits; empty: it has none, or nobody asks for it.
    pub session_id: String,
    /// When it was over.
    pub at: Instant,
    /// Whether it went on with a former session.
    pub resumed: bool,
    /// The peer's certificate; none: it has shown none.
    pub peer: Option<Peer>,
    /// Our certificate.
    pub local: Option<Arc<Certificate>>,
}

impl TlsConnection {
    /// The peer's certificate; none: it has shown none.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.handshake.get()?.peer.as_ref()
    }
}

impl ConnectionInfo {
    /// Why the transport socket gave up; empty: it did not.
    #[must_use]
    pub fn transport_failure(&self) -> &str {
        match self.tls.as_ref().and_then(|tls| tls.failure.get()) {
            Some(failure) => failure,
            None => &self.transport_failure_reason,
        }
    }
}
