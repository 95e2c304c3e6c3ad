"""Listeners, filter chains, network filters (Envoy: `config.listener.v3`)."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLog, AccessLogEvents
from ferryman.config.model.address import Address, CidrRange, SocketOption, TcpKeepalive
from ferryman.config.model.format import Format
from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.http_connection_manager import HttpConnectionManager
from ferryman.config.model.listener_filter import ListenerFilter
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.metadata import Metadata
from ferryman.config.model.network_filter import (
    ConnectionLimit,
    Echo,
    NetworkDirectResponse,
    NetworkLocalRateLimit,
    NetworkRbac,
    NetworkSetFilterState,
)
from ferryman.config.model.stats_matcher import StatsMatcher
from ferryman.config.model.struct import Model, Tagged
from ferryman.config.model.tls import DownstreamTls
from ferryman.config.model.udp import UdpListener
from ferryman.config.model.upstream_connection import Tlv


class TcpCluster(Model, frozen=True):
    """One cluster of tcp_proxy with its weight."""

    name: str
    weight: int


class Backoff(Model, frozen=True):
    """A random wait within an interval that doubles from `base_interval_ms` to `max_interval_ms`."""

    base_interval_ms: int
    max_interval_ms: int


class TunnelRequestId(Model, frozen=True):
    """A new UUID for each request that opens a tunnel, and where it goes."""

    header: str
    metadata_key: str  # in the namespace of tcp_proxy


class Tunneling(Model, frozen=True):
    """How sessions go to hosts as the payload of an HTTP request."""

    hostname: Format
    post_path: str | None  # None: CONNECT, else POST
    headers_to_add: list[HeaderValueOption]
    propagate_response_headers: bool
    propagate_response_trailers: bool
    request_id: TunnelRequestId | None


class TcpProxy(Tagged, tag="tcp_proxy", frozen=True):
    """`envoy.filters.network.tcp_proxy`. `place` is where it stands in the configuration."""

    place: str
    stat_prefix: str
    clusters: list[TcpCluster]
    idle_timeout_ms: int | None
    max_downstream_connection_duration_ms: int | None
    max_downstream_connection_duration_jitter_percentage: float
    max_connect_attempts: int
    backoff: Backoff | None
    connects_on_data: bool  # else at once
    max_early_data_bytes: int | None  # read before there is a host; None: nothing is
    check_drain_close: bool
    proxy_protocol_tlvs: list[Tlv]
    proxy_protocol_tlv_merge_policy: str  # add_if_absent | overwrite_by_type | append
    tunneling: Tunneling | None
    access_log: list[AccessLog]
    access_log_events: AccessLogEvents


NetworkFilter = (
    TcpProxy
    | HttpConnectionManager
    | NetworkDirectResponse
    | Echo
    | ConnectionLimit
    | NetworkLocalRateLimit
    | NetworkRbac
    | NetworkSetFilterState
)


class FilterChainMatch(Model, frozen=True):
    """Conditions of a filter chain; an empty list is no condition."""

    destination_port: int | None
    prefix_ranges: list[CidrRange]
    direct_source_prefix_ranges: list[CidrRange]
    source_type: str  # any | same_ip_or_loopback | external
    source_prefix_ranges: list[CidrRange]
    source_ports: list[int]
    transport_protocol: str  # "" | raw_buffer | other (never matches without tls_inspector)
    server_names: list[str]  # lower case; `*.a` or `.a` is for all that ends with `.a`
    application_protocols: list[str]


class FilterChain(Model, frozen=True):
    """A chain of network filters; the last one ends it."""

    name: str
    metadata: Metadata | None
    match: FilterChainMatch
    filters: list[NetworkFilter]
    transport_socket_connect_timeout_ms: int | None
    tls: DownstreamTls | None


class FilterChainMatcher(Model, frozen=True):
    """A tree that chooses a chain: its actions are names of chains, which need not exist."""

    tree: MatchTree
    names: list[str]


class AddressOptions(Model, frozen=True):
    """What is set on the sockets of one address."""

    socket_options: list[SocketOption]
    tcp_keepalive: TcpKeepalive | None


class Listener(Model, frozen=True):
    """A listener. `stat_prefix` is what stands after `listener.`."""

    name: str
    metadata: Metadata | None
    place: str
    stat_prefix: str
    addresses: list[Address]
    address_options: list[AddressOptions]  # one for each address
    use_original_dst: bool
    bind_to_port: bool
    reuse_port: bool
    freebind: bool
    transparent: bool
    tcp_backlog_size: int | None
    tcp_fast_open_queue_length: int | None
    per_connection_buffer_limit_bytes: int
    listener_filters: list[ListenerFilter]
    listener_filters_timeout_ms: int | None
    continue_on_listener_filters_timeout: bool
    filter_chains: list[FilterChain]
    filter_chain_matcher: FilterChainMatcher | None  # the chains' own conditions do not count then
    default_filter_chain: FilterChain | None
    access_log: list[AccessLog]
    traffic_direction: str  # unspecified | inbound | outbound
    ignore_global_conn_limit: bool
    drains_on_modification_only: bool  # and not for /healthcheck/fail
    enable_mptcp: bool
    max_connections_to_accept_per_socket_event: int | None
    stats_matcher: StatsMatcher | None
    exact_balance: bool  # a new connection goes to the worker that has the fewest
    internal_buffer_bytes: int | None  # of an internal listener: how much may wait in each direction
    udp: UdpListener | None  # of a listener of datagrams, which has no filter chains
