//! An upstream cluster as it was configured: shared by all workers, never changed.
//!
//! Owns the compiled settings and hosts of a cluster, and the statistics that follow from them alone (membership). What
//! a worker needs to send requests there is made from it on the first request (`WorkerCluster`): a cluster without
//! traffic costs little more than its configuration. Does not connect (`connection_pool`) or choose
//! (`load_balancing_policies`). Follows Envoy's pages "Cluster manager" and "Cluster stats".

pub mod http2;
mod tracking;
pub mod worker_cluster;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferryman_codec::Http1Settings;

use crate::admin::{ClusterStatus, EndpointStatus, HealthFlag};
use crate::circuit_breakers::CircuitBreakers;
use crate::filters::http::UpstreamHttpFilters;
use crate::http_codec;
use crate::load_balancing_policies::{self, HostFacts, HostHealth, PrioritySettings};
use crate::model::address::{Address as AddressModel, socket_address};
use crate::model::cluster::{self as model, CircuitBreakerThresholds, HealthStatus, LoadBalancingPolicy};
use crate::model::metadata::Metadata;
use crate::proxy_protocol::HeaderWriter;
use crate::runtime::RuntimeKey;
use crate::stats::{ClusterStat, ClusterStats, EndpointStats, Registry, Scope, ZoneStats};
use crate::stream_info::{Address, InternalAddress};
use crate::transport_sockets::SourceAddresses;
use crate::transport_sockets::internal_upstream::InternalUpstream;
use crate::transport_sockets::tls::upstream::UpstreamContext;

pub use http2::ClusterHttp2;
use tracking::Tracking;
pub(crate) use tracking::WorkerTracking;
pub use worker_cluster::{RetryPermit, WorkerCluster, WorkerHost};

/// Where a group of hosts is.
#[derive(Debug)]
pub struct Locality {
    /// The region; may be empty, as the others.
    pub region: Arc<str>,
    /// The zone in the region.
    pub zone: Arc<str>,
    /// The part of the zone.
    pub sub_zone: Arc<str>,
}

/// One endpoint.
#[derive(Debug)]
pub struct Host {
    /// Where it listens.
    pub address: Address,
    /// Its `hostname`; empty: none.
    pub hostname: Arc<str>,
    /// Its weight, from 1.
    pub weight: u32,
    /// Its priority; 0 is served first.
    pub priority: u32,
    /// The health that the configuration gives to it.
    pub health_status: HealthStatus,
    /// Where it is.
    pub locality: Arc<Locality>,
    /// What the configuration says of it.
    pub metadata: Option<Arc<Metadata>>,
    /// Whether its metadata says so: `envoy.lb: {canary: true}`.
    pub is_canary: bool,
    /// What was counted, over all workers.
    pub stats: Scope<EndpointStats>,
    /// What was counted from the proxy's zone to its own; none unless both have one.
    pub zone_stats: Option<Scope<ZoneStats>>,
}

impl Host {
    /// What the load balancer makes of its health.
    #[must_use]
    pub fn health(&self) -> HostHealth {
        match self.health_status {
            HealthStatus::Unknown | HealthStatus::Healthy => HostHealth::Healthy,
            HealthStatus::Degraded => HostHealth::Degraded,
            HealthStatus::Unhealthy | HealthStatus::Timeout => HostHealth::Unhealthy,
            HealthStatus::Draining => HostHealth::Excluded,
        }
    }

    fn health_flags(&self) -> Vec<HealthFlag> {
        match self.health_status {
            HealthStatus::Unknown | HealthStatus::Healthy => Vec::new(),
            HealthStatus::Degraded => vec![HealthFlag::DegradedEdsHealth],
            HealthStatus::Unhealthy | HealthStatus::Timeout => vec![HealthFlag::FailedEdsHealth],
            HealthStatus::Draining => vec![HealthFlag::EdsStatusDraining],
        }
    }
}

