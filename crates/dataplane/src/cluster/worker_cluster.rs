//! A cluster as one worker uses it.
//!
//! Owns the worker's handles: statistics, load balancer, its side of the circuit breakers, and for each host the
//! connection pool. Made on the cluster's first request on this worker. Does not leave its thread.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferryman_codec::{Http1Settings, Version};

use super::tracking::WorkerTracking;
use super::{Cluster, Host};
use crate::circuit_breakers::{Resource, WorkerCircuitBreakers};
use crate::connection_pool::{HostPool, PoolKey, PoolProtocol};
use crate::load_balancing_policies::LoadBalancer;
use crate::model::route::RoutingPriority;
use crate::random::Random;
use crate::stats::{ClusterHttp2Stats, ClusterStat, ClusterStats, EndpointStats, LocalScope, ZoneStats};
use crate::stream_info::{UpstreamCluster, UpstreamHost};
use crate::transport_sockets::tls::upstream::WorkerUpstreamTls;

/// One endpoint as one worker uses it.
#[derive(Debug)]
pub struct WorkerHost {
    /// Its name and address, as logs show them.
    pub info: Rc<UpstreamHost>,
    /// What this worker counts on it.
    pub stats: LocalScope<EndpointStats>,
    /// What this worker counts from the proxy's zone to the host's.
    pub zone_stats: Option<LocalScope<ZoneStats>>,
    /// Whether it is a canary.
    pub is_canary: bool,
    /// This worker's connections to it.
    pub pool: HostPool,
    /// Requests of this worker that are on its connections.
    pub active: Cell<u32>,
    /// Its place among the hosts of the cluster.
    pub index: usize,
}

/// A cluster as one worker uses it.
#[derive(Debug)]
pub struct WorkerCluster {
    /// What it was made from.
    pub cluster: Arc<Cluster>,
    /// Its names, as logs show them.
    pub info: Rc<UpstreamCluster>,
    /// TLS to its hosts.
    pub tls: Option<Rc<WorkerUpstreamTls>>,
    /// What this worker counts.
    pub stats: LocalScope<ClusterStats>,
    /// What this worker counts if that is asked for.
    pub(crate) tracking: Option<Box<WorkerTracking>>,
    /// This worker's side of the limits.
    pub circuit_breakers: WorkerCircuitBreakers,
    hosts: Box<[Rc<WorkerHost>]>,
    balancer: LoadBalancer,
    random: Random,
    draining: Cell<bool>,
    /// Connections in the pools of all hosts.
    pub(crate) pooled: Cell<usize>,
    worker: usize,
    http2_stats: OnceCell<Rc<LocalScope<ClusterHttp2Stats>>>,
}

impl WorkerCluster {
    /// The part of `worker`, which must be the calling thread. The load balancer draws from `seed`.
    #[must_use]
    pub fn new(cluster: &Arc<Cluster>, worker: usize, seed: u64) -> Self {
        let random = Random::new(seed);
        let host = |(index, host): (usize, &Host)| {
            Rc::new(WorkerHost {
                info: Rc::new(UpstreamHost {
                    address: host.address.clone(),
                    hostname: Box::from(&*host.hostname),
                    metadata: host.metadata.clone(),
                }),
                stats: host.stats.local(worker),
                zone_stats: host.zone_stats.as_ref().map(|scope| scope.local(worker)),
                is_canary: host.is_canary,
                pool: HostPool::default(),
                active: Cell::new(0),
                index,
            })
        };
        WorkerCluster {
            cluster: Arc::clone(cluster),
            info: Rc::new(UpstreamCluster {
                name: Box::from(&*cluster.name),
                observability_name: Box::from(&*cluster.stat_name),
                metadata: cluster.metadata.clone(),
            }),
            tls: cluster.tls.as_ref().map(|tls| Rc::new(tls.on_worker(worker))),
            stats: cluster.stats.local(worker),
            tracking: cluster
                .tracking
                .as_ref()
                .map(|tracking| Box::new(WorkerTracking::new(tracking, worker))),
            circuit_breakers: WorkerCircuitBreakers::new(Arc::clone(cluster.circuit_breakers()), worker),
            hosts: cluster.hosts.iter().enumerate().map(host).collect(),
            balancer: LoadBalancer::new(
                &cluster.policy,
                cluster.priorities(),
                &cluster.host_facts(),
                &random,
            ),
            random,
            draining: Cell::new(false),
            pooled: Cell::new(0),
            worker,
            http2_stats: OnceCell::new(),
        }
    }

