//! Clusters and endpoints (Envoy: `config.cluster.v3`, `config.endpoint.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::{Address, TcpKeepalive};
use super::bootstrap::StatsMatcher;
use super::http_connection_manager::{HeaderKeyFormat, Http2ProtocolOptions};
use super::http_filters::HttpFilter;
use super::metadata::Metadata;
use super::runtime::RuntimeDouble;
use super::tls::UpstreamTls;
use super::upstream_connection::{InternalUpstream, UpstreamBind, UpstreamProxyProtocol};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    Unknown,
    Healthy,
    Unhealthy,
    Draining,
    Timeout,
    Degraded,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub metadata: Option<Metadata>,
    pub address: Address,
    pub hostname: String,
    pub weight: u32,
    pub health_status: HealthStatus,
    pub canary: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityEndpoints {
    pub region: String,
    pub zone: String,
    pub sub_zone: String,
    pub priority: u32,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreakerThresholds {
    pub max_connections: u32,
    pub max_pending_requests: u32,
    pub max_requests: u32,
    pub max_retries: u32,
    pub max_connection_pools: Option<u32>,
    pub track_remaining: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LoadBalancingPolicy {
    RoundRobin {},
    Random {},
    LeastRequest { choice_count: u32, active_request_bias: RuntimeDouble },
}

/// What is spoken to the hosts of a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProtocol {
    #[default]
    Http1,
    Http2,
    /// Whichever the host picks in the handshake.
    Auto,
    /// Whichever the client speaks.
    Downstream,
}

/// Statistics that a cluster has only if they are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterTracking {
    pub timeout_budgets: bool,
    pub request_response_sizes: bool,
    pub endpoints: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub name: String,
    pub metadata: Option<Metadata>,
    pub place: String,
    pub stat_name: String,
    pub connect_timeout_ms: u64,
    pub per_connection_buffer_limit_bytes: u32,
    pub localities: Vec<LocalityEndpoints>,
    pub overprovisioning_factor: u32,
    pub healthy_panic_threshold_percent: f64,
    pub load_balancing_policy: LoadBalancingPolicy,
    pub circuit_breakers_default: CircuitBreakerThresholds,
    pub circuit_breakers_high: CircuitBreakerThresholds,
    pub per_host_max_connections: Option<u32>,
    pub max_requests_per_connection: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub max_connection_duration_ms: Option<u64>,
    pub http_protocol: UpstreamProtocol,
    pub http2_protocol_options: Option<Box<Http2ProtocolOptions>>,
    pub max_response_headers_bytes: usize,
    pub max_response_headers_count: usize,
    pub enable_trailers: bool,
    pub header_key_format: HeaderKeyFormat,
    pub forward_reason_phrase: bool,
    pub send_fully_qualified_url: bool,
    pub max_stream_duration_ms: Option<u64>,
    pub tcp_keepalive: Option<TcpKeepalive>,
    pub upstream_bind: Option<UpstreamBind>,
    pub proxy_protocol: Option<UpstreamProxyProtocol>,
    pub internal_upstream: Option<InternalUpstream>,
    pub tls: Option<Box<UpstreamTls>>,
    pub stats_matcher: Option<StatsMatcher>,
    pub tracking: ClusterTracking,
    pub upstream_http_filters: Option<Vec<HttpFilter>>,
}
