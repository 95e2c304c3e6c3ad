//! A connection that carries one TCP session.
//!
//! Owns making it under the same limits and counters as the others; it is never used twice. Does not own the bytes
//! (`tcp_proxy`). A session counts as a request, as in Envoy, but the limit of requests does not hold it up.

use std::rc::Rc;

use super::PoolError;
use super::connecting::{can_create_connection, connect, count_failure};
use super::connection_lifetime::{ConnectionLifetime, Use};
use super::request_permit::RequestPermit;
use super::waiting::Pending;
use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::http_codec::Http1Codec;
use crate::model::route::RoutingPriority;
use crate::stats::ClusterStat;
use crate::stream_info::Address;
use crate::stream_info::filter_state::FilterState;
use crate::transport_sockets::TransportSocket;

/// A connection to a host for one session. Dropping it closes it and counts that.
#[derive(Debug)]
pub struct TcpUpstream<S = TransportSocket> {
    /// The socket, or what reads and writes it.
    pub socket: S,
    /// Our end; `None`: the system does not say.
    pub local_address: Option<Address>,
    lifetime: ConnectionLifetime,
    _permit: RequestPermit,
}

impl<S> TcpUpstream<S> {
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

    /// What was carried is over on both sides before the connection is.
    pub fn complete(&mut self) {
        self.lifetime.active = false;
    }

    /// The peer has closed it: its end counts as remote.
    pub fn set_closed_by_remote(&mut self) {
        self.lifetime.closed_by_remote = true;
    }
}

impl TcpUpstream {
    /// The same, for a stream of HTTP to read and write.
    #[must_use]
    pub fn into_codec(self) -> TcpUpstream<Http1Codec> {
        let TcpUpstream { socket, local_address, lifetime, _permit } = self;
        let socket = Http1Codec::new(socket, lifetime.cluster.buffer_limit());
        TcpUpstream { socket, local_address, lifetime, _permit }
    }
}

/// The wait for the connection; dropped before it is over, it was cancelled.
struct Wait<'a> {
    cluster: &'a WorkerCluster,
    host: &'a WorkerHost,
    priority: RoutingPriority,
    over: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        Pending::end(self.cluster, self.host, self.priority);
        if !self.over {
            self.cluster.stats.inc(ClusterStat::UpstreamRqCancelled);
        }
    }
}

/// Connects to the host, which gets `shared_state` if it is an internal listener. Dropping the future gives up.
///
/// # Errors
/// `PoolError`: no room for a connection (`upstream_cx_overflow`) or among those who wait
/// (`upstream_rq_pending_overflow`), both counted; no connection.
pub async fn connect_tcp(
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
    priority: RoutingPriority,
    shared_state: Option<Rc<FilterState>>,
) -> Result<TcpUpstream, PoolError> {
    if !can_create_connection(cluster, host, priority) {
        cluster.stats.inc(ClusterStat::UpstreamCxOverflow);
        return Err(PoolError::Overflow);
    }
    Pending::begin(cluster, host, priority)?;
    let mut wait = Wait { cluster, host, priority, over: false };
    let mut lifetime = ConnectionLifetime::begin(cluster, host, priority, Use::Tcp);
    lifetime.shared_state = shared_state;
    let connected = connect(&lifetime).await;
    wait.over = true;
    drop(wait);
    match connected {
        Ok(socket) => {
            lifetime.connected();
            lifetime.active = true;
            cluster.circuit_breakers.force(Resource::Requests, priority);
            let permit = RequestPermit::begin(cluster, host, priority);
            Ok(TcpUpstream { local_address: socket.local_address().ok(), socket, lifetime, _permit: permit })
        }
        Err(error) => {
            count_failure(&mut lifetime, &error);
            cluster.stats.inc(ClusterStat::UpstreamRqPendingFailureEject);
            Err(error)
        }
    }
}
