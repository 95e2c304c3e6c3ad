//! The local rate limit filter (Envoy: `local_ratelimit.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::listener_filter::TokenBucket;
use super::super::rate_limit::{LocalRateLimitDescriptor, RateLimit};
use super::super::route::HeaderValueOption;
use super::super::runtime::RuntimeFractionalPercent;

/// When the rate limits of the virtual host count beside those of the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VhRateLimits {
    /// Where the route has none.
    Override,
    Include,
    Ignore,
}

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
    pub descriptors: Vec<LocalRateLimitDescriptor>,
    pub rate_limits: Vec<RateLimit>,
    pub stage: u32,
    pub vh_rate_limits: VhRateLimits,
    pub always_consume_default_token_bucket: bool,
    pub max_dynamic_descriptors: u32,
}
