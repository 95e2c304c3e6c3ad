//! The fault filter (Envoy: `fault.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::matcher::HeaderMatcher;
use super::super::metadata::Struct;
use super::super::runtime::RuntimeFractionalPercent;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Percentage {
    pub percentage: RuntimeFractionalPercent,
    pub by_header: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    pub fixed_delay_ms: Option<u64>,
    pub duration_runtime: String,
    pub percentage: Percentage,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    pub http_status: Option<u16>,
    pub status_runtime: String,
    pub grpc_status: Option<u32>,
    pub grpc_status_runtime: String,
    pub response_body: String,
    pub percentage: Percentage,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub limit_kbps: Option<u64>,
    pub percentage: Percentage,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub delay: Option<Delay>,
    pub abort: Option<Abort>,
    pub response_rate_limit: Option<RateLimit>,
    pub filter_metadata: Option<Struct>,
    pub upstream_cluster: String,
    pub headers: Vec<HeaderMatcher>,
    pub downstream_nodes: Vec<String>,
    pub max_active_faults: Option<u32>,
    pub max_active_faults_runtime: String,
}
