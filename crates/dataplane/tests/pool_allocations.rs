//! A request that finds an idle connection allocates nothing on its way through cluster and pool.
//!
//! Alone in its process, without the harness: what its thread allocates beside the test would be counted too.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::alloc::System;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ferryman_dataplane::cluster::Cluster;
use ferryman_dataplane::connection_pool::{check_in, obtain, take_idle};
use ferryman_dataplane::model::address::Address;
use ferryman_dataplane::model::bootstrap::StatsConfig;
use ferryman_dataplane::model::cluster::{
    CircuitBreakerThresholds, Cluster as Model, Endpoint, HealthStatus, LoadBalancingPolicy,
    LocalityEndpoints,
};
use ferryman_dataplane::model::route::RoutingPriority;
use ferryman_dataplane::model::runtime::RuntimeDouble;
use ferryman_dataplane::snapshot::{Snapshot, WorkerSnapshot};
use ferryman_dataplane::stats::Registry;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn thresholds() -> CircuitBreakerThresholds {
    CircuitBreakerThresholds {
        max_connections: 1024,
        max_pending_requests: 1024,
        max_requests: 1024,
        max_retries: 3,
        max_connection_pools: None,
        track_remaining: true,
    }
}

/// Two hosts of different weights, so that the schedule has something to do; both are the same listener.
fn model(port: u16, policy: LoadBalancingPolicy) -> Model {
    let endpoint = |weight| Endpoint {
        metadata: None,
        address: Address::Socket {
            ip: "127.0.0.1".to_owned(),
            port,
            ipv4_compat: false,
            network_namespace: None,
        },
        hostname: String::new(),
        weight,
        health_status: HealthStatus::Unknown,
        canary: false,
    };
    let [region, zone, sub_zone] = ["", "", ""].map(str::to_owned);
    let endpoints = vec![endpoint(1), endpoint(2)];
    Model {
        upstream_http_filters: None,
        metadata: None,
        name: "c".to_owned(),
        place: String::new(),
        stat_name: "c".to_owned(),
        connect_timeout_ms: 5000,
        per_connection_buffer_limit_bytes: 1 << 20,
        localities: vec![LocalityEndpoints { region, zone, sub_zone, priority: 0, endpoints }],
        overprovisioning_factor: 140,
        healthy_panic_threshold_percent: 50.0,
        load_balancing_policy: policy,
        circuit_breakers_default: thresholds(),
        circuit_breakers_high: thresholds(),
        per_host_max_connections: None,
        max_requests_per_connection: None,
        idle_timeout_ms: Some(3_600_000),
        max_connection_duration_ms: None,
        http_protocol: ferryman_dataplane::model::cluster::UpstreamProtocol::Http1,
        http2_protocol_options: None,
        max_response_headers_bytes: 60 * 1024,
        max_response_headers_count: 100,
        enable_trailers: false,
        header_key_format: ferryman_dataplane::model::http_connection_manager::HeaderKeyFormat::LowerCase,
        forward_reason_phrase: false,
        send_fully_qualified_url: false,
        max_stream_duration_ms: None,
        tcp_keepalive: None,
        upstream_bind: None,
        proxy_protocol: None,
        internal_upstream: None,
        tls: None,
        stats_matcher: None,
        tracking: ferryman_dataplane::model::cluster::ClusterTracking::default(),
    }
}

async fn requests_allocate_nothing(policy: LoadBalancingPolicy) {
    const PRIORITY: RoutingPriority = RoutingPriority::Default;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = StatsConfig::default();
    let registry = Registry::new(&config, 1);
    let model = model(listener.local_addr().unwrap().port(), policy);
    let cluster = Arc::new(Cluster::compile(&model, &registry, 1).unwrap());
    let view = WorkerSnapshot::new(Arc::new(Snapshot::new(vec![cluster]).unwrap()), 0);
    let cluster = Rc::clone(view.cluster(0).unwrap());
    for host in cluster.hosts() {
        check_in(obtain(&cluster, host, PRIORITY).unwrap().await.unwrap(), Instant::now());
    }
    let request = || {
        let cluster = view.cluster(0).unwrap();
        let host = cluster.choose_host().unwrap();
        let mut connection =
            take_idle(&host, PRIORITY, Instant::now()).expect("both hosts have an idle connection");
        let permit = connection.request_permit().unwrap();
        check_in(connection, Instant::now());
        drop(permit);
    };
    // Every host once, so that each handle has its memory.
    (0..64).for_each(|_| request());
    let region = Region::new(ALLOCATOR);
    (0..1000).for_each(|_| request());
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations, change.deallocations), (0, 0, 0));
}

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        for policy in [
            LoadBalancingPolicy::RoundRobin {},
            LoadBalancingPolicy::Random {},
            LoadBalancingPolicy::LeastRequest {
                choice_count: 2,
                active_request_bias: RuntimeDouble { default_value: 1.0, runtime_key: String::new() },
            },
        ] {
            requests_allocate_nothing(policy).await;
        }
    });
}
