//! Clusters for tests, and what compiling makes of a model.

use super::*;
use crate::model::bootstrap::StatsConfig;
use crate::model::cluster::{Cluster as Model, Endpoint, LocalityEndpoints};

/// A registry for this many workers.
pub(crate) fn registry(workers: usize) -> Arc<Registry> {
    let config = StatsConfig::default();
    Registry::new(&config, workers)
}

fn thresholds() -> CircuitBreakerThresholds {
    CircuitBreakerThresholds {
        max_connections: 1024,
        max_pending_requests: 1024,
        max_requests: 1024,
        max_retries: 3,
        max_connection_pools: None,
        track_remaining: false,
    }
}

fn endpoint(address: &str, weight: u32, health_status: HealthStatus) -> Endpoint {
    let address = match address.parse::<std::net::SocketAddr>() {
        Ok(address) => AddressModel::Socket {
            ip: address.ip().to_string(),
            port: address.port(),
            ipv4_compat: false,
            network_namespace: None,
        },
        Err(_) => AddressModel::Pipe { path: address.to_owned(), mode: 0 },
    };
    Endpoint { metadata: None, address, hostname: String::new(), weight, health_status, canary: false }
}

fn locality(priority: u32, endpoints: Vec<Endpoint>) -> LocalityEndpoints {
    let [region, zone, sub_zone] = ["r", "z", ""].map(str::to_owned);
    LocalityEndpoints { region, zone, sub_zone, priority, endpoints }
}

/// A cluster with Envoy's defaults and these endpoints.
pub(crate) fn model(name: &str, addresses: &[&str]) -> Model {
    let endpoints = addresses.iter().map(|address| endpoint(address, 1, HealthStatus::Unknown)).collect();
    Model {
        upstream_http_filters: None,
        metadata: None,
        name: name.to_owned(),
        place: String::new(),
        stat_name: name.to_owned(),
        connect_timeout_ms: 5000,
        per_connection_buffer_limit_bytes: 1 << 20,
        localities: vec![locality(0, endpoints)],
        overprovisioning_factor: 140,
        healthy_panic_threshold_percent: 50.0,
        load_balancing_policy: LoadBalancingPolicy::RoundRobin {},
        circuit_breakers_default: thresholds(),
        circuit_breakers_high: thresholds(),
        per_host_max_connections: None,
        max_requests_per_connection: None,
        idle_timeout_ms: Some(3_600_000),
        max_connection_duration_ms: None,
        http_protocol: model::UpstreamProtocol::Http1,
        http2_protocol_options: None,
        max_response_headers_bytes: 60 * 1024,
        max_response_headers_count: 100,
        enable_trailers: false,
        header_key_format: crate::model::http_connection_manager::HeaderKeyFormat::LowerCase,
        forward_reason_phrase: false,
        send_fully_qualified_url: false,
        max_stream_duration_ms: None,
        tcp_keepalive: None,
        upstream_bind: None,
        proxy_protocol: None,
        internal_upstream: None,
        tls: None,
        stats_matcher: None,
        tracking: model::ClusterTracking::default(),
    }
}

/// The same, compiled for as many workers as the registry has.
pub(crate) fn cluster(name: &str, addresses: &[&str], registry: &Arc<Registry>) -> Cluster {
    Cluster::compile(&model(name, addresses), registry, registry.workers()).unwrap()
}

#[test]
fn membership_is_counted_as_envoy_does() {
    let registry = registry(1);
    let mut model = model("c", &[]);
    model.localities = vec![
        locality(
            0,
            vec![
                endpoint("1.1.1.1:1", 1, HealthStatus::Unhealthy),
                endpoint("1.1.1.2:1", 3, HealthStatus::Healthy),
            ],
        ),
        locality(
            1,
            vec![
                endpoint("1.1.1.3:1", 7, HealthStatus::Degraded),
                endpoint("1.1.1.4:1", 1, HealthStatus::Draining),
                endpoint("/tmp/pipe", 1, HealthStatus::Timeout),
            ],
        ),
    ];
    let cluster = Cluster::compile(&model, &registry, 1).unwrap();
    let value = |stat| cluster.stats.value(stat);
    assert_eq!(value(ClusterStat::MembershipTotal), 5);
    assert_eq!(value(ClusterStat::MembershipHealthy), 1);
    assert_eq!(value(ClusterStat::MembershipDegraded), 1);
    assert_eq!(value(ClusterStat::MembershipExcluded), 1);
    assert_eq!(value(ClusterStat::MembershipChange), 2);
    assert_eq!(value(ClusterStat::DefaultTotalMatchCount), 5);
    let status = cluster.status();
    let flags: Vec<_> = status.endpoints.iter().map(|of| of.health_flags.clone()).collect();
    let expected: [&[HealthFlag]; 5] = [
        &[HealthFlag::FailedEdsHealth],
        &[],
        &[HealthFlag::DegradedEdsHealth],
        &[HealthFlag::EdsStatusDraining],
        &[HealthFlag::FailedEdsHealth],
    ];
    assert_eq!(flags, expected);
    assert_eq!(status.endpoints[2].priority, 1);
    assert_eq!(status.endpoints[4].address, Address::Pipe("/tmp/pipe".into()));
}

#[test]
fn a_name_is_no_address() {
    let mut model = model("c", &["127.0.0.1:1"]);
    model.localities[0].endpoints[0].address = AddressModel::Socket {
        ip: "localhost".to_owned(),
        port: 1,
        ipv4_compat: false,
        network_namespace: None,
    };
    let error = Cluster::compile(&model, &registry(1), 1).unwrap_err();
    assert_eq!(error, "cluster 'c': 'localhost' is not an IP address");
}

#[test]
fn hosts_are_chosen_by_the_policy_and_their_absence_is_counted() {
    let registry = registry(1);
    let compiled = Arc::new(cluster("c", &["127.0.0.1:1", "127.0.0.1:2"], &registry));
    let worker = WorkerCluster::new(&compiled, 0, 9);
    let picked: Vec<usize> = (0..4).map(|_| worker.choose_host().unwrap().index).collect();
    assert!(picked[0] != picked[1] && picked[..2] == picked[2..], "{picked:?}");
    let empty = Arc::new(cluster("empty", &[], &registry));
    assert!(WorkerCluster::new(&empty, 0, 9).choose_host().is_none());
    assert_eq!(empty.stats.value(ClusterStat::UpstreamCxNoneHealthy), 1);
    assert_eq!(empty.stats.value(ClusterStat::LbHealthyPanic), 1);
}

#[test]
fn retries_are_limited() {
    let registry = registry(1);
    let compiled = Arc::new(cluster("c", &[], &registry));
    let worker = std::rc::Rc::new(WorkerCluster::new(&compiled, 0, 9));
    let retry = || worker.retry_permit(crate::model::route::RoutingPriority::Default);
    let permits: Vec<_> = (0..4).map(|_| retry()).collect();
    assert_eq!(permits.iter().flatten().count(), 3);
    assert_eq!(compiled.stats.value(ClusterStat::UpstreamRqRetryOverflow), 1);
    drop(permits);
    assert!(retry().is_some());
}
