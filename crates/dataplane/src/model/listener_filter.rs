//! Listener filters (Envoy: `extensions.filters.listener`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use super::runtime::RuntimeFeatureFlag;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBucket {
    pub max_tokens: u32,
    pub tokens_per_fill: u32,
    pub fill_interval_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlvEncoding {
    SanitizedUtf8,
    Base64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlvRule {
    pub tlv_type: u8,
    pub metadata_namespace: String,
    pub key: String,
    pub encoding: TlvEncoding,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct ProxyProtocol {
    pub allow_requests_without_proxy_protocol: bool,
    pub pass_all_tlvs: bool,
    pub pass_tlvs: Vec<u8>,
    pub v1: bool,
    pub v2: bool,
    pub stat_prefix: String,
    pub rules: Vec<TlvRule>,
    pub tlvs_in_filter_state: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalDst {}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRatelimit {
    pub stat_prefix: String,
    pub token_bucket: TokenBucket,
    pub enabled: RuntimeFeatureFlag,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsInspector {
    pub max_client_hello_bytes: u32,
    pub close_connection_on_client_hello_parsing_errors: bool,
    pub ja3_fingerprinting: bool,
    pub ja4_fingerprinting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpInspector {}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ListenerFilterConfig {
    ProxyProtocol(Box<ProxyProtocol>),
    OriginalDst(OriginalDst),
    LocalRatelimit(LocalRatelimit),
    TlsInspector(TlsInspector),
    HttpInspector(HttpInspector),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectionPredicate {
    Any,
    Not { rule: Box<ConnectionPredicate> },
    And { rules: Vec<ConnectionPredicate> },
    Or { rules: Vec<ConnectionPredicate> },
    DestinationPort { start: i32, end: i32 },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerFilter {
    pub config: ListenerFilterConfig,
    pub disabled: Option<ConnectionPredicate>,
}