/// The limits on what a connection may serve.
#[derive(Debug)]
pub struct ConnectionSettings {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a connection may be idle; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may serve; `None`: for ever.
    pub max_duration: Option<Duration>,
    /// How many requests a connection may serve; `None`: any number.
    pub max_requests: Option<u64>,
    /// How many connections one host may have over all workers; `None`: any number.
    pub per_host_max_connections: Option<u32>,
    /// The most bytes that wait unread on a connection.
    pub buffer_limit: usize,
    /// TCP keepalive; `None`: off.
    pub tcp_keepalive: Option<crate::model::address::TcpKeepalive>,
    /// Where connections come from, and the options of their sockets.
    pub bind: SourceAddresses,
    /// The header that each connection begins with; none: it begins with its own bytes.
    pub proxy_protocol: Option<Box<HeaderWriter>>,
    /// What connections to internal listeners pass on; none: nothing.
    pub internal_upstream: Option<Box<InternalUpstream>>,
}

/// A cluster, compiled.
#[derive(Debug)]
pub struct Cluster {
    /// What is spoken to its hosts; none: plain bytes.
    pub tls: Option<Arc<UpstreamContext>>,
    /// Its name.
    pub name: Arc<str>,
    /// `alt_stat_name`, or the name.
    pub stat_name: Arc<str>,
    /// What the configuration says of it.
    pub metadata: Option<Arc<Metadata>>,
    /// Its endpoints, in the order of the configuration.
    pub hosts: Box<[Host]>,
    /// What its connections may do.
    pub connections: ConnectionSettings,
    /// How long an exchange with a host may last, where the route does not say.
    pub max_stream_duration: Option<Duration>,
    /// How responses are read.
    pub http1_settings: Http1Settings,
    /// HTTP/2 to its hosts; none: they are spoken to in HTTP/1.
    pub http2: Option<Box<ClusterHttp2>>,
    /// What was counted, over all workers.
    pub stats: Scope<ClusterStats>,
    policy: LoadBalancingPolicy,
    /// Where the runtime may set another `healthy_panic_threshold`.
    panic_threshold: RuntimeKey,
    maintenance_mode: RuntimeKey,
    priorities: PrioritySettings,
    thresholds: [CircuitBreakerThresholds; 2],
    /// The HTTP filters of its requests, in the place of the router's; none: it has none.
    pub(crate) upstream_filters: Option<Arc<UpstreamHttpFilters>>,
    /// What is counted only if that is asked for.
    pub(crate) tracking: Option<Box<Tracking>>,
    threads: usize,
    /// Made with the first worker's part.
    circuit_breakers: OnceLock<Arc<CircuitBreakers>>,
}

impl Cluster {
    /// Compiles a cluster for `workers` workers (and the control thread), and sets its membership statistics.
    ///
    /// # Errors
    /// An address that is not one.
    pub fn compile(
        model: &model::Cluster,
        registry: &Arc<Registry>,
        workers: usize,
    ) -> Result<Cluster, String> {
        let _matching = registry.matching(model.stats_matcher.as_ref());
        let hosts = compile_hosts(model, registry)?;
        let name: Arc<str> = Arc::from(&*model.name);
        let stat_name =
            if model.stat_name == model.name { Arc::clone(&name) } else { Arc::from(&*model.stat_name) };
        let stats = registry.cluster(&stat_name);
        let tracking = Tracking::compile(model.tracking, &stat_name, &hosts, registry);
        announce(&hosts, &stats);
        CircuitBreakers::announce(&model.circuit_breakers_default, &model.circuit_breakers_high, &stats);
        let compile_tls = |tls| UpstreamContext::compile(tls, &stat_name, registry);
        let tls = model.tls.as_deref().map(compile_tls).transpose();
        Ok(Cluster {
            tls: tls.map_err(|error| format!("cluster '{}': {error}", model.name))?,
            name,
            stat_name,
            metadata: model.metadata.clone().map(Arc::new),
            hosts,
            connections: connection_settings(model, registry)?,
            max_stream_duration: model.max_stream_duration_ms.map(Duration::from_millis),
            http1_settings: Http1Settings {
                max_head_bytes: model.max_response_headers_bytes,
                max_headers_count: model.max_response_headers_count,
                enable_trailers: model.enable_trailers,
                keep_reason_phrase: model.forward_reason_phrase,
                send_fully_qualified_url: model.send_fully_qualified_url,
                ..http_codec::settings_of(model.header_key_format)
            },
            http2: ClusterHttp2::compile(model, registry),
            stats,
            policy: model.load_balancing_policy.clone(),
            panic_threshold: load_balancing_policies::panic_threshold_key(&model.load_balancing_policy),
            maintenance_mode: RuntimeKey::new(&format!("upstream.maintenance_mode.{}", model.name)),
            priorities: PrioritySettings {
                overprovisioning_factor: model.overprovisioning_factor,
                healthy_panic_threshold_percent: model.healthy_panic_threshold_percent,
            },
            thresholds: [model.circuit_breakers_default.clone(), model.circuit_breakers_high.clone()],
            upstream_filters: UpstreamHttpFilters::compile(model.upstream_http_filters.as_deref())?,
            tracking,
            threads: workers + 1,
            circuit_breakers: OnceLock::new(),
        })
    }