    /// The pool of each host for requests of this priority that came in this version.
    #[inline]
    #[must_use]
    pub fn pool_for(&self, priority: RoutingPriority, downstream: Version) -> PoolKey {
        let http2 = self.cluster.http2.as_ref();
        let protocol = http2.map_or(PoolProtocol::Http1, |http2| http2.protocol_for(downstream));
        PoolKey { priority, protocol }
    }

    /// What this worker counts of its codecs, where there are such.
    pub fn http2_stats(&self) -> Option<Rc<LocalScope<ClusterHttp2Stats>>> {
        let http2 = self.cluster.http2.as_ref()?;
        Some(Rc::clone(self.http2_stats.get_or_init(|| Rc::new(http2.stats().local(self.worker)))))
    }

    /// The host for the next request or connection; `None`: nobody can serve (`upstream_cx_none_healthy`, counted).
    #[inline]
    #[must_use]
    pub fn choose_host(&self) -> Option<Rc<WorkerHost>> {
        let at = |index: u32| self.hosts.get(usize::try_from(index).ok()?);
        let choice = self.balancer.choose(&self.random, |host| at(host).map_or(0, |host| host.active.get()));
        if choice.panic {
            self.stats.inc(ClusterStat::LbHealthyPanic);
        }
        let host = choice.host.and_then(at).map(Rc::clone);
        if host.is_none() {
            self.stats.inc(ClusterStat::UpstreamCxNoneHealthy);
        }
        host
    }

    /// All hosts, in the order of the configuration.
    #[must_use]
    pub fn hosts(&self) -> &[Rc<WorkerHost>] {
        &self.hosts
    }

    /// How responses are read.
    #[must_use]
    pub fn http1_settings(&self) -> &Http1Settings {
        &self.cluster.http1_settings
    }

    /// The most bytes that wait unread on a connection.
    #[must_use]
    pub fn buffer_limit(&self) -> usize {
        self.cluster.connections.buffer_limit
    }

    /// How long connecting may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.cluster.connections.connect_timeout
    }

    /// Leave to retry, held until the retry is over; `None`: too many retries (`upstream_rq_retry_overflow`, counted).
    #[must_use]
    pub fn retry_permit(self: &Rc<Self>, priority: RoutingPriority) -> Option<RetryPermit> {
        if self.circuit_breakers.acquire(Resource::Retries, priority) {
            return Some(RetryPermit { cluster: Rc::clone(self), priority });
        }
        self.stats.inc(ClusterStat::UpstreamRqRetryOverflow);
        None
    }

    /// Closes the connections that are idle for too long, too old, or closed by the peer. To be called about once a
    /// second.
    pub fn sweep(&self, now: Instant) {
        // A worker may know thousands of clusters and use few.
        if self.pooled.get() > 0 {
            self.hosts.iter().for_each(|host| host.pool.sweep(self, now));
        }
    }

    /// Closes all idle connections; others go on.
    pub fn close_idle(&self) {
        self.hosts.iter().for_each(|host| host.pool.close_idle());
    }

    /// The cluster went away: idle connections close now, the others after their request. New ones may still be made
    /// for requests that began before.
    pub fn drain(&self) {
        self.draining.set(true);
        self.close_idle();
    }

    /// Whether `drain` was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }
}

/// One retry that is under way; dropping it gives the place back.
#[derive(Debug)]
pub struct RetryPermit {
    cluster: Rc<WorkerCluster>,
    priority: RoutingPriority,
}

impl Drop for RetryPermit {
    fn drop(&mut self) {
        self.cluster.circuit_breakers.release(Resource::Retries, self.priority);
    }
}
