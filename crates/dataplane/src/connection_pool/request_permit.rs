//! One request at a host, for as long as it lasts.
//!
//! Owns what is counted of it: the circuit breaker, `upstream_rq_active`, `rq_active`, and the load that
//! `least_request` looks at. Does not own its outcome (`rq_success`, `rq_error`, response codes), which the router
//! counts.

use std::rc::Rc;

use crate::circuit_breakers::Resource;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::model::route::RoutingPriority;
use crate::stats::{ClusterStat, EndpointStat};

/// There are too many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// A request that is under way; dropping it gives the place back.
#[derive(Debug)]
pub struct RequestPermit {
    cluster: Rc<WorkerCluster>,
    host: Rc<WorkerHost>,
    priority: RoutingPriority,
}

impl RequestPermit {
    /// Begins a request that has taken its place among the requests.
    #[inline]
    pub(super) fn begin(
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        priority: RoutingPriority,
    ) -> Self {
        host.stats.inc(EndpointStat::RqTotal);
        host.stats.inc(EndpointStat::RqActive);
        host.active.set(host.active.get().saturating_add(1));
        cluster.stats.inc(ClusterStat::UpstreamRqTotal);
        cluster.stats.inc(ClusterStat::UpstreamRqActive);
        RequestPermit { cluster: Rc::clone(cluster), host: Rc::clone(host), priority }
    }
}

impl Drop for RequestPermit {
    #[inline]
    fn drop(&mut self) {
        self.host.stats.dec(EndpointStat::RqActive);
        self.host.active.set(self.host.active.get().saturating_sub(1));
        self.cluster.stats.dec(ClusterStat::UpstreamRqActive);
        self.cluster.circuit_breakers.release(Resource::Requests, self.priority);
    }
}
