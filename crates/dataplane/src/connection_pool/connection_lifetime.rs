//! What is counted of every upstream connection, from the attempt to its end.
//!
//! Owns the counters and gauges of a connection (`upstream_cx_*`, `cx_*` of the host, the circuit breaker) and gives
//! back at its end what it took at its beginning. Does not own the socket.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::connecting;
use super::pool_key::{PoolKey, PoolProtocol};
use crate::application_log::{OfConnection, log_at};
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_id::next_connection_id;
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterHistogram, ClusterStat, EndpointStat};
use crate::stream_info::filter_state::FilterState;

/// What goes over the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Requests; others may wait for it in the pool.
    Requests(PoolProtocol),
    /// One TCP session.
    Tcp,
}

/// One connection, alive as long as this.
#[derive(Debug)]
pub struct ConnectionLifetime {
    pub cluster: Rc<WorkerCluster>,
    pub host: Rc<WorkerHost>,
    pub priority: RoutingPriority,
    pub id: u64,
    pub started: Instant,
    pub usage: Use,
    /// Whether it was ever connected.
    pub connected: bool,
    /// Whether the peer ends it; else we do.
    pub closed_by_remote: bool,
    /// Whether a response (TCP: a session) is unfinished.
    pub active: bool,
    /// Requests that it was used for.
    pub requests: u64,
    /// What the downstream connection shares that a TCP session is of.
    pub shared_state: Option<Rc<FilterState>>,
}

impl ConnectionLifetime {
    /// Begins: takes its place among the connections, whether there is room or not.
    pub fn begin(
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        priority: RoutingPriority,
        usage: Use,
    ) -> Self {
        cluster.circuit_breakers.force(Resource::Connections, priority);
        cluster.stats.inc(ClusterStat::UpstreamCxTotal);
        cluster.stats.inc(ClusterStat::UpstreamCxActive);
        host.stats.inc(EndpointStat::CxTotal);
        host.stats.inc(EndpointStat::CxActive);
        if let Use::Requests(protocol) = usage {
            match protocol {
                PoolProtocol::Http1 => cluster.stats.inc(ClusterStat::UpstreamCxHttp1Total),
                PoolProtocol::Http2 => cluster.stats.inc(ClusterStat::UpstreamCxHttp2Total),
                // The host decides.
                PoolProtocol::Auto => {}
            }
            // A pool of either priority makes Envoy list the gauges of both.
            cluster.stats.add(ClusterStat::CircuitBreakersDefaultCxPoolOpen, 0);
            cluster.stats.add(ClusterStat::CircuitBreakersHighCxPoolOpen, 0);
            let open = &host.pool.of(PoolKey { priority, protocol }).open;
            open.set(open.get() + 1);
            cluster.pooled.set(cluster.pooled.get() + 1);
        }
        ConnectionLifetime {
            cluster: Rc::clone(cluster),
            host: Rc::clone(host),
            priority,
            id: next_connection_id(),
            started: Instant::now(),
            usage,
            connected: false,
            closed_by_remote: false,
            active: false,
            requests: 0,
            shared_state: None,
        }
    }

    /// The pool that it belongs to, if it carries requests.
    pub fn key(&self) -> PoolKey {
        let protocol = match self.usage {
            Use::Requests(protocol) => protocol,
            Use::Tcp => PoolProtocol::Http1,
        };
        PoolKey { priority: self.priority, protocol }
    }

    /// What is spoken on it; none: what its user wants.
    pub fn protocol(&self) -> Option<PoolProtocol> {
        match self.usage {
            Use::Requests(protocol) => Some(protocol),
            Use::Tcp => None,
        }
    }

    /// The connection stands.
    pub fn connected(&mut self) {
        self.connected = true;
        self.cluster
            .stats
            .record(ClusterHistogram::UpstreamCxConnectMs, milliseconds(self.started.elapsed()));
        // Listed from the first connection on; what is read is taken at once.
        self.cluster.stats.add(ClusterStat::UpstreamCxRxBytesBuffered, 0);
    }

    /// It did not come to stand.
    pub fn connect_failed(&self) {
        self.cluster.stats.inc(ClusterStat::UpstreamCxConnectFail);
        self.host.stats.inc(EndpointStat::CxConnectFail);
    }
}

impl Drop for ConnectionLifetime {
    fn drop(&mut self) {
        log_at!(
            Pool,
            Debug,
            "{} upstream connection closed by {} after {} requests{}",
            OfConnection(self.id),
            if self.closed_by_remote { "the host" } else { "us" },
            self.requests,
            if self.active { ", the last one unfinished" } else { "" },
        );
        let stats = &self.cluster.stats;
        let (by, by_with_request) = if self.closed_by_remote {
            (ClusterStat::UpstreamCxDestroyRemote, ClusterStat::UpstreamCxDestroyRemoteWithActiveRq)
        } else {
            (ClusterStat::UpstreamCxDestroyLocal, ClusterStat::UpstreamCxDestroyLocalWithActiveRq)
        };
        stats.inc(ClusterStat::UpstreamCxDestroy);
        stats.inc(by);
        if self.active {
            stats.inc(ClusterStat::UpstreamCxDestroyWithActiveRq);
            stats.inc(by_with_request);
        }
        stats.dec(ClusterStat::UpstreamCxActive);
        self.host.stats.dec(EndpointStat::CxActive);
        stats.record(ClusterHistogram::UpstreamCxLengthMs, milliseconds(self.started.elapsed()));
        self.cluster.circuit_breakers.release(Resource::Connections, self.priority);
        if matches!(self.usage, Use::Requests(_)) {
            if self.connected {
                stats.record(ClusterHistogram::UpstreamRqPerCx, self.requests);
            }
            let key = self.key();
            let pool = self.host.pool.of(key);
            pool.open.set(pool.open.get().saturating_sub(1));
            self.cluster.pooled.set(self.cluster.pooled.get().saturating_sub(1));
            // Those who waited for this one must not wait for ever.
            connecting::connect_for_waiting(&self.cluster, &self.host, key);
            pool.end_if_unused(&self.cluster, self.priority);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
