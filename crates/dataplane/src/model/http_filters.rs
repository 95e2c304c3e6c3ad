//! HTTP filters and their configuration on routes (Envoy: `extensions.filters.http`): one line in each list a filter.
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::{AccessLog, AccessLogEvents};

pub mod basic_auth;
pub mod buffer;
pub mod compressor;
pub mod cors;
pub mod csrf;
pub mod decompressor;
pub mod custom_response;
pub mod fault;
pub mod grpc;
pub mod health_check;
pub mod header_mutation;
pub mod header_to_metadata;
pub mod local_ratelimit;
pub mod set_filter_state;
pub mod set_metadata;

use basic_auth::{BasicAuth, BasicAuthPerRoute};
use buffer::{Buffer, BufferPerRoute};
use compressor::{Compressor, CompressorPerRoute};
use cors::{Cors, CorsPolicy};
use csrf::CsrfPolicy;
use custom_response::CustomResponse;
use decompressor::Decompressor;
use fault::Fault;
use grpc::{GrpcHttp1Bridge, GrpcStats, GrpcWeb};
use header_mutation::{HeaderMutation, HeaderMutationPerRoute};
use header_to_metadata::HeaderToMetadata;
use health_check::HealthCheck;
use local_ratelimit::LocalRatelimit;
use set_filter_state::SetFilterState;
use set_metadata::SetMetadata;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct Router {
    pub dynamic_stats: bool,
    pub suppress_envoy_headers: bool,
    pub start_child_span: bool,
    pub strict_check_headers: Vec<StrictCheckHeader>,
    pub respect_expected_rq_timeout: bool,
    pub suppress_grpc_request_failure_code_stats: bool,
    pub reject_connect_request_early_data: bool,
    pub upstream_log: Vec<AccessLog>,
    pub upstream_log_events: AccessLogEvents,
    pub upstream_http_filters: Option<Vec<HttpFilter>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum StrictCheckHeader {
    #[serde(rename = "x-envoy-upstream-rq-timeout-ms")]
    UpstreamRqTimeoutMs,
    #[serde(rename = "x-envoy-upstream-rq-per-try-timeout-ms")]
    UpstreamRqPerTryTimeoutMs,
    #[serde(rename = "x-envoy-max-retries")]
    MaxRetries,
    #[serde(rename = "x-envoy-retry-grpc-on")]
    RetryGrpcOn,
    #[serde(rename = "x-envoy-retry-on")]
    RetryOn,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HttpFilterConfig {
    Router(Router),
    Buffer(Buffer),
    BasicAuth(BasicAuth),
    Compressor(Compressor),
    Cors(Cors),
    Csrf(CsrfPolicy),
    Decompressor(Decompressor),
    CustomResponse(CustomResponse),
    Fault(Fault),
    GrpcHttp1Bridge(GrpcHttp1Bridge),
    GrpcStats(GrpcStats),
    GrpcWeb(GrpcWeb),
    HealthCheck(HealthCheck),
    HeaderMutation(HeaderMutation),
    HeaderToMetadata(HeaderToMetadata),
    LocalRatelimit(LocalRatelimit),
    SetFilterState(SetFilterState),
    SetMetadata(SetMetadata),
}

/// What a route, or a level above or below it, says to one filter.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PerRouteConfig {
    Buffer(BufferPerRoute),
    BasicAuth(BasicAuthPerRoute),
    Compressor(CompressorPerRoute),
    Cors(CorsPolicy),
    Csrf(CsrfPolicy),
    CustomResponse(CustomResponse),
    /// Boxed, for it is far larger than the others.
    Fault(Box<Fault>),
    HeaderMutation(HeaderMutationPerRoute),
    HeaderToMetadata(HeaderToMetadata),
    LocalRatelimit(LocalRatelimit),
    SetFilterState(SetFilterState),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpFilter {
    pub name: String,
    pub disabled: bool,
    pub config: HttpFilterConfig,
}

/// By the filter's name in the list; `config` none: only whether it is disabled.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFilterConfig {
    pub filter_name: String,
    pub disabled: bool,
    pub config: Option<PerRouteConfig>,
}
