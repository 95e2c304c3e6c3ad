"""Clusters and endpoints (Envoy: `config.cluster.v3`, `config.endpoint.v3`)."""

from __future__ import annotations

from ferryman.config.model.address import Address, TcpKeepalive
from ferryman.config.model.http2_options import Http2ProtocolOptions
from ferryman.config.model.http_filters import HttpFilter
from ferryman.config.model.metadata import Metadata
from ferryman.config.model.runtime import RuntimeDouble
from ferryman.config.model.stats_matcher import StatsMatcher
from ferryman.config.model.struct import Model, Tagged
from ferryman.config.model.tls import UpstreamTls
from ferryman.config.model.upstream_connection import InternalUpstream, UpstreamBind, UpstreamProxyProtocol


class Endpoint(Model, frozen=True):
    """One endpoint. `health_status` is Envoy's word in lower case."""

    metadata: Metadata | None
    address: Address
    hostname: str
    weight: int
    health_status: str  # unknown | healthy | unhealthy | draining | timeout | degraded
    canary: bool


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
    active_request_bias: RuntimeDouble


LoadBalancingPolicy = RoundRobin | Random | LeastRequest


class ClusterTracking(Model, frozen=True):
    """Statistics that a cluster has only if they are asked for."""

    timeout_budgets: bool  # how much of its time each request used, in percent
    request_response_sizes: bool
    endpoints: bool


class Cluster(Model, frozen=True):
    """A cluster of static endpoints. `stat_name` is `alt_stat_name` or the name, as configured."""

    name: str
    metadata: Metadata | None
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
    http_protocol: str  # http1 | http2 | auto | downstream
    http2_protocol_options: Http2ProtocolOptions | None  # None: HTTP/1 alone is spoken
    max_response_headers_bytes: int
    max_response_headers_count: int
    enable_trailers: bool
    header_key_format: str  # as of a connection manager
    forward_reason_phrase: bool
    send_fully_qualified_url: bool
    max_stream_duration_ms: int | None
    tcp_keepalive: TcpKeepalive | None
    upstream_bind: UpstreamBind | None
    proxy_protocol: UpstreamProxyProtocol | None
    internal_upstream: InternalUpstream | None
    tls: UpstreamTls | None
    stats_matcher: StatsMatcher | None
    tracking: ClusterTracking
    upstream_http_filters: list[HttpFilter] | None  # None: the router's count
