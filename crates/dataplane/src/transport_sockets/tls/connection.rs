//! What is known of a TLS connection: shared by its socket and those who print it.
//!
//! Owns: the facts of a handshake, and why it failed. Does not own: how they are printed (`format`).

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

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
    /// Whether it went on with a former session.
    pub resumed: bool,
    /// The peer's certificate; none: it has shown none.
    pub peer: Option<Peer>,
    /// Our certificate.
    pub local: Option<Arc<Certificate>>,
}

/// A peer's certificate.
#[derive(Debug)]
pub struct Peer {
    /// What it says.
    pub certificate: Certificate,
    /// It, and what came with it, in DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether somebody vouches for it whom we trust.
    pub validated: bool,
}

impl Peer {
    /// Of what the peer has shown.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'static>], validated: bool) -> Option<Peer> {
        let certificate = Certificate::read(chain.first()?)?;
        Some(Peer { certificate, chain: chain.to_vec(), validated })
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
