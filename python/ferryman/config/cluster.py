"""Clusters: groups of upstream hosts and how Ferryman connects to them.

Owns Cluster, its circuit breakers and upstream HTTP options, in the present and the deprecated spellings.
Endpoints are `endpoint.py`, the choice among them `load_balancing_policies.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/cluster.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.endpoint import OVERPROVISIONING_FACTOR, lower_load_assignment
from ferryman.config.fields import EMPTY, Fields, refuse
from ferryman.config.load_balancing_policies import NO_ZONES, lower_load_balancing_policy
from ferryman.config.metadata import lower_metadata
from ferryman.config.protocol_options import NO_UPSTREAM_TLS, lower_upstream_http
from ferryman.config.secrets import Secrets
from ferryman.config.socket_options import lower_tcp_keepalive
from ferryman.config.stats_config import lower_stats_matcher
from ferryman.config.transport_socket import UpstreamSocket, lower_upstream_transport_socket
from ferryman.config.upstream_bind import lower_upstream_bind

_NO_DNS: Final = "a STATIC cluster resolves no names"
_NO_CHECKS: Final = "there are no active health checks"
_CONNECTIONS_ONLY: Final = (
    "max_pending_requests",
    "max_requests",
    "max_retries",
    "track_remaining",
    "max_connection_pools",
    "retry_budget",
)
_OTHER_POLICY: Final = "it configures another load balancing policy than the one in use"

_CLUSTER = Fields(
    "envoy.config.cluster.v3.Cluster",
    "name metadata alt_stat_name stats_matcher connect_timeout per_connection_buffer_limit_bytes"
    " lb_policy load_assignment track_timeout_budgets track_cluster_stats"
    " max_requests_per_connection circuit_breakers common_http_protocol_options http_protocol_options"
    " http2_protocol_options protocol_selection typed_extension_protocol_options least_request_lb_config"
    " common_lb_config"
    " transport_socket upstream_bind_config upstream_connection_options load_balancing_policy",
    checked={
        "type": "STATIC",
        "cluster_type": "no extension is built",
        "round_robin_lb_config": "without slow start",
    },
    same={"lb_subset_config": EMPTY, "per_connection_buffer_high_watermark_timeout": EMPTY},
    no_effect={
        "upstream_http_protocol_options": NO_UPSTREAM_TLS,
        "dns_refresh_rate": _NO_DNS,
        "dns_jitter": _NO_DNS,
        "dns_failure_refresh_rate": _NO_DNS,
        "respect_dns_ttl": _NO_DNS,
        "dns_lookup_family": _NO_DNS,
        "dns_resolvers": _NO_DNS,
        "use_tcp_for_dns_lookups": _NO_DNS,
        "dns_resolution_config": _NO_DNS,
        "typed_dns_resolver_config": _NO_DNS,
        "wait_for_warm_on_init": "a STATIC cluster is warm at once",
        "cleanup_interval": "only ORIGINAL_DST clusters are cleaned up",
        "ring_hash_lb_config": _OTHER_POLICY,
        "maglev_lb_config": _OTHER_POLICY,
        "original_dst_lb_config": _OTHER_POLICY,
        "close_connections_on_host_health_failure": _NO_CHECKS,
        "ignore_health_on_host_removal": _NO_CHECKS,
    },
    partly={"lb_policy": "ROUND_ROBIN, LEAST_REQUEST, RANDOM, LOAD_BALANCING_POLICY_CONFIG"},
)
_TRACKED = Fields(
    "envoy.config.cluster.v3.TrackClusterStats",
    "timeout_budgets request_response_sizes per_endpoint_stats",
)
_COMMON_LB = Fields(
    "envoy.config.cluster.v3.Cluster.CommonLbConfig",
    "healthy_panic_threshold",
    checked={"zone_aware_lb_config": "without fail_traffic_on_panic"},
    no_effect={
        "update_merge_window": "static endpoints do not change",
        "ignore_new_hosts_until_first_hc": _NO_CHECKS,
        "close_connections_on_host_set_change": "static endpoints do not change",
        "consistent_hashing_lb_config": _OTHER_POLICY,
        "override_host_status": "nothing that overrides the chosen host is built",
    },
)
_PERCENT = Fields("envoy.type.v3.Percent", "value")
_ZONE_AWARE = Fields(
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig",
    no_effect={"routing_enabled": NO_ZONES, "min_cluster_size": NO_ZONES},
)
_CIRCUIT_BREAKERS = Fields("envoy.config.cluster.v3.CircuitBreakers", "thresholds per_host_thresholds")
_THRESHOLDS = Fields(
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
    "priority max_connections max_pending_requests max_requests max_retries track_remaining"
    " max_connection_pools",
)
_PER_HOST = Fields(
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
    "max_connections",
    checked=dict.fromkeys(_CONNECTIONS_ONLY, "nothing: Envoy limits connections per host only")
    | {"priority": "DEFAULT; Envoy does not look at others"},
    where="per host",
)
_CONNECTION_OPTIONS = Fields(
    "envoy.config.cluster.v3.UpstreamConnectionOptions",
    "tcp_keepalive",
    no_effect={"happy_eyeballs_config": "every endpoint has one address"},
)
_TYPES: Final = ("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST")
BUFFER_LIMIT_BYTES: Final = 1 << 20
_UNLIMITED: Final = 2**32 - 1
_CONNECT_TIMEOUT_MS: Final = 5000
_PANIC_PERCENT: Final = 50.0


def lower_cluster(cursor: Cursor, secrets: Secrets, bind: model.UpstreamBind | None = None) -> model.Cluster:
    """A Cluster. What cannot be lowered is reported, and the result is then not to be used.

    `bind`: where its connections come from unless it says so itself.
    """
    fields = _CLUSTER.read(cursor)
    name = fields.get("name", "")
    is_static = _check_type(cursor, fields)
    socket = UpstreamSocket()
    if "transport_socket" in fields:
        socket = lower_upstream_transport_socket(cursor.child("transport_socket"), secrets)
    if socket.tls is not None:
        _refuse_names_of_requests(cursor)
    localities: list[model.LocalityEndpoints] = []
    factor = OVERPROVISIONING_FACTOR
    if is_static and "load_assignment" in fields:
        localities, factor = lower_load_assignment(cursor.child("load_assignment"))
    http = lower_upstream_http(cursor, fields)
    _check_protocol(cursor, http.protocol, socket)
    default, high, per_host = _lower_circuit_breakers(cursor, fields)
    return model.Cluster(
        name=name,
        metadata=lower_metadata(cursor, fields),
        place=cursor.path_text,
        stat_name=fields.get("alt_stat_name") or name,
        connect_timeout_ms=milliseconds(cursor, "connect_timeout", fields, _CONNECT_TIMEOUT_MS),
        per_connection_buffer_limit_bytes=buffer_limit(fields),
        localities=localities,
        overprovisioning_factor=factor,
        healthy_panic_threshold_percent=_panic_threshold(cursor, fields),
        load_balancing_policy=lower_load_balancing_policy(cursor, fields),
        circuit_breakers_default=default,
        circuit_breakers_high=high,
        per_host_max_connections=per_host,
        max_requests_per_connection=http.max_requests_per_connection,
        idle_timeout_ms=http.idle_timeout_ms,
        max_connection_duration_ms=http.max_connection_duration_ms,
        http_protocol=http.protocol,
        http2_protocol_options=http.http2,
        max_response_headers_bytes=http.max_response_headers_bytes,
        max_response_headers_count=http.max_response_headers_count,
        enable_trailers=http.http1.enable_trailers,
        header_key_format=http.http1.header_key_format,
        forward_reason_phrase=http.http1.forward_reason_phrase,
        send_fully_qualified_url=http.http1.send_fully_qualified_url,
        max_stream_duration_ms=http.max_stream_duration_ms,
        tcp_keepalive=_lower_tcp_keepalive(cursor, fields),
        upstream_bind=lower_upstream_bind(cursor.child("upstream_bind_config"))
        if "upstream_bind_config" in fields
        else bind,
        proxy_protocol=socket.proxy_protocol,
        internal_upstream=socket.internal_upstream,
        tls=socket.tls,
        stats_matcher=lower_stats_matcher(cursor) if "stats_matcher" in fields else None,
        tracking=_lower_tracking(cursor, fields),
        upstream_http_filters=http.http_filters,
    )


def _check_protocol(cursor: Cursor, protocol: str, socket: UpstreamSocket) -> None:
    """What is spoken, and what it is spoken over."""
    if protocol == "auto" and socket.tls is None:
        cursor.problem(
            "auto_config needs a transport socket of TLS: the host picks the protocol in the handshake",
            "add a transport_socket with envoy.transport_sockets.tls, or use explicit_http_config",
        )
    if protocol != "http1" and socket.proxy_protocol is not None:
        refuse(cursor, "the PROXY protocol with HTTP/2 is not supported yet", field="transport_socket")


def _refuse_names_of_requests(cursor: Cursor) -> None:
    """With TLS, a host is asked for one name; that of each request is not built."""
    places = [cursor] if cursor.has("upstream_http_protocol_options") else []
    for _, item in cursor.map_items("typed_extension_protocol_options"):
        inner = item.unpack()
        if inner is not None and "upstream_http_protocol_options" in inner.fields_set():
            places.append(inner)
    for place in places:
        options = place.child("upstream_http_protocol_options")
        for name in options.fields_set():
            refuse(options, f"{name} is not supported yet with TLS", "set sni of the context", name)


def _lower_tracking(cursor: Cursor, fields: dict[str, Any]) -> model.ClusterTracking:
    tracked: dict[str, Any] = {}
    if "track_cluster_stats" in fields:
        tracked = _TRACKED.read(cursor.child("track_cluster_stats"))
    budgets = tracked.get("timeout_budgets", False) or fields.get("track_timeout_budgets", False)
    return model.ClusterTracking(
        timeout_budgets=budgets,
        request_response_sizes=tracked.get("request_response_sizes", False),
        endpoints=tracked.get("per_endpoint_stats", False),
    )


def buffer_limit(fields: dict[str, Any]) -> int:
    """`per_connection_buffer_limit_bytes`: 1 MiB when not set; 0 is no limit, as in Envoy."""
    value = fields.get("per_connection_buffer_limit_bytes")
    return BUFFER_LIMIT_BYTES if value is None else value.value or _UNLIMITED


def _check_type(cursor: Cursor, fields: dict[str, Any]) -> bool:
    """Whether the cluster is STATIC; other types are refused, and what they alone may hold is not judged."""
    number = fields.get("type", 0)
    if number:
        name = _TYPES[number] if number < len(_TYPES) else str(number)
        refuse(cursor, f"cluster type {name} is not supported yet", field="type")
    if "cluster_type" in fields:
        name = cursor.child("cluster_type").get("name")
        refuse(cursor, f"cluster type {name} is not supported yet", field="cluster_type")
    return not number and "cluster_type" not in fields


def _panic_threshold(cursor: Cursor, fields: dict[str, Any]) -> float:
    if "common_lb_config" not in fields:
        return _PANIC_PERCENT
    config = cursor.child("common_lb_config")
    common = _COMMON_LB.read(config)
    if "zone_aware_lb_config" in common:
        _ZONE_AWARE.read(config.child("zone_aware_lb_config"))
    if "healthy_panic_threshold" not in common:
        return _PANIC_PERCENT
    return float(_PERCENT.read(config.child("healthy_panic_threshold")).get("value", 0.0))


def _wrapped(fields: dict[str, Any], name: str, default: int) -> int:
    return int(fields[name].value) if name in fields else default


def _lower_circuit_breakers(
    cursor: Cursor, fields: dict[str, Any]
) -> tuple[model.CircuitBreakerThresholds, model.CircuitBreakerThresholds, int | None]:
    """The limits of the default and high priority, and the connections allowed to one host."""
    if "circuit_breakers" not in fields:
        return _DEFAULT_THRESHOLDS, _DEFAULT_THRESHOLDS, None
    breakers = cursor.child("circuit_breakers")
    _CIRCUIT_BREAKERS.read(breakers)
    found: dict[int, model.CircuitBreakerThresholds] = {}
    for item in breakers.items("thresholds"):
        limits = _THRESHOLDS.read(item)
        priority = limits.get("priority", 0)
        if priority in found:
            item.warn("has no effect: Envoy takes the first thresholds of a priority")
            continue
        found[priority] = _thresholds(limits)
    default = found.get(0, _DEFAULT_THRESHOLDS)
    return default, found.get(1, _DEFAULT_THRESHOLDS), _per_host(breakers)


def _thresholds(limits: dict[str, Any]) -> model.CircuitBreakerThresholds:
    pools = limits.get("max_connection_pools")
    return model.CircuitBreakerThresholds(
        max_connections=_wrapped(limits, "max_connections", 1024),
        max_pending_requests=_wrapped(limits, "max_pending_requests", 1024),
        max_requests=_wrapped(limits, "max_requests", 1024),
        max_retries=_wrapped(limits, "max_retries", 3),
        max_connection_pools=None if pools is None else pools.value,
        track_remaining=limits.get("track_remaining", False),
    )


_DEFAULT_THRESHOLDS: Final = _thresholds({})


def _per_host(breakers: Cursor) -> int | None:
    allowed: int | None = None
    for item in breakers.items("per_host_thresholds"):
        limits = _PER_HOST.read(item)
        for name in limits.keys() - {"priority", "max_connections", "track_remaining"}:
            item.problem(f"{name} cannot be limited per host", "only max_connections can", name)
        for name in limits.keys() & {"priority", "track_remaining"}:
            item.warn("has no effect: only max_connections of the DEFAULT priority has one", field=name)
        if allowed is None and "max_connections" in limits and "priority" not in limits:
            allowed = limits["max_connections"].value
    return allowed


def _lower_tcp_keepalive(cursor: Cursor, fields: dict[str, Any]) -> model.TcpKeepalive | None:
    if "upstream_connection_options" not in fields:
        return None
    options = cursor.child("upstream_connection_options")
    if "tcp_keepalive" not in _CONNECTION_OPTIONS.read(options):
        return None
    return lower_tcp_keepalive(options.child("tcp_keepalive"))
