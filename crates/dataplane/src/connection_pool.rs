//! The connections of one worker to one host, and who waits for them.
//!
//! Owns idle connections (most recently used first), the queue of those who wait, when another connection is made, and
//! all counters of Envoy on these paths. Does not choose hosts (`cluster`), speak HTTP (`http_codec`) or decide what a
//! failure means for a request (the router). Follows Envoy's pages "Connection pooling", "Circuit breaking", "Cluster
//! stats".
//!
//! The way of a request: `take_idle`; else `obtain` and wait; then `UpstreamConnection::request_permit`; when the
//! response is complete, `check_in`. A connection that must not serve again is dropped instead, which closes it.
//! Each priority has connections of its own, as in Envoy.

mod connecting;
mod connection_lifetime;
mod http2_driver;
mod http2_upstream;
mod pool_key;
mod request_permit;
mod tcp_upstream;
mod upstream;
mod upstream_connection;
mod waiting;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use connecting::can_create_connection;
pub use http2_upstream::{Http2Lease, Http2Upstream};
pub use pool_key::{PoolKey, PoolProtocol};
pub use request_permit::{Overflow, RequestPermit};
pub use tcp_upstream::{TcpUpstream, connect_tcp};
pub use upstream::Upstream;
pub use upstream_connection::UpstreamConnection;
pub use waiting::{Obtain, obtain};

use crate::application_log::{OfConnection, log_at};
use crate::circuit_breakers::Resource;
use crate::cluster::{ConnectionSettings, WorkerCluster, WorkerHost};
use crate::model::route::RoutingPriority;
use crate::stats::ClusterStat;
use waiting::Waiter;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolError {
    /// Too many wait already, or (TCP) there are too many connections. Counted.
    Overflow,
    /// Too many hosts have connections already (`max_connection_pools`, `upstream_cx_pool_overflow`, counted). For the
    /// request it is as if there were no host.
    PoolOverflow,
    /// The host refused, or cannot be reached.
    Connect {
        /// Envoy's text, for example `delayed connect error: Connection refused`.
        reason: String,
    },
    /// Connecting took longer than `connect_timeout`.
    ConnectTimeout,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Overflow => f.write_str("overflow"),
            PoolError::PoolOverflow => f.write_str("too many connection pools"),
            PoolError::Connect { reason } => f.write_str(reason),
            PoolError::ConnectTimeout => f.write_str("connection timeout"),
        }
    }
}

impl std::error::Error for PoolError {}

/// The connections of one priority.
#[derive(Debug, Default)]
struct PriorityPool {
    /// The last was used last.
    #[allow(clippy::vec_box, reason = "a connection moves between streams and the pool at every request")]
    idle: RefCell<Vec<Box<UpstreamConnection>>>,
    /// Connections of many streams that take more of them.
    http2: RefCell<Vec<Rc<Http2Upstream>>>,
    /// The first has waited longest.
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
    /// Connections that are being made.
    connecting: Cell<usize>,
    /// All connections: being made, idle, and in use.
    open: Cell<usize>,
    /// Whether it has taken its place among the connection pools.
    counted: Cell<bool>,
}

impl PriorityPool {
    /// Takes its place among the connection pools, if it has none.
    fn begin(&self, cluster: &WorkerCluster, priority: RoutingPriority) -> Result<(), PoolError> {
        if self.counted.get() {
            return Ok(());
        }
        if !cluster.circuit_breakers.acquire(Resource::ConnectionPools, priority) {
            cluster.stats.inc(ClusterStat::UpstreamCxPoolOverflow);
            return Err(PoolError::PoolOverflow);
        }
        self.counted.set(true);
        Ok(())
    }

    /// The first connection with room for one more stream.
    #[inline(never)]
    fn lease(&self) -> Option<Http2Lease> {
        self.http2.borrow().iter().find_map(Http2Upstream::lease)
    }

    /// Ends connections that nobody has used for too long, and those that are too old once nobody does.
    fn sweep_http2(&self, settings: &ConnectionSettings, now: Instant) {
        if self.http2.borrow().is_empty() {
            return;
        }
        let past = |since: Instant, most: Option<Duration>| {
            most.is_some_and(|most| now.saturating_duration_since(since) >= most)
        };
        // Not while the list is borrowed: closing looks at it.
        let connections = self.http2.borrow().clone();
        for connection in &connections {
            let stats = &connection.cluster.stats;
            if past(connection.connected_at, settings.max_duration) {
                stats.inc(ClusterStat::UpstreamCxMaxDurationReached);
            } else if connection.leased() == 0 && past(connection.idle_since.get(), settings.idle_timeout) {
                stats.inc(ClusterStat::UpstreamCxIdleTimeout);
            } else {
                continue;
            }
            connection.close_when_done();
        }
    }

