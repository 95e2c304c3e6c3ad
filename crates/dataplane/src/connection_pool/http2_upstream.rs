//! An HTTP/2 connection to a host, as those who send requests over it share it.
//!
//! Owns: how many streams it has room for, when it takes no more, and the part of it that one request has (`Http2Lease`).
//! Does not own: its socket and its end (`http2_driver`), the wire format (`ferryman_codec::http2`).
//! Follows: RFC 9113 section 5.1.2; Envoy's page "Connection pooling", section HTTP/2.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use super::PriorityPool;
use super::pool_key::PoolKey;
use super::request_permit::{Overflow, RequestPermit};
use super::waiting;
use crate::application_log::{OfConnection, log_at};
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::error::ErrorKind;
use crate::http_codec::http2_client_stream::ConnectionLost;
use crate::http_codec::{Http2Options, Http2Session, Http2Stream};
use crate::stats::ClusterStat;
use crate::stream_info::{Address, FilterState};
use crate::transport_sockets::tls::TlsConnection;

/// How many streams that are over a connection keeps the memory of.
const STREAMS_KEPT: usize = 64;

/// One connection.
pub struct Http2Upstream {
    pub(super) session: Rc<Http2Session>,
    pub(super) cluster: Rc<WorkerCluster>,
    pub(super) host: Rc<WorkerHost>,
    pub(super) key: PoolKey,
    pub(super) id: u64,
    pub(super) started: Instant,
    pub(super) connected_at: Instant,
    pub(super) local_address: Option<Address>,
    pub(super) tls: Option<Rc<TlsConnection>>,
    pub(super) filter_state: RefCell<Option<Rc<FilterState>>>,
    /// Since when nobody uses it.
    pub(super) idle_since: Cell<Instant>,
    /// How many use it now.
    leased: Cell<u32>,
    /// How many were let use it.
    granted: Cell<u64>,
    requests: Cell<u64>,
    /// Whether it takes no more streams: it ends with the last one.
    closes: Cell<bool>,
    most_streams: u32,
    most_requests: u64,
    /// Streams that are over, for their memory.
    #[allow(clippy::vec_box, reason = "a stream moves between the list and a lease at every request")]
    spare: RefCell<Vec<Box<Http2Stream>>>,
}

impl std::fmt::Debug for Http2Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2Upstream")
            .field("id", &self.id)
            .field("leased", &self.leased)
            .finish_non_exhaustive()
    }
}

/// What of a connection does not change.
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) started: Instant,
    pub(super) local_address: Option<Address>,
    pub(super) tls: Option<Rc<TlsConnection>>,
}

impl Http2Upstream {
    pub(super) fn new(
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        key: PoolKey,
        facts: Facts,
        now: Instant,
    ) -> Rc<Self> {
        let none = Http2Options::default();
        let options = cluster.cluster.http2.as_ref().map_or(&none, |http2| &http2.options);
        Rc::new(Http2Upstream {
            session: Rc::new(Http2Session::client(options)),
            cluster: Rc::clone(cluster),
            host: Rc::clone(host),
            key,
            id: facts.id,
            started: facts.started,
            connected_at: now,
            local_address: facts.local_address,
            tls: facts.tls,
            filter_state: RefCell::default(),
            idle_since: Cell::new(now),
            leased: Cell::new(0),
            granted: Cell::new(0),
            requests: Cell::new(0),
            closes: Cell::new(false),
            most_streams: options.settings.max_concurrent_streams,
            most_requests: cluster.cluster.connections.max_requests.unwrap_or(u64::MAX),
            spare: RefCell::default(),
        })
    }

    fn pool(&self) -> &PriorityPool {
        self.host.pool.of(self.key)
    }

    /// How many requests it was used for.
    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// How many use it now.
    pub(super) fn leased(&self) -> u32 {
        self.leased.get()
    }

    /// Whether it takes no more streams.
    pub(super) fn closes(&self) -> bool {
        self.closes.get()
    }

