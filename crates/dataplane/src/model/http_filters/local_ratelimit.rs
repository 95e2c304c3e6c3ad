//! The local rate limit filter (Envoy: `local_ratelimit.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::listener_filter::TokenBucket;
use super::super::route::HeaderValueOption;
use super::super::runtime::RuntimeFractionalPercent;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct LocalRatelimit {
    pub stat_prefix: String,
    pub status: u16,
    pub token_bucket: Option<TokenBucket>,
    pub filter_enabled: Option<RuntimeFractionalPercent>,
    pub filter_enforced: Option<RuntimeFractionalPercent>,
    pub request_headers_to_add_when_not_enforced: Vec<HeaderValueOption>,
    pub response_headers_to_add: Vec<HeaderValueOption>,
    pub per_connection: bool,
    pub x_ratelimit_headers: bool,
    pub retry_after_header: bool,
    pub resource_exhausted: bool,
}