    /// Gives its place back when there is no connection and nobody waits.
    fn end_if_unused(&self, cluster: &WorkerCluster, priority: RoutingPriority) {
        if self.open.get() == 0 && self.waiting.borrow().is_empty() && self.counted.replace(false) {
            cluster.circuit_breakers.release(Resource::ConnectionPools, priority);
        }
    }
}

/// The connections of one worker to one host.
#[derive(Debug, Default)]
pub struct HostPool {
    default: PriorityPool,
    high: PriorityPool,
    default_http2: PriorityPool,
    high_http2: PriorityPool,
}

impl HostPool {
    #[inline]
    fn of(&self, key: PoolKey) -> &PriorityPool {
        match (key.protocol, key.priority) {
            (PoolProtocol::Http1, RoutingPriority::Default) => &self.default,
            (PoolProtocol::Http1, RoutingPriority::High) => &self.high,
            // A cluster has but one of these.
            (PoolProtocol::Http2 | PoolProtocol::Auto, RoutingPriority::Default) => &self.default_http2,
            (PoolProtocol::Http2 | PoolProtocol::Auto, RoutingPriority::High) => &self.high_http2,
        }
    }

    fn all(&self) -> [&PriorityPool; 4] {
        [&self.default, &self.high, &self.default_http2, &self.high_http2]
    }

    /// How many connections are idle.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        self.all().iter().map(|pool| pool.idle.borrow().len()).sum()
    }

    /// How many wait for a connection.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.all().iter().map(|pool| pool.waiting.borrow().len()).sum()
    }

    /// Closes idle connections that have been so for too long, are too old, or that the peer has closed.
    pub(crate) fn sweep(&self, cluster: &WorkerCluster, now: Instant) {
        let settings = &cluster.cluster.connections;
        for pool in self.all() {
            pool.sweep_http2(settings, now);
            if pool.idle.borrow_mut().iter_mut().all(|connection| connection.unfit(settings, now).is_none()) {
                continue;
            }
            // Not dropped while the list is borrowed: closing looks at the pool.
            let (mut kept, mut unfit) = (Vec::new(), Vec::new());
            for mut connection in pool.idle.take() {
                match connection.unfit(settings, now) {
                    None => kept.push(connection),
                    Some(reason) => unfit.push((connection, reason)),
                }
            }
            *pool.idle.borrow_mut() = kept;
            for (mut connection, reason) in unfit {
                connection.end_idle(Some(&reason));
            }
        }
    }

    /// Closes all idle connections.
    pub(crate) fn close_idle(&self) {
        // Not dropped while the list is borrowed: closing looks at the pool.
        for pool in self.all() {
            drop(pool.idle.take());
            let connections = pool.http2.borrow().clone();
            connections
                .iter()
                .filter(|connection| connection.leased() == 0)
                .for_each(Http2Upstream::close_when_done);
        }
    }
}

/// A stream of an HTTP/2 connection, where there is one with room; else an idle connection of this worker, the one that was
/// used last; `None`: there is none, so `obtain` one. One that the
/// peer has closed, or on which something came that nobody asked for, is closed and passed over: what
/// the worker's event loop has been told of, which is what Envoy knows; to ask the kernel would be a fifth system call of
/// every small request. Nor is one that is past its time before the next sweep.
#[inline]
#[must_use]
pub fn take_idle(host: &WorkerHost, key: impl Into<PoolKey>, now: Instant) -> Option<Upstream> {
    let key = key.into();
    let pool = host.pool.of(key);
    if key.protocol != PoolProtocol::Http1 {
        if let Some(lease) = pool.lease() {
            return Some(Upstream::Http2(lease));
        }
    }
    loop {
        let connection = pool.idle.borrow_mut().pop();
        let mut connection = connection?;
        if let Some(reason) = connection.outlived(&connection.cluster().cluster.connections, now) {
            connection.end_idle(Some(&reason));
        } else if connection.is_silent(false) {
            log_at!(
                Pool,
                Debug,
                "{} using existing fully connected connection",
                OfConnection(connection.id())
            );
            return Some(Upstream::Http1(connection));
        }
    }
}

/// Gives a connection back after its response, or unused: to the one who waits longest, else it is idle. It is closed
/// when it must not serve again: as marked, at the limit of requests or age, when something is unread on it, or when
/// the cluster went away.
pub fn check_in(upstream: Upstream, now: Instant) {
    let Upstream::Http1(mut connection) = upstream else { return };
    connection.response_complete();
    let cluster = connection.cluster();
    if connection.is_too_old(&cluster.cluster.connections, now) {
        cluster.stats.inc(ClusterStat::UpstreamCxMaxDurationReached);
        return;
    }
    if cluster.is_draining() || !connection.may_serve_again() {
        return;
    }
    log_at!(Pool, Trace, "{} response complete, ready for the next stream", OfConnection(connection.id()));
    connection.idle_since = now;
    waiting::serve(connection);
}

#[cfg(test)]
mod tests;