    /// Whether the runtime wants this request refused (`upstream.maintenance_mode.<cluster>`, in percent).
    #[inline]
    #[must_use]
    pub fn is_in_maintenance(&self, random: impl FnOnce() -> u64) -> bool {
        match self.maintenance_mode.integer(0) {
            0 => false,
            percent => random() % 100 < percent,
        }
    }

    /// How hosts are shared out, as the runtime has it now.
    fn priorities(&self) -> PrioritySettings {
        let mut priorities = self.priorities;
        if let Some(percent) = self.panic_threshold.integer_if_set() {
            let percent = u32::try_from(percent.min(100)).unwrap_or(100);
            priorities.healthy_panic_threshold_percent = percent.into();
        }
        priorities
    }

    fn circuit_breakers(&self) -> &Arc<CircuitBreakers> {
        let [default, high] = &self.thresholds;
        let make = || CircuitBreakers::new(&self.name, [default, high], self.threads, self.stats.clone());
        self.circuit_breakers.get_or_init(|| Arc::new(make()))
    }

    /// How hosts are picked, as Envoy names it.
    #[must_use]
    pub fn policy_name(&self) -> &'static str {
        match self.policy {
            LoadBalancingPolicy::RoundRobin { .. } => "round_robin",
            LoadBalancingPolicy::Random { .. } => "random",
            LoadBalancingPolicy::LeastRequest { .. } => "least_request",
        }
    }

    /// What the load balancer must know of the hosts, in their order.
    fn host_facts(&self) -> Vec<HostFacts> {
        let fact =
            |host: &Host| HostFacts { priority: host.priority, weight: host.weight, health: host.health() };
        self.hosts.iter().map(fact).collect()
    }

    /// What `/clusters` shows.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        let endpoint = |host: &Host| EndpointStatus {
            address: host.address.clone(),
            hostname: Arc::clone(&host.hostname),
            stats: host.stats.clone(),
            health_flags: host.health_flags(),
            eds_health_status: host.health_status,
            weight: host.weight,
            region: Arc::clone(&host.locality.region),
            zone: Arc::clone(&host.locality.zone),
            sub_zone: Arc::clone(&host.locality.sub_zone),
            canary: host.is_canary,
            priority: host.priority,
            success_rate: None,
            local_origin_success_rate: None,
        };
        let [default, high] = &self.thresholds;
        ClusterStatus {
            name: Arc::clone(&self.name),
            observability_name: Arc::clone(&self.stat_name),
            added_via_api: false,
            circuit_breakers_default: default.clone(),
            circuit_breakers_high: high.clone(),
            endpoints: self.hosts.iter().map(endpoint).collect(),
        }
    }
}

