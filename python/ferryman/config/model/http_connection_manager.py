"""The HTTP connection manager (Envoy: `http_connection_manager.v3`)."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLog, AccessLogEvents
from ferryman.config.model.address import CidrRange
from ferryman.config.model.http2_options import Http2ProtocolOptions
from ferryman.config.model.http_filters import HeaderEdit, HttpFilter
from ferryman.config.model.local_reply import LocalReplyConfig
from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.route import RouteConfiguration, ScopedRoutes
from ferryman.config.model.struct import Model, Tagged


class XffDetection(Tagged, tag="xff", frozen=True):
    """The client is in `x-forwarded-for`: before so many trusted proxies, or before those of these ranges.

    No ranges: hops are counted.
    """

    xff_num_trusted_hops: int
    xff_trusted_cidrs: list[CidrRange]
    skip_xff_append: bool


class CustomHeaderDetection(Tagged, tag="custom_header", frozen=True):
    """The client is in this header (lower case); `reject_status`: the answer where it is not."""

    header_name: str
    trusted: bool
    reject_status: int | None


IpDetection = XffDetection | CustomHeaderDetection


class ForwardProtoConfig(Model, frozen=True):
    """The scheme of a connection by the port of its restored local address; the first list comes first."""

    https_destination_ports: list[int]
    http_destination_ports: list[int]


class ProxyStatusConfig(Model, frozen=True):
    """What `proxy-status` tells (RFC 9209)."""

    proxy_name: str
    remove_details: bool
    remove_connection_termination_details: bool
    remove_response_flags: bool
    set_recommended_response_code: bool


class UserAgent(Model, frozen=True):
    """Who this process says it is to upstreams; an empty node is not told."""

    service_cluster: str
    service_node: str


class UpgradeConfig(Model, frozen=True):
    """Another protocol that a request may ask for. No filters: those of the connection manager."""

    upgrade_type: str
    enabled: bool
    filters: list[HttpFilter]


class ClientCertificateDetails(Model, frozen=True):
    """What becomes of `x-forwarded-client-cert`, and what its elements tell beside the hash."""

    mode: str  # sanitize | forward_only | append_forward | sanitize_set | always_forward_only
    subject: bool
    cert: bool
    chain: bool
    dns: bool
    uri: bool
    issuer: bool
    json: bool  # the form of the first element; later ones have that of those before


class HttpConnectionManager(Tagged, tag="http_connection_manager", frozen=True):
    """`envoy.filters.network.http_connection_manager`. Timeouts of None are off."""

    stat_prefix: str
    place: str
    """Its path in the configuration."""
    codec_type: str  # auto | http1 | http2
    http2_protocol_options: Http2ProtocolOptions
    route_config: RouteConfiguration  # without virtual hosts where there are scoped routes
    scoped_routes: ScopedRoutes | None
    http_filters: list[HttpFilter]
    server_name: str
    server_header_transformation: str  # overwrite | append_if_absent | pass_through
    via: str | None
    use_remote_address: bool
    xff_num_trusted_hops: int
    skip_xff_append: bool
    internal_cidr_ranges: list[CidrRange]
    internal_unix_sockets: bool
    generate_request_id: bool
    preserve_external_request_id: bool
    always_set_request_id_in_response: bool
    proxy_100_continue: bool
    normalize_path: bool | None  # None: as the runtime says
    merge_slashes: bool
    # keep | reject | unescape_and_redirect | unescape_and_forward; None: as the runtime says
    path_with_escaped_slashes_action: str | None
    strip_any_host_port: bool
    strip_matching_host_port: bool
    strip_trailing_host_dot: bool
    scheme_to_overwrite: str | None
    stream_error_on_invalid_http_message: bool
    max_request_headers_bytes: int
    max_headers_count: int
    headers_with_underscores_action: str  # allow | reject_request | drop_header
    max_requests_per_connection: int | None
    idle_timeout_ms: int | None
    max_connection_duration_ms: int | None
    max_stream_duration_ms: int | None
    stream_idle_timeout_ms: int | None
    stream_flush_timeout_ms: int | None  # of a whole response that waits for a window of HTTP/2
    request_timeout_ms: int | None
    request_headers_timeout_ms: int | None
    drain_timeout_ms: int
    delayed_close_timeout_ms: int | None
    accept_http_10: bool
    default_host_for_http_10: str | None
    enable_trailers: bool
    access_log: list[AccessLog]
    access_log_events: AccessLogEvents
    add_proxy_protocol_connection_state: bool
    append_x_forwarded_port: bool
    append_local_overload: bool
    local_reply_config: LocalReplyConfig
    upgrade_configs: list[UpgradeConfig]
    ignored_upgrades: list[StringMatcher]
    allow_custom_methods: bool
    allow_absolute_url: bool
    header_key_format: str  # lower_case | proper_case | preserve_case | preserve_case_else_proper
    original_ip_detection: list[IpDetection]
    pack_trace_reason: bool
    client_certificate: ClientCertificateDetails
    scheme_matches_upstream: bool
    max_connection_duration_jitter_percent: float  # 0 to 100
    drain_timeout_jitter_percent: float
    user_agent: UserAgent | None
    forward_proto_config: ForwardProtoConfig | None
    early_header_mutations: list[HeaderEdit]
    http1_safe_max_connection_duration: bool
    record_route_resolution_stats: bool
    proxy_status_config: ProxyStatusConfig | None
