//! The HTTP connection manager (Envoy: `http_connection_manager.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::{AccessLog, AccessLogEvents};
use super::address::CidrRange;
use super::http_filters::HttpFilter;
use super::http_filters::header_mutation::Mutation;
use super::local_reply::LocalReplyConfig;
use super::matcher::StringMatcher;
use super::route::{RouteConfiguration, ScopedRoutes};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodecType {
    Auto,
    Http1,
    Http2,
}

/// When the peer of a connection is asked whether it is there.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeepaliveSettings {
    pub interval_ms: Option<u64>,
    pub timeout_ms: u64,
    pub interval_jitter_percent: f64,
    pub connection_idle_interval_ms: Option<u64>,
}

/// Limits of HTTP/2. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http2ProtocolOptions {
    pub hpack_table_size: u32,
    pub max_concurrent_streams: u32,
    pub initial_stream_window_size: u32,
    pub initial_connection_window_size: u32,
    pub allow_connect: bool,
    pub max_outbound_frames: u32,
    pub max_outbound_control_frames: u32,
    pub max_consecutive_inbound_frames_with_empty_payload: u32,
    pub max_inbound_priority_frames_per_stream: u32,
    pub max_inbound_window_update_frames_per_data_frame_sent: u32,
    /// Whether a malformed message ends its stream alone.
    pub stream_error_on_invalid_http_message: bool,
    pub stream_reset_burst: u32,
    pub stream_reset_rate: u32,
    pub enable_huffman_encoding: bool,
    /// Identifiers and values.
    pub custom_settings: Vec<(u16, u32)>,
    pub connection_keepalive: Option<KeepaliveSettings>,
}

impl Default for Http2ProtocolOptions {
    /// Envoy's.
    fn default() -> Self {
        Http2ProtocolOptions {
            hpack_table_size: 4096,
            max_concurrent_streams: 1024,
            initial_stream_window_size: 16 << 20,
            initial_connection_window_size: 24 << 20,
            allow_connect: false,
            max_outbound_frames: 10_000,
            max_outbound_control_frames: 1_000,
            max_consecutive_inbound_frames_with_empty_payload: 1,
            max_inbound_priority_frames_per_stream: 100,
            max_inbound_window_update_frames_per_data_frame_sent: 10,
            stream_error_on_invalid_http_message: false,
            stream_reset_burst: 1000,
            stream_reset_rate: 33,
            enable_huffman_encoding: true,
            custom_settings: Vec::new(),
            connection_keepalive: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerHeaderTransformation {
    Overwrite,
    AppendIfAbsent,
    PassThrough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EscapedSlashesAction {
    Keep,
    Reject,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadersWithUnderscoresAction {
    Allow,
    RejectRequest,
    DropHeader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderKeyFormat {
    LowerCase,
    ProperCase,
    PreserveCase,
    PreserveCaseElseProper,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum IpDetection {
    Xff { xff_num_trusted_hops: u32, xff_trusted_cidrs: Vec<CidrRange>, skip_xff_append: bool },
    CustomHeader { header_name: String, trusted: bool, reject_status: Option<u16> },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardProtoConfig {
    pub https_destination_ports: Vec<u32>,
    pub http_destination_ports: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct ProxyStatusConfig {
    pub proxy_name: String,
    pub remove_details: bool,
    pub remove_connection_termination_details: bool,
    pub remove_response_flags: bool,
    pub set_recommended_response_code: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgent {
    pub service_cluster: String,
    pub service_node: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeConfig {
    pub upgrade_type: String,
    pub enabled: bool,
    pub filters: Vec<HttpFilter>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct HttpConnectionManager {
    pub stat_prefix: String,
    /// Where it stands in the configuration.
    pub place: String,
    pub codec_type: CodecType,
    pub http2_protocol_options: Http2ProtocolOptions,
    pub route_config: RouteConfiguration,
    pub scoped_routes: Option<ScopedRoutes>,
    pub http_filters: Vec<HttpFilter>,
    pub server_name: String,
    pub server_header_transformation: ServerHeaderTransformation,
    pub via: Option<String>,
    pub use_remote_address: bool,
    pub xff_num_trusted_hops: u32,
    pub skip_xff_append: bool,
    pub internal_cidr_ranges: Vec<CidrRange>,
    pub internal_unix_sockets: bool,
    pub generate_request_id: bool,
    pub preserve_external_request_id: bool,
    pub always_set_request_id_in_response: bool,
    pub proxy_100_continue: bool,
    /// None: as the runtime says.
    pub normalize_path: Option<bool>,
    pub merge_slashes: bool,
    /// None: as the runtime says.
    pub path_with_escaped_slashes_action: Option<EscapedSlashesAction>,
    pub strip_any_host_port: bool,
    pub strip_matching_host_port: bool,
    pub strip_trailing_host_dot: bool,
    pub scheme_to_overwrite: Option<String>,
    pub stream_error_on_invalid_http_message: bool,
    pub max_request_headers_bytes: usize,
    pub max_headers_count: usize,
    pub headers_with_underscores_action: HeadersWithUnderscoresAction,
    pub max_requests_per_connection: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub max_connection_duration_ms: Option<u64>,
    pub max_stream_duration_ms: Option<u64>,
    pub stream_idle_timeout_ms: Option<u64>,
    pub stream_flush_timeout_ms: Option<u64>,
    pub request_timeout_ms: Option<u64>,
    pub request_headers_timeout_ms: Option<u64>,
    pub drain_timeout_ms: u64,
    pub delayed_close_timeout_ms: Option<u64>,
    pub accept_http_10: bool,
    pub default_host_for_http_10: Option<String>,
    pub enable_trailers: bool,
    pub access_log: Vec<AccessLog>,
    pub access_log_events: AccessLogEvents,
    pub add_proxy_protocol_connection_state: bool,
    pub append_x_forwarded_port: bool,
    pub append_local_overload: bool,
    pub local_reply_config: LocalReplyConfig,
    pub upgrade_configs: Vec<UpgradeConfig>,
    pub ignored_upgrades: Vec<StringMatcher>,
    pub allow_custom_methods: bool,
    pub allow_absolute_url: bool,
    pub header_key_format: HeaderKeyFormat,
    pub original_ip_detection: Vec<IpDetection>,
    pub pack_trace_reason: bool,
    pub client_certificate: ClientCertificateDetails,
    pub scheme_matches_upstream: bool,
    pub max_connection_duration_jitter_percent: f64,
    pub drain_timeout_jitter_percent: f64,
    pub user_agent: Option<UserAgent>,
    pub forward_proto_config: Option<ForwardProtoConfig>,
    pub early_header_mutations: Vec<Mutation>,
    pub http1_safe_max_connection_duration: bool,
    pub record_route_resolution_stats: bool,
    pub proxy_status_config: Option<ProxyStatusConfig>,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardClientCert {
    #[default]
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct ClientCertificateDetails {
    pub mode: ForwardClientCert,
    pub subject: bool,
    pub cert: bool,
    pub chain: bool,
    pub dns: bool,
    pub uri: bool,
    pub issuer: bool,
    pub json: bool,
}
