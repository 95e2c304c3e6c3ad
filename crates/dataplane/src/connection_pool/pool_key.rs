//! Which of a host's pools a request goes to.
//!
//! Owns: the key, and how many streams a connection of such a pool has. Does not own: the pools (`connection_pool`).
//! Follows: Envoy's cluster manager, which keeps a pool for each priority and set of protocols.

use crate::cluster::WorkerCluster;
use crate::model::route::RoutingPriority;

/// What is spoken on the connections of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Whichever the host picks in the handshake.
    Auto,
}

/// A pool of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolKey {
    /// The priority of its requests.
    pub priority: RoutingPriority,
    /// What is spoken.
    pub protocol: PoolProtocol,
}

impl From<RoutingPriority> for PoolKey {
    /// That for HTTP/1.1.
    fn from(priority: RoutingPriority) -> Self {
        PoolKey { priority, protocol: PoolProtocol::Http1 }
    }
}

impl PoolKey {
    /// How many requests may be expected to find room on one connection. As in Envoy, before a host has said what it
    /// speaks and how many streams it takes, as many as we would have.
    pub(super) fn streams_of_connection(self, cluster: &WorkerCluster) -> usize {
        let Some(http2) = cluster.cluster.http2.as_ref().filter(|_| self.protocol != PoolProtocol::Http1)
        else {
            return 1;
        };
        let streams = u64::from(http2.options.settings.max_concurrent_streams);
        let most = cluster.cluster.connections.max_requests.map_or(streams, |requests| requests.min(streams));
        usize::try_from(most).unwrap_or(usize::MAX).max(1)
    }
}