    /// A stream of it; none: there is no room.
    pub(super) fn lease(self: &Rc<Self>) -> Option<Http2Lease> {
        let most = self.most_streams.min(self.session.peer_max_streams());
        if self.closes.get() || self.leased.get() >= most || self.granted.get() >= self.most_requests {
            return None;
        }
        self.leased.set(self.leased.get() + 1);
        self.granted.set(self.granted.get() + 1);
        let stream = self.spare.borrow_mut().pop();
        let stream = stream.unwrap_or_else(|| Box::new(Http2Stream::client(&self.session)));
        Some(Http2Lease { connection: Rc::clone(self), stream: Some(stream), is_begun: false })
    }

    /// It takes no more streams, and ends with the last of those that it has.
    pub(super) fn close_when_done(self: &Rc<Self>) {
        if self.closes.replace(true) {
            return;
        }
        self.pool().http2.borrow_mut().retain(|other| !Rc::ptr_eq(other, self));
        if self.leased.get() == 0 {
            self.session.wake_driver();
        }
    }

    /// Counts how a stream ended, if it did before its time.
    fn count_end(&self, stream: &Http2Stream) {
        let stats = &self.cluster.stats;
        match stream.cut_short() {
            Some(Ok(reset)) => match ErrorKind::of_upstream_reset(reset) {
                ErrorKind::UpstreamReset | ErrorKind::UpstreamRefusedHead(_) => {
                    stats.inc(ClusterStat::UpstreamRqRxReset);
                }
                ErrorKind::UpstreamHttp2(_) | ErrorKind::UpstreamAccusation => {
                    stats.inc(ClusterStat::UpstreamRqTxReset);
                }
                _ => {}
            },
            Some(Err(ConnectionLost)) => stats.inc(ClusterStat::UpstreamRqPendingFailureEject),
            None if stream.is_over() => {}
            None => stats.inc(ClusterStat::UpstreamRqTxReset),
        }
    }

    fn give_back(self: &Rc<Self>, stream: Option<Box<Http2Stream>>, is_begun: bool) {
        if let Some(mut stream) = stream {
            stream.renew();
            let mut spare = self.spare.borrow_mut();
            if spare.len() < STREAMS_KEPT && !self.closes.get() {
                spare.push(stream);
            }
        }
        if !is_begun {
            self.granted.set(self.granted.get().saturating_sub(1));
        }
        self.leased.set(self.leased.get().saturating_sub(1));
        if self.leased.get() == 0 {
            self.idle_since.set(Instant::now());
            if self.cluster.is_draining() {
                self.close_when_done();
            }
        }
        if !self.closes.get() {
            waiting::serve_streams(self);
        } else if self.leased.get() == 0 {
            self.session.wake_driver();
        }
    }
}

/// One stream of a connection, for one request. Dropping it ends the stream, if it is not over, and makes room for another.
#[derive(Debug)]
pub struct Http2Lease {
    connection: Rc<Http2Upstream>,
    /// There as long as the lease lasts.
    stream: Option<Box<Http2Stream>>,
    is_begun: bool,
}

impl Http2Lease {
    /// Whose stream it is.
    #[must_use]
    pub fn connection(&self) -> &Http2Upstream {
        &self.connection
    }

    /// The stream.
    pub fn stream(&mut self) -> &mut Http2Stream {
        let session = &self.connection.session;
        self.stream.get_or_insert_with(|| Box::new(Http2Stream::client(session)))
    }

    /// As that of `Upstream`.
    pub(super) fn request_permit(&mut self) -> Result<RequestPermit, Overflow> {
        let connection = &self.connection;
        let (cluster, priority) = (&connection.cluster, connection.key.priority);
        if !cluster.circuit_breakers.acquire(Resource::Requests, priority) {
            cluster.stats.inc(ClusterStat::UpstreamRqActiveOverflow);
            return Err(Overflow);
        }
        self.is_begun = true;
        connection.requests.set(connection.requests.get() + 1);
        if connection.requests.get() == connection.most_requests {
            log_at!(Pool, Debug, "{} maximum requests per connection", OfConnection(connection.id));
            cluster.stats.inc(ClusterStat::UpstreamCxMaxRequests);
            connection.close_when_done();
        }
        Ok(RequestPermit::begin(cluster, &connection.host, priority))
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            self.connection.count_end(stream);
        }
        self.connection.give_back(self.stream.take(), self.is_begun);
    }
}
