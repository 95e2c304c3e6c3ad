//! What a request has of a connection to a host, whatever is spoken on it.
//!
//! Owns: the one list of kinds. Does not own: what they are (`upstream_connection`, `http2_upstream`).
//! Follows: Envoy's `Http::ConnectionPool::Instance`.

use std::rc::Rc;
use std::time::Instant;

use super::http2_upstream::Http2Lease;
use super::request_permit::{Overflow, RequestPermit};
use super::upstream_connection::UpstreamConnection;
use crate::http_codec::UpstreamCodec;
use crate::stream_info::{Address, FilterState, Protocol};
use crate::transport_sockets::tls::TlsConnection;

/// A connection, or a part of one, for one request.
#[derive(Debug)]
pub enum Upstream {
    /// HTTP/1.1: the connection itself.
    Http1(Box<UpstreamConnection>),
    /// HTTP/2: one stream of it.
    Http2(Http2Lease),
}

impl Upstream {
    /// Unique in the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Upstream::Http1(connection) => connection.id(),
            Upstream::Http2(lease) => lease.connection().id,
        }
    }

    /// Writes the request and reads the response.
    #[inline]
    pub fn codec(&mut self) -> UpstreamCodec<'_> {
        match self {
            Upstream::Http1(connection) => UpstreamCodec::Http1(&mut connection.codec),
            Upstream::Http2(lease) => UpstreamCodec::Http2(lease.stream()),
        }
    }

    /// Our end; `None`: the system does not say.
    #[must_use]
    pub fn local_address(&self) -> Option<Address> {
        match self {
            Upstream::Http1(connection) => connection.local_address.clone(),
            Upstream::Http2(lease) => lease.connection().local_address.clone(),
        }
    }

    /// TLS of the connection, if it has any.
    #[must_use]
    pub fn tls(&self) -> Option<Rc<TlsConnection>> {
        match self {
            Upstream::Http1(connection) => connection.codec.socket.tls(),
            Upstream::Http2(lease) => lease.connection().tls.clone(),
        }
    }

    /// What is spoken on it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Upstream::Http1(connection) => connection.protocol(),
            Upstream::Http2(_) => Protocol::Http2,
        }
    }

    /// When connecting began, and when it was done.
    #[must_use]
    pub fn connecting(&self) -> (Instant, Instant) {
        match self {
            Upstream::Http1(connection) => connection.connecting(),
            Upstream::Http2(lease) => (lease.connection().started, lease.connection().connected_at),
        }
    }

    /// How many requests the connection was used for, the present one included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        match self {
            Upstream::Http1(connection) => connection.requests(),
            Upstream::Http2(lease) => lease.connection().requests(),
        }
    }

    /// What filters left for the connection when its first request came; `make`: if this is the first.
    pub fn filter_state(
        &mut self,
        make: impl FnOnce() -> Option<Rc<FilterState>>,
    ) -> Option<Rc<FilterState>> {
        let is_first = self.requests() == 1;
        match self {
            Upstream::Http1(connection) => {
                if is_first {
                    connection.filter_state = make();
                }
                connection.filter_state.clone()
            }
            Upstream::Http2(lease) => {
                let mut state = lease.connection().filter_state.borrow_mut();
                if is_first {
                    *state = make();
                }
                state.clone()
            }
        }
    }

    /// Begins a request, and counts it (`upstream_rq_total`, `rq_total`). The permit is held until the stream is over.
    ///
    /// # Errors
    /// There are too many requests (`upstream_rq_active_overflow`, counted); give the connection back with `check_in`.
    #[inline]
    pub fn request_permit(&mut self) -> Result<RequestPermit, Overflow> {
        match self {
            Upstream::Http1(connection) => connection.request_permit(),
            Upstream::Http2(lease) => lease.request_permit(),
        }
    }

    /// Sends what goes before the first request, for this one alone: nobody else may use the connection then. On HTTP/2,
    /// where others may, nothing.
    ///
    /// # Errors
    /// That of the socket.
    pub async fn send_header(&mut self, header: &[u8]) -> std::io::Result<()> {
        match self {
            Upstream::Http1(connection) => connection.send_header(header).await,
            Upstream::Http2(_) => Ok(()),
        }
    }

    /// How many bytes have ever come on the connection; of HTTP/2 the connection counts them.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        match self {
            Upstream::Http1(connection) => connection.codec.reader.received_bytes(),
            Upstream::Http2(_) => 0,
        }
    }
}
