"""Listeners of datagrams and their filters (Envoy: `UdpListenerConfig`, `envoy.filters.udp_listener`)."""

from __future__ import annotations

from ferryman.config.model.access_log import AccessLog
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.struct import Model, Tagged


class UdpProxy(Tagged, tag="udp_proxy", frozen=True):
    """`envoy.filters.udp_listener.udp_proxy`. `place` is where it stands in the configuration."""

    place: str
    stat_prefix: str
    clusters: list[str]
    matcher: MatchTree | None  # its actions are places in `clusters`; None: always the only one
    idle_timeout_ms: int  # 0: a session ends with its first datagram
    use_per_packet_load_balancing: bool
    max_rx_datagram_size: int  # of hosts; longer ones are dropped
    access_log: list[AccessLog]  # of sessions
    access_log_flush_interval_ms: int | None
    proxy_access_log: list[AccessLog]


UdpListenerFilter = UdpProxy
"""What is done with datagrams; so far there is one way."""


class UdpListener(Model, frozen=True):
    """What a listener of datagrams has in the place of filter chains."""

    max_rx_datagram_size: int  # of clients; longer ones are dropped
    filter: UdpListenerFilter