fn connection_settings(
    model: &model::Cluster,
    registry: &Arc<Registry>,
) -> Result<ConnectionSettings, String> {
    let proxy_protocol =
        |header| Box::new(HeaderWriter::compile(header, registry.upstream_proxy_protocol(&model.stat_name)));
    let internal_upstream =
        |passed| Box::new(InternalUpstream::compile(passed, registry.internal_upstream(&model.stat_name)));
    let limit = match model.per_connection_buffer_limit_bytes {
        // Envoy: no limit.
        0 => u32::MAX,
        limit => limit,
    };
    Ok(ConnectionSettings {
        connect_timeout: Duration::from_millis(model.connect_timeout_ms),
        idle_timeout: model.idle_timeout_ms.map(Duration::from_millis),
        max_duration: model.max_connection_duration_ms.map(Duration::from_millis),
        max_requests: model.max_requests_per_connection,
        per_host_max_connections: model.per_host_max_connections,
        buffer_limit: usize::try_from(limit).unwrap_or(usize::MAX),
        tcp_keepalive: model.tcp_keepalive.clone(),
        bind: SourceAddresses::compile(model.upstream_bind.as_ref())?,
        proxy_protocol: model.proxy_protocol.as_ref().map(proxy_protocol),
        internal_upstream: model.internal_upstream.as_ref().map(internal_upstream),
    })
}

fn compile_hosts(model: &model::Cluster, registry: &Arc<Registry>) -> Result<Box<[Host]>, String> {
    let mut hosts = Vec::with_capacity(model.localities.iter().map(|of| of.endpoints.len()).sum());
    for group in &model.localities {
        let locality = Arc::new(Locality {
            region: Arc::from(&*group.region),
            zone: Arc::from(&*group.zone),
            sub_zone: Arc::from(&*group.sub_zone),
        });
        let zone_stats = registry.zone(&model.stat_name, &group.zone);
        for endpoint in &group.endpoints {
            hosts.push(Host {
                address: compile_address(&endpoint.address)
                    .map_err(|error| format!("cluster '{}': {error}", model.name))?,
                hostname: Arc::from(&*endpoint.hostname),
                weight: endpoint.weight.max(1),
                priority: group.priority,
                health_status: endpoint.health_status,
                locality: Arc::clone(&locality),
                is_canary: endpoint.canary,
                metadata: endpoint.metadata.clone().map(Arc::new),
                stats: registry.endpoint(),
                zone_stats: zone_stats.clone(),
            });
        }
    }
    Ok(hosts.into())
}

fn compile_address(model: &AddressModel) -> Result<Address, String> {
    match model {
        AddressModel::Socket { ip, port, .. } => {
            let parsed = socket_address(ip, *port);
            parsed.map(Address::Ip).ok_or_else(|| format!("'{ip}' is not an IP address"))
        }
        AddressModel::Pipe { path, .. } => Ok(Address::Pipe(Arc::from(&**path))),
        AddressModel::Internal { listener, endpoint_id } => {
            Ok(Address::Internal(InternalAddress::new(listener, endpoint_id)))
        }
    }
}

/// What Envoy writes when it has made a cluster: membership, and one change for each priority that has hosts.
fn announce(hosts: &[Host], stats: &Scope<ClusterStats>) {
    stats.set(ClusterStat::WarmingState, 0);
    if hosts.is_empty() {
        return;
    }
    let count = |health| hosts.iter().filter(|host| host.health() == health).count();
    for (gauge, count) in [
        (ClusterStat::MembershipTotal, hosts.len()),
        (ClusterStat::MembershipHealthy, count(HostHealth::Healthy)),
        (ClusterStat::MembershipDegraded, count(HostHealth::Degraded)),
        (ClusterStat::MembershipExcluded, count(HostHealth::Excluded)),
    ] {
        stats.set(gauge, u64::try_from(count).unwrap_or(u64::MAX));
    }
    let mut priorities: Vec<u32> = hosts.iter().map(|host| host.priority).collect();
    priorities.sort_unstable();
    priorities.dedup();
    stats.add(ClusterStat::MembershipChange, i64::try_from(priorities.len()).unwrap_or(0));
    stats.add(ClusterStat::DefaultTotalMatchCount, i64::try_from(hosts.len()).unwrap_or(0));
}

#[cfg(test)]
pub(crate) mod tests;
