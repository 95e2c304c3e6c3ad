//! Route tables (Envoy: `config.route.v3.RouteConfiguration`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::format::Format;
use super::http_filters::RouteFilterConfig;
use super::local_reply::BodyFormat;
use super::match_tree::MatchTree;
use super::matcher::{
    CookieMatcher, FilterStateMatcher, HeaderMatcher, MetadataMatcher, QueryParameterMatcher,
};
use super::metadata::Metadata;
use super::rate_limit::RateLimit;
use super::redirect::RedirectAction;
use super::runtime::RuntimeFractionalPercent;
use super::upstream_connection::UpstreamProxyProtocol;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AppendAction {
    AppendIfExistsOrAdd,
    AddIfAbsent,
    OverwriteIfExistsOrAdd,
    OverwriteIfExists,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderValueOption {
    pub name: String,
    pub value: Format,
    pub append_action: AppendAction,
    pub keep_empty_value: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMutations {
    pub request_headers_to_add: Vec<HeaderValueOption>,
    pub request_headers_to_remove: Vec<String>,
    pub response_headers_to_add: Vec<HeaderValueOption>,
    pub response_headers_to_remove: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PathMatch {
    Prefix { value: String, case_sensitive: bool },
    Path { value: String, case_sensitive: bool },
    SafeRegex { regex: String },
    PathSeparatedPrefix { value: String, case_sensitive: bool },
    Connect {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    pub path: PathMatch,
    pub headers: Vec<HeaderMatcher>,
    pub query_parameters: Vec<QueryParameterMatcher>,
    pub runtime_fraction: Option<RuntimeFractionalPercent>,
    pub cookies: Vec<CookieMatcher>,
    pub grpc: bool,
    pub tls_presented: Option<bool>,
    pub tls_validated: Option<bool>,
    pub dynamic_metadata: Vec<MetadataMatcher>,
    pub filter_state: Vec<FilterStateMatcher>,
}

impl RouteMatch {
    /// Asks for nothing but a path.
    #[must_use]
    pub fn of_path(path: PathMatch) -> Self {
        RouteMatch {
            path,
            headers: Vec::new(),
            query_parameters: Vec::new(),
            cookies: Vec::new(),
            grpc: false,
            tls_presented: None,
            tls_validated: None,
            dynamic_metadata: Vec::new(),
            filter_state: Vec::new(),
            runtime_fraction: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegexRewrite {
    pub regex: String,
    pub substitution: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedCluster {
    pub name: String,
    pub cluster_header: Option<String>,
    pub weight: u32,
    pub headers: HeaderMutations,
    pub host_rewrite_literal: Option<String>,
    pub filter_config: Vec<RouteFilterConfig>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClusterSpecifier {
    Cluster {
        name: String,
    },
    ClusterHeader {
        name: String,
    },
    WeightedClusters {
        clusters: Vec<WeightedCluster>,
        header_name: Option<String>,
        runtime_key_prefix: String,
    },
    Matcher {
        tree: MatchTree,
        clusters: Vec<String>,
    },
    None {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostRewrite {
    Literal { value: String },
    Auto {},
    Header { name: String },
    PathRegex { rewrite: RegexRewrite },
    Format { format: Format },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingPriority {
    Default,
    High,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InternalRedirectPredicate {
    SafeCrossScheme {},
    AllowListedRoutes { names: Vec<String> },
    PreviousRoutes {},
    FilterState { key: String, if_absent: bool },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InternalRedirectPolicy {
    pub max_internal_redirects: u32,
    pub redirect_response_codes: Vec<u16>,
    pub allow_cross_scheme_redirect: bool,
    pub response_headers_to_copy: Vec<String>,
    pub predicates: Vec<InternalRedirectPredicate>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteAction {
    pub cluster: ClusterSpecifier,
    pub cluster_not_found_response_code: u16,
    pub prefix_rewrite: Option<String>,
    pub regex_rewrite: Option<RegexRewrite>,
    pub path_rewrite: Option<Format>,
    pub host_rewrite: Option<HostRewrite>,
    pub append_x_forwarded_host: bool,
    pub timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub idle_timeout_set: bool,
    pub flush_timeout_ms: Option<u64>,
    pub flush_timeout_set: bool,
    pub max_stream_duration_ms: Option<u64>,
    pub max_stream_duration_set: bool,
    pub max_grpc_timeout_ms: Option<u64>,
    pub grpc_timeout_offset_ms: u64,
    pub grpc_timeout_header_max_ms: Option<u64>,
    pub grpc_timeout_header_offset_ms: u64,
    pub priority: RoutingPriority,
    pub upgrade_configs: Vec<RouteUpgradeConfig>,
    pub internal_redirect: Option<InternalRedirectPolicy>,
    pub rate_limits: Vec<RateLimit>,
    pub include_vh_rate_limits: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectConfig {
    pub allow_post: bool,
    pub proxy_protocol: Option<UpstreamProxyProtocol>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteUpgradeConfig {
    pub upgrade_type: String,
    pub enabled: bool,
    pub connect_config: Option<ConnectConfig>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DirectResponseAction {
    pub status: u16,
    #[serde(with = "super::bytes")]
    pub body: Vec<u8>,
    pub body_format: Option<BodyFormat>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    Route(Box<RouteAction>),
    Redirect(Box<RedirectAction>),
    DirectResponse(DirectResponseAction),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub name: String,
    pub metadata: Option<Metadata>,
    pub place: String,
    #[serde(rename = "match")]
    pub matching: RouteMatch,
    pub action: Action,
    pub headers: HeaderMutations,
    pub filter_config: Vec<RouteFilterConfig>,
    pub request_body_buffer_limit_bytes: Option<u64>,
    pub stat_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualCluster {
    pub name: String,
    pub headers: Vec<HeaderMatcher>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequireTls {
    None,
    ExternalOnly,
    All,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatcher {
    pub tree: MatchTree,
    pub actions: Vec<Vec<Route>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualHost {
    pub name: String,
    pub metadata: Option<Metadata>,
    pub domains: Vec<String>,
    pub routes: Vec<Route>,
    pub matcher: Option<RouteMatcher>,
    pub include_request_attempt_count: bool,
    pub include_attempt_count_in_response: bool,
    pub headers: HeaderMutations,
    pub require_tls: RequireTls,
    pub filter_config: Vec<RouteFilterConfig>,
    pub virtual_clusters: Vec<VirtualCluster>,
    pub rate_limits: Vec<RateLimit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeKeyFragment {
    pub header: String,
    pub element_separator: String,
    pub index: usize,
    pub key: Option<String>,
    pub key_separator: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteScope {
    pub name: String,
    pub key: Vec<String>,
    pub route_config: RouteConfiguration,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScopedRoutes {
    pub fragments: Vec<ScopeKeyFragment>,
    pub scopes: Vec<RouteScope>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfiguration {
    pub name: String,
    pub filter_config: Vec<RouteFilterConfig>,
    pub virtual_hosts: Vec<VirtualHost>,
    pub headers: HeaderMutations,
    pub internal_only_headers: Vec<String>,
    pub most_specific_header_mutations_wins: bool,
    pub ignore_port_in_host_matching: bool,
    pub vhost_header: Option<String>,
    pub ignore_path_parameters_in_path_matching: bool,
    pub max_direct_response_body_size_bytes: u64,
}
