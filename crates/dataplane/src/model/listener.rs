//! Listeners, filter chains, network filters (Envoy: `config.listener.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::{AccessLog, AccessLogEvents};
use super::address::{Address, CidrRange, SocketOption, TcpKeepalive};
use super::bootstrap::StatsMatcher;
use super::format::FormatPart;
use super::http_connection_manager::HttpConnectionManager;
use super::listener_filter::ListenerFilter;
use super::match_tree::MatchTree;
use super::metadata::Metadata;
use super::network_filter::{ConnectionLimit, DirectResponse, Echo, LocalRatelimit, Rbac, SetFilterState};
use super::route::HeaderValueOption;
use super::tls::DownstreamTls;
use super::udp::UdpListener;
use super::upstream_connection::{Tlv, TlvMergePolicy};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TcpCluster {
    pub name: String,
    pub weight: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    pub base_interval_ms: u64,
    pub max_interval_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TcpProxy {
    pub place: String,
    pub stat_prefix: String,
    pub clusters: Vec<TcpCluster>,
    pub idle_timeout_ms: Option<u64>,
    pub max_downstream_connection_duration_ms: Option<u64>,
    pub max_downstream_connection_duration_jitter_percentage: f64,
    pub max_connect_attempts: u32,
    pub backoff: Option<Backoff>,
    pub connects_on_data: bool,
    pub max_early_data_bytes: Option<u32>,
    pub check_drain_close: bool,
    pub proxy_protocol_tlvs: Vec<Tlv>,
    pub proxy_protocol_tlv_merge_policy: TlvMergePolicy,
    pub tunneling: Option<Tunneling>,
    pub access_log: Vec<AccessLog>,
    pub access_log_events: AccessLogEvents,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tunneling {
    pub hostname: Vec<FormatPart>,
    pub post_path: Option<String>,
    pub headers_to_add: Vec<HeaderValueOption>,
    pub propagate_response_headers: bool,
    pub propagate_response_trailers: bool,
    pub request_id: Option<TunnelRequestId>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelRequestId {
    pub header: String,
    pub metadata_key: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetworkFilter {
    TcpProxy(Box<TcpProxy>),
    HttpConnectionManager(Box<HttpConnectionManager>),
    DirectResponse(DirectResponse),
    Echo(Echo),
    ConnectionLimit(ConnectionLimit),
    LocalRatelimit(LocalRatelimit),
    Rbac(Box<Rbac>),
    SetFilterState(SetFilterState),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceType {
    Any,
    SameIpOrLoopback,
    External,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChainMatch {
    pub destination_port: Option<u16>,
    pub prefix_ranges: Vec<CidrRange>,
    pub direct_source_prefix_ranges: Vec<CidrRange>,
    pub source_type: SourceType,
    pub source_prefix_ranges: Vec<CidrRange>,
    pub source_ports: Vec<u16>,
    pub transport_protocol: String,
    pub server_names: Vec<String>,
    pub application_protocols: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChain {
    pub name: String,
    pub metadata: Option<Metadata>,
    #[serde(rename = "match")]
    pub matching: FilterChainMatch,
    pub filters: Vec<NetworkFilter>,
    pub transport_socket_connect_timeout_ms: Option<u64>,
    pub tls: Option<Box<DownstreamTls>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChainMatcher {
    pub tree: MatchTree,
    pub names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficDirection {
    Unspecified,
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AddressOptions {
    pub socket_options: Vec<SocketOption>,
    pub tcp_keepalive: Option<TcpKeepalive>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct Listener {
    pub name: String,
    pub metadata: Option<Metadata>,
    pub place: String,
    pub stat_prefix: String,
    pub addresses: Vec<Address>,
    pub address_options: Vec<AddressOptions>,
    pub use_original_dst: bool,
    pub bind_to_port: bool,
    pub reuse_port: bool,
    pub freebind: bool,
    pub transparent: bool,
    pub tcp_backlog_size: Option<u32>,
    pub tcp_fast_open_queue_length: Option<u32>,
    pub per_connection_buffer_limit_bytes: u32,
    pub listener_filters: Vec<ListenerFilter>,
    pub listener_filters_timeout_ms: Option<u64>,
    pub continue_on_listener_filters_timeout: bool,
    pub filter_chains: Vec<FilterChain>,
    pub filter_chain_matcher: Option<FilterChainMatcher>,
    pub default_filter_chain: Option<FilterChain>,
    pub access_log: Vec<AccessLog>,
    pub traffic_direction: TrafficDirection,
    pub ignore_global_conn_limit: bool,
    pub drains_on_modification_only: bool,
    pub enable_mptcp: bool,
    pub max_connections_to_accept_per_socket_event: Option<u32>,
    pub stats_matcher: Option<StatsMatcher>,
    pub exact_balance: bool,
    pub internal_buffer_bytes: Option<usize>,
    pub udp: Option<Box<UdpListener>>,
}
