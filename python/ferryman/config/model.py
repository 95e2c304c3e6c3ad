"""What lowering yields and the data plane takes: frozen, complete, without "absent means".

Owns the shape of everything that crosses into Rust; `crates/dataplane/src/model` is its twin, and the golden
files in `tests/model/` are read by both. It does not know protobuf, defaults or positions: every default is
already filled in, every name resolved, every duration is in milliseconds (`_ms`) and every size in bytes
(`_bytes`). `None` stands for "off" or "no limit", never for "the default". Imports nothing of Ferryman.
"""

from __future__ import annotations

from msgspec import Struct


class Model(Struct, frozen=True, kw_only=True):
    """One piece of the model; encoded as a map with named fields."""


class Tagged(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """One alternative of a choice; the field `kind` names it."""


# ---------------------------------------------------------------- addresses


class SocketAddress(Tagged, tag="socket", frozen=True):
    """An IP address and a port; port 0 asks the kernel for one."""

    ip: str
    port: int
    ipv4_compat: bool


class Pipe(Tagged, tag="pipe", frozen=True):
    """A Unix domain socket; a path that starts with `@` is in the abstract namespace. `mode` 0: leave."""

    path: str
    mode: int


Address = SocketAddress | Pipe


class CidrRange(Model, frozen=True):
    """`address_prefix`/`prefix_len`, already masked."""

    address_prefix: str
    prefix_len: int


# ---------------------------------------------------------------- formats and matchers


class Literal(Tagged, tag="literal", frozen=True):
    """Text that stands as it is."""

    text: str


class Operator(Tagged, tag="operator", frozen=True):
    """A command operator, `%NAME(argument):max_length%`, of Envoy's access log page."""

    name: str
    argument: str | None
    max_length: int | None


Format = list[Literal | Operator]


class JsonFormat(Tagged, tag="format", frozen=True):
    """A value made of operators. One operator alone keeps its type (number, null, object)."""

    format: Format


class JsonObject(Tagged, tag="object", frozen=True):
    """Fields in the order in which they are written."""

    fields: list[tuple[str, JsonValue]]


class JsonArray(Tagged, tag="array", frozen=True):
    """Elements in order."""

    elements: list[JsonValue]


class JsonNumber(Tagged, tag="number", frozen=True):
    """A literal number."""

    value: float


class JsonBool(Tagged, tag="bool", frozen=True):
    """A literal boolean."""

    value: bool


class JsonNull(Tagged, tag="null", frozen=True):
    """A literal null."""


JsonValue = JsonFormat | JsonObject | JsonArray | JsonNumber | JsonBool | JsonNull


class TextLog(Tagged, tag="text", frozen=True):
    """A text line; the format carries its own newline."""

    format: Format
    omit_empty_values: bool


class JsonLog(Tagged, tag="json", frozen=True):
    """One JSON object a line."""

    root: JsonObject
    omit_empty_values: bool


class RegexMatch(Tagged, tag="regex", frozen=True):
    """The whole value matches; RE2 syntax, checked with the data plane's own engine."""

    regex: str


class ExactMatch(Tagged, tag="exact", frozen=True):
    """The whole value is equal."""

    value: str
    ignore_case: bool


class PrefixMatch(Tagged, tag="prefix", frozen=True):
    """The value starts so."""

    value: str
    ignore_case: bool


class SuffixMatch(Tagged, tag="suffix", frozen=True):
    """The value ends so."""

    value: str
    ignore_case: bool


class ContainsMatch(Tagged, tag="contains", frozen=True):
    """The value has it inside."""

    value: str
    ignore_case: bool


StringMatcher = ExactMatch | PrefixMatch | SuffixMatch | ContainsMatch | RegexMatch


class HeaderPresent(Tagged, tag="present", frozen=True):
    """Whether the header is there at all (`present`: true, wanted; false, unwanted)."""

    present: bool


class HeaderRange(Tagged, tag="range", frozen=True):
    """A decimal integer with start <= value < end."""

    start: int
    end: int


class HeaderString(Tagged, tag="string", frozen=True):
    """A string match on the value."""

    matcher: StringMatcher


class HeaderMatcher(Model, frozen=True):
    """One header condition of a route. `name` is lower case."""

    name: str
    match: HeaderPresent | HeaderRange | HeaderString
    invert_match: bool
    treat_missing_header_as_empty: bool


class QueryParameterMatcher(Model, frozen=True):
    """One query parameter condition; `match` None asks for presence only (`present`)."""

    name: str
    match: StringMatcher | None
    present: bool


class HeaderValueOption(Model, frozen=True):
    """One header to add; `name` is lower case. `append_action` is Envoy's word in lower case."""

    name: str
    value: Format
    append_action: str  # append_if_exists_or_add | add_if_absent | overwrite_if_exists[_or_add]
    keep_empty_value: bool


class HeaderMutations(Model, frozen=True):
    """What one level (route table, virtual host, route, weighted cluster) does to the headers."""

    request_headers_to_add: list[HeaderValueOption]
    request_headers_to_remove: list[str]
    response_headers_to_add: list[HeaderValueOption]
    response_headers_to_remove: list[str]


# ---------------------------------------------------------------- routes


class PathPrefix(Tagged, tag="prefix", frozen=True):
    """`:path` without query starts so."""

    value: str
    case_sensitive: bool


class PathExact(Tagged, tag="path", frozen=True):
    """`:path` without query is equal."""

    value: str
    case_sensitive: bool


class PathRegex(Tagged, tag="safe_regex", frozen=True):
    """`:path` without query matches as a whole."""

    regex: str


class PathSeparatedPrefix(Tagged, tag="path_separated_prefix", frozen=True):
    """`:path` is equal or goes on with `/` after it."""

    value: str
    case_sensitive: bool


class RouteMatch(Model, frozen=True):
    """All conditions of a route; every one must hold."""

    path: PathPrefix | PathExact | PathRegex | PathSeparatedPrefix
    headers: list[HeaderMatcher]
    query_parameters: list[QueryParameterMatcher]


class RegexRewrite(Model, frozen=True):
    r"""`\N` in `substitution` is the Nth group."""

    regex: str
    substitution: str


class ClusterName(Tagged, tag="cluster", frozen=True):
    """One fixed cluster."""

    name: str


class ClusterHeader(Tagged, tag="cluster_header", frozen=True):
    """The request header (lower case) that names the cluster."""

    name: str


class WeightedCluster(Model, frozen=True):
    """One choice of several, taken `weight` times in the sum of all weights."""

    name: str
    weight: int
    headers: HeaderMutations
    host_rewrite_literal: str | None


class WeightedClusters(Tagged, tag="weighted_clusters", frozen=True):
    """Several clusters, weights > 0 in sum. `header_name`: a request header that holds the random value."""

    clusters: list[WeightedCluster]
    header_name: str | None


ClusterSpecifier = ClusterName | ClusterHeader | WeightedClusters


class HostRewriteLiteral(Tagged, tag="literal", frozen=True):
    """Host becomes this."""

    value: str


class HostRewriteAuto(Tagged, tag="auto", frozen=True):
    """Host becomes the chosen endpoint's hostname, if it has one."""


class HostRewriteHeader(Tagged, tag="header", frozen=True):
    """Host becomes this request header's value, if it is there."""

    name: str


class HostRewritePathRegex(Tagged, tag="path_regex", frozen=True):
    """Host is made from the path without query."""

    rewrite: RegexRewrite


HostRewrite = HostRewriteLiteral | HostRewriteAuto | HostRewriteHeader | HostRewritePathRegex


class RouteAction(Tagged, tag="route", frozen=True):
    """Forward to a cluster."""

    cluster: ClusterSpecifier
    cluster_not_found_response_code: int  # 404 | 500 | 503
    prefix_rewrite: str | None
    regex_rewrite: RegexRewrite | None
    host_rewrite: HostRewrite | None
    append_x_forwarded_host: bool
    timeout_ms: int | None
    idle_timeout_ms: int | None  # the route's own; None: the connection manager's stream_idle_timeout holds
    idle_timeout_set: bool  # True with idle_timeout_ms None: switched off for this route
    max_stream_duration_ms: int | None  # the route's own; None: the connection manager's holds
    max_stream_duration_set: bool  # True with max_stream_duration_ms None: switched off for this route
    priority: str  # default | high


class RedirectAction(Tagged, tag="redirect", frozen=True):
    """Answer with a Location."""

    https_redirect: bool
    scheme_redirect: str | None
    host_redirect: str | None
    port_redirect: int | None
    path_redirect: str | None
    prefix_rewrite: str | None
    regex_rewrite: RegexRewrite | None
    response_code: int  # 301 | 302 | 303 | 307 | 308
    strip_query: bool


class DirectResponseAction(Tagged, tag="direct_response", frozen=True):
    """Answer from the configuration; the body is read at load."""

    status: int
    body: bytes


class Route(Model, frozen=True):
    """One route of a virtual host; `name` may be empty. `place` is where it stands in the configuration."""

    name: str
    place: str
    match: RouteMatch
    action: RouteAction | RedirectAction | DirectResponseAction
    headers: HeaderMutations
    filter_config: list[RouteFilterConfig]
    request_body_buffer_limit_bytes: int | None


class RouteFilterConfig(Model, frozen=True):
    """Per-route configuration of one HTTP filter, by the filter's name in the chain."""

    filter_name: str
    disabled: bool


class VirtualHost(Model, frozen=True):
    """A set of domains and its routes, first match wins. Domains are lower case."""

    name: str
    domains: list[str]
    routes: list[Route]
    headers: HeaderMutations
    require_tls: str  # none | external_only | all
    filter_config: list[RouteFilterConfig]


class RouteConfiguration(Model, frozen=True):
    """A route table."""

    name: str
    virtual_hosts: list[VirtualHost]
    headers: HeaderMutations
    internal_only_headers: list[str]
    most_specific_header_mutations_wins: bool
    ignore_port_in_host_matching: bool
    max_direct_response_body_size_bytes: int


# ---------------------------------------------------------------- access logs


class FileSink(Tagged, tag="file", frozen=True):
    """A file; it is opened at load and reopened on SIGUSR1."""

    path: str


class StdoutSink(Tagged, tag="stdout", frozen=True):
    """Standard output."""


class StderrSink(Tagged, tag="stderr", frozen=True):
    """Standard error."""


class AccessLog(Model, frozen=True):
    """One access log of a listener, connection manager, tcp_proxy or of admin."""

    sink: FileSink | StdoutSink | StderrSink
    format: TextLog | JsonLog
    filter: AccessLogFilter | None


class Comparison(Model, frozen=True):
    """`op` is eq, ge, le or ne."""

    op: str
    value: int


class StatusCodeFilter(Tagged, tag="status_code", frozen=True):
    """Compares the response code (0 when there is none)."""

    comparison: Comparison


class DurationFilter(Tagged, tag="duration", frozen=True):
    """Compares the duration in milliseconds."""

    comparison: Comparison


class ResponseFlagFilter(Tagged, tag="response_flag", frozen=True):
    """Any of these flags; none given: any flag at all."""

    flags: list[str]


class HeaderFilter(Tagged, tag="header", frozen=True):
    """A request header condition."""

    header: HeaderMatcher


class AndFilter(Tagged, tag="and", frozen=True):
    """All hold."""

    filters: list[AccessLogFilter]


class OrFilter(Tagged, tag="or", frozen=True):
    """At least one holds."""

    filters: list[AccessLogFilter]


class NotHealthCheckFilter(Tagged, tag="not_health_check", frozen=True):
    """The request is no health check."""


AccessLogFilter = (
    StatusCodeFilter
    | DurationFilter
    | ResponseFlagFilter
    | HeaderFilter
    | AndFilter
    | OrFilter
    | NotHealthCheckFilter
)

# ---------------------------------------------------------------- network filters


class TcpCluster(Model, frozen=True):
    """One cluster of tcp_proxy with its weight."""

    name: str
    weight: int


class TcpProxy(Tagged, tag="tcp_proxy", frozen=True):
    """`envoy.filters.network.tcp_proxy`."""

    stat_prefix: str
    clusters: list[TcpCluster]
    idle_timeout_ms: int | None
    max_downstream_connection_duration_ms: int | None
    max_connect_attempts: int
    access_log: list[AccessLog]


class Router(Tagged, tag="router", frozen=True):
    """`envoy.filters.http.router`."""

    dynamic_stats: bool
    suppress_envoy_headers: bool
    start_child_span: bool


class HttpFilter(Model, frozen=True):
    """One HTTP filter in the chain; `name` is its name in the configuration."""

    name: str
    disabled: bool
    config: Router


class HttpConnectionManager(Tagged, tag="http_connection_manager", frozen=True):
    """`envoy.filters.network.http_connection_manager`. Timeouts of None are off."""

    stat_prefix: str
    codec_type: str  # auto | http1
    route_config: RouteConfiguration
    http_filters: list[HttpFilter]
    server_name: str
    server_header_transformation: str  # overwrite | append_if_absent | pass_through
    via: str | None
    use_remote_address: bool
    xff_num_trusted_hops: int
    skip_xff_append: bool
    represent_ipv4_remote_address_as_ipv4_mapped_ipv6: bool
    internal_cidr_ranges: list[CidrRange]
    internal_unix_sockets: bool
    generate_request_id: bool
    preserve_external_request_id: bool
    always_set_request_id_in_response: bool
    proxy_100_continue: bool
    normalize_path: bool
    merge_slashes: bool
    path_with_escaped_slashes_action: str  # keep | reject | unescape_and_redirect | unescape_and_forward
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
    request_timeout_ms: int | None
    request_headers_timeout_ms: int | None
    drain_timeout_ms: int
    delayed_close_timeout_ms: int | None
    accept_http_10: bool
    default_host_for_http_10: str | None
    enable_trailers: bool
    access_log: list[AccessLog]
    add_proxy_protocol_connection_state: bool
    append_x_forwarded_port: bool
    append_local_overload: bool


NetworkFilter = TcpProxy | HttpConnectionManager

# ---------------------------------------------------------------- listeners


class FilterChainMatch(Model, frozen=True):
    """Conditions of a filter chain; an empty list is no condition."""

    destination_port: int | None
    prefix_ranges: list[CidrRange]
    direct_source_prefix_ranges: list[CidrRange]
    source_type: str  # any | same_ip_or_loopback | external
    source_prefix_ranges: list[CidrRange]
    source_ports: list[int]
    transport_protocol: str  # "" | raw_buffer | other (never matches without tls_inspector)


class FilterChain(Model, frozen=True):
    """A chain of network filters; the last one ends it."""

    name: str
    match: FilterChainMatch
    filters: list[NetworkFilter]
    transport_socket_connect_timeout_ms: int | None


class Listener(Model, frozen=True):
    """A listener. `stat_prefix` is what stands after `listener.`."""

    name: str
    place: str
    stat_prefix: str
    addresses: list[Address]
    bind_to_port: bool
    reuse_port: bool
    freebind: bool
    transparent: bool
    tcp_backlog_size: int | None
    tcp_fast_open_queue_length: int | None
    per_connection_buffer_limit_bytes: int
    filter_chains: list[FilterChain]
    default_filter_chain: FilterChain | None
    access_log: list[AccessLog]
    traffic_direction: str  # unspecified | inbound | outbound
    ignore_global_conn_limit: bool
    max_connections_to_accept_per_socket_event: int | None
    stat_tags: list[tuple[str, str]]


# ---------------------------------------------------------------- clusters


class Endpoint(Model, frozen=True):
    """One endpoint. `health_status` is Envoy's word in lower case."""

    address: Address
    hostname: str
    weight: int
    health_status: str  # unknown | healthy | unhealthy | draining | timeout | degraded


class LocalityEndpoints(Model, frozen=True):
    """The endpoints of one locality and priority."""

    region: str
    zone: str
    sub_zone: str
    priority: int
    endpoints: list[Endpoint]


class CircuitBreakerThresholds(Model, frozen=True):
    """Limits of one priority."""

    max_connections: int
    max_pending_requests: int
    max_requests: int
    max_retries: int
    max_connection_pools: int | None
    track_remaining: bool


class RoundRobin(Tagged, tag="round_robin", frozen=True):
    """Each in turn, by weight."""


class Random(Tagged, tag="random", frozen=True):
    """Any."""


class LeastRequest(Tagged, tag="least_request", frozen=True):
    """The one with the fewest active requests of `choice_count` drawn; with weights: by weight and load."""

    choice_count: int
    active_request_bias: float


LoadBalancingPolicy = RoundRobin | Random | LeastRequest


class TcpKeepalive(Model, frozen=True):
    """None leaves the system's value. Seconds, as the socket options are."""

    probes: int | None
    time_s: int | None
    interval_s: int | None


class Cluster(Model, frozen=True):
    """A cluster of static endpoints. `stat_name` is `alt_stat_name` or the name."""

    name: str
    place: str
    stat_name: str
    connect_timeout_ms: int
    per_connection_buffer_limit_bytes: int
    localities: list[LocalityEndpoints]
    overprovisioning_factor: int
    healthy_panic_threshold_percent: float
    load_balancing_policy: LoadBalancingPolicy
    circuit_breakers_default: CircuitBreakerThresholds
    circuit_breakers_high: CircuitBreakerThresholds
    per_host_max_connections: int | None
    max_requests_per_connection: int | None
    idle_timeout_ms: int | None
    max_connection_duration_ms: int | None
    max_response_headers_bytes: int
    max_response_headers_count: int
    enable_trailers: bool
    tcp_keepalive: TcpKeepalive | None
    stat_tags: list[tuple[str, str]]


# ---------------------------------------------------------------- the process


class Admin(Model, frozen=True):
    """The admin listener."""

    address: Address
    access_log: list[AccessLog]
    allow_paths: list[StringMatcher]


class HistogramBuckets(Model, frozen=True):
    """Which bucket bounds (milliseconds or plain) hold for the histograms whose names match."""

    match: StringMatcher
    buckets: list[float]


class TagSpecifier(Model, frozen=True):
    """One tag: a regex with up to two groups, or a fixed value."""

    tag_name: str
    regex: str | None
    fixed_value: str | None


class StatsConfig(Model, frozen=True):
    """How stats are named and which exist."""

    tags: list[TagSpecifier]
    use_all_default_tags: bool
    histogram_buckets: list[HistogramBuckets]


class Bootstrap(Model, frozen=True):
    """Everything that is neither a listener nor a cluster."""

    admin: Admin | None
    node_id: str
    node_cluster: str
    node_region: str
    node_zone: str
    node_sub_zone: str
    concurrency: int
    drain_time_ms: int
    drain_strategy: str  # gradual | immediate
    file_flush_interval_ms: int
    file_flush_min_size_bytes: int
    stats: StatsConfig
    stats_flush_interval_ms: int
    header_prefix: str  # x-envoy
