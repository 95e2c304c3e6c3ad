//! An HTTP/1.1 connection to a host.
//!
//! Owns its codec and whether it may serve again. Dropping it closes it. Does not own the
//! exchange of a request for a response (the router).

use std::rc::Rc;
use std::time::Instant;

use super::connection_lifetime::ConnectionLifetime;
use super::pool_key::PoolKey;
use super::request_permit::{Overflow, RequestPermit};
use crate::application_log::{OfConnection, log_at};
use crate::circuit_breakers::Resource;
use crate::cluster::{ConnectionSettings, WorkerCluster, WorkerHost};
use crate::http_codec::Http1Codec;
use crate::stats::ClusterStat;
use crate::stream_info::{Address, FilterState, Protocol};
use crate::transport_sockets::{Peeked, TransportSocket};

/// Why an idle connection must not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The peer has closed it.
    Closed,
    /// Something came that nobody asked for.
    Unasked,
    /// It has been idle for too long.
    Idle,
    /// It has lived for too long.
    Old,
}

/// A connection to a host, in use by one request or idle. Dropping it closes it and counts that.
pub struct UpstreamConnection {
    /// Writes requests and reads responses.
    pub codec: Http1Codec,
    /// Our end; `None`: the system does not say.
    pub local_address: Option<Address>,
    /// What filters left for it when its first request came; none: nothing.
    pub filter_state: Option<Rc<FilterState>>,
    /// Since when it is idle.
    pub(super) idle_since: Instant,
    connected_at: Instant,
    may_serve_again: bool,
    pub(super) lifetime: ConnectionLifetime,
}

impl std::fmt::Debug for UpstreamConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamConnection").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl UpstreamConnection {
    pub(super) fn new(lifetime: ConnectionLifetime, socket: TransportSocket, now: Instant) -> Self {
        UpstreamConnection {
            local_address: socket.local_address().ok(),
            codec: Http1Codec::new(socket, lifetime.cluster.buffer_limit()),
            filter_state: None,
            idle_since: now,
            connected_at: now,
            may_serve_again: true,
            lifetime,
        }
    }

    /// Unique in the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.lifetime.id
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Rc<WorkerCluster> {
        &self.lifetime.cluster
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Rc<WorkerHost> {
        &self.lifetime.host
    }

    /// The pool it belongs to.
    #[must_use]
    pub fn key(&self) -> PoolKey {
        self.lifetime.key()
    }

    /// What is spoken on it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::Http11
    }

    /// When connecting began, and when it was done.
    #[must_use]
    pub fn connecting(&self) -> (Instant, Instant) {
        (self.lifetime.started, self.connected_at)
    }

    /// How many requests it was used for, the present one included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.lifetime.requests
    }

    /// Sends what goes before the first request, for this one alone: nobody else may use the connection then.
    ///
    /// # Errors
    /// That of the socket.
    pub async fn send_header(&mut self, header: &[u8]) -> std::io::Result<()> {
        self.may_serve_again = false;
        let length = u64::try_from(header.len()).unwrap_or(u64::MAX);
        self.lifetime.cluster.stats.add(ClusterStat::UpstreamCxTxBytesTotal, length);
        self.codec.socket.write_all(header).await
    }

    /// Begins a request on this connection, and counts it (`upstream_rq_total`, `rq_total`). The permit is held until
    /// the stream is over.
    ///
    /// # Errors
    /// There are too many requests (`upstream_rq_active_overflow`, counted); give the connection back with `check_in`.
    #[inline]
    pub fn request_permit(&mut self) -> Result<RequestPermit, Overflow> {
        let lifetime = &mut self.lifetime;
        let cluster = &lifetime.cluster;
        if !cluster.circuit_breakers.acquire(Resource::Requests, lifetime.priority) {
            cluster.stats.inc(ClusterStat::UpstreamRqActiveOverflow);
            return Err(Overflow);
        }
        lifetime.active = true;
        lifetime.requests += 1;
        if cluster.cluster.connections.max_requests == Some(lifetime.requests) {
            cluster.stats.inc(ClusterStat::UpstreamCxMaxRequests);
            self.may_serve_again = false;
        }
        Ok(RequestPermit::begin(cluster, &lifetime.host, lifetime.priority))
    }

    /// The response has been read to its end. `check_in` says so too; it matters for a connection that is then dropped.
    #[inline]
    pub fn response_complete(&mut self) {
        self.lifetime.active = false;
    }

    /// The peer has closed it: its end counts as remote.
    pub fn set_closed_by_remote(&mut self) {
        self.lifetime.closed_by_remote = true;
    }

    /// The response said that the connection ends (`upstream_cx_close_notify`, counted): it serves nobody else.
    pub fn close_notify(&mut self) {
        self.lifetime.cluster.stats.inc(ClusterStat::UpstreamCxCloseNotify);
        self.may_serve_again = false;
    }

    pub(super) fn may_serve_again(&mut self) -> bool {
        if self.codec.reader.is_closed() {
            self.set_closed_by_remote();
            return false;
        }
        // Whoever waits takes it at once.
        let ask_kernel = !self.nobody_waits();
        self.is_silent(ask_kernel) && self.may_serve_again && !self.codec.has_unread()
    }

    /// Whether nothing came since the last response, and the peer has not closed it: as far as the worker has been told, or
    /// as the kernel knows it now. Counts what it finds; the connection is to be dropped then.
    #[inline]
    pub(super) fn is_silent(&mut self, ask_kernel: bool) -> bool {
        match self.codec.socket.peek(ask_kernel) {
            Peeked::Nothing => true,
            Peeked::End => {
                self.set_closed_by_remote();
                false
            }
            Peeked::Bytes => {
                self.lifetime.cluster.stats.inc(ClusterStat::UpstreamCxProtocolError);
                false
            }
        }
    }

    #[inline]
    pub(super) fn is_too_old(&self, settings: &ConnectionSettings, now: Instant) -> bool {
        settings.max_duration.is_some_and(|most| now.saturating_duration_since(self.connected_at) >= most)
    }

    pub(super) fn unfit(&mut self, settings: &ConnectionSettings, now: Instant) -> Option<Unfit> {
        match self.codec.socket.peek(false) {
            Peeked::End => Some(Unfit::Closed),
            Peeked::Bytes => Some(Unfit::Unasked),
            Peeked::Nothing => self.outlived(settings, now),
        }
    }

    /// Which limit in time an idle connection is past.
    #[inline]
    pub(super) fn outlived(&self, settings: &ConnectionSettings, now: Instant) -> Option<Unfit> {
        let idle = now.saturating_duration_since(self.idle_since);
        if settings.idle_timeout.is_some_and(|most| idle >= most) {
            return Some(Unfit::Idle);
        }
        self.is_too_old(settings, now).then_some(Unfit::Old)
    }

    /// Counts and notes why an idle connection ends.
    pub(super) fn end_idle(&mut self, reason: Option<&Unfit>) {
        log_at!(Pool, Debug, "{} idle connection ends: {reason:?}", OfConnection(self.id()));
        let stats = &self.lifetime.cluster.stats;
        match reason {
            Some(Unfit::Unasked) => stats.inc(ClusterStat::UpstreamCxProtocolError),
            Some(Unfit::Idle) => stats.inc(ClusterStat::UpstreamCxIdleTimeout),
            Some(Unfit::Old) => stats.inc(ClusterStat::UpstreamCxMaxDurationReached),
            Some(Unfit::Closed) | None => self.set_closed_by_remote(),
        }
    }

    pub(super) fn nobody_waits(&self) -> bool {
        self.lifetime.host.pool.of(self.key()).waiting.borrow().is_empty()
    }
}
