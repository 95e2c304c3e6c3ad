//! HTTP filters and their configuration on routes (Envoy: `extensions.filters.http`): one line in each list a filter.
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

pub mod basic_auth;
pub mod buffer;
pub mod cors;
pub mod csrf;
pub mod fault;
pub mod health_check;

use basic_auth::{BasicAuth, BasicAuthPerRoute};
use buffer::{Buffer, BufferPerRoute};
use cors::{Cors, CorsPolicy};
use csrf::CsrfPolicy;
use fault::Fault;
use health_check::HealthCheck;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    pub dynamic_stats: bool,
    pub suppress_envoy_headers: bool,
    pub start_child_span: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HttpFilterConfig {
    Router(Router),
    Buffer(Buffer),
    BasicAuth(BasicAuth),
    Cors(Cors),
    Csrf(CsrfPolicy),
    Fault(Fault),
    HealthCheck(HealthCheck),
}

/// What a route, or a level above or below it, says to one filter.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PerRouteConfig {
    Buffer(BufferPerRoute),
    BasicAuth(BasicAuthPerRoute),
    Cors(CorsPolicy),
    Csrf(CsrfPolicy),
    Fault(Fault),
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
