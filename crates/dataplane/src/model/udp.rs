//! Listeners of datagrams and their filters (Envoy: `UdpListenerConfig`, `envoy.filters.udp_listener`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::AccessLog;
use super::match_tree::MatchTree;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UdpProxy {
    pub place: String,
    pub stat_prefix: String,
    pub clusters: Vec<String>,
    pub matcher: Option<MatchTree>,
    pub idle_timeout_ms: u64,
    pub use_per_packet_load_balancing: bool,
    pub max_rx_datagram_size: usize,
    pub access_log: Vec<AccessLog>,
    pub access_log_flush_interval_ms: Option<u64>,
    pub proxy_access_log: Vec<AccessLog>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UdpListenerFilter {
    UdpProxy(UdpProxy),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UdpListener {
    pub max_rx_datagram_size: usize,
    pub filter: UdpListenerFilter,
}
