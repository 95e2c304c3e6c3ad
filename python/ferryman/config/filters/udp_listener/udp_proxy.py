"""`envoy.filters.udp_listener.udp_proxy`: relays datagrams between clients and clusters.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/udp_filters/udp_proxy
"""

from __future__ import annotations

from typing import Final

from ferryman.config import match_input, model
from ferryman.config.access_log import lower_access_logs
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds, off_if_zero
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.references import References
from ferryman.config.udp_socket import lower_max_rx_datagram_size

TYPE: Final = "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig"

_UDP_PROXY = Fields(
    TYPE,
    "stat_prefix cluster matcher idle_timeout use_per_packet_load_balancing upstream_socket_config"
    " access_log proxy_access_log access_log_options",
    same={"use_original_src_ip": False},
    no_effect={"hash_policies": "the policies that read the hash (ring_hash, maglev) are not built"},
)
_LOG_OPTIONS = Fields(
    f"{TYPE}.UdpAccessLogOptions",
    "access_log_flush_interval",
    no_effect={"flush_access_log_on_tunnel_connected": "tunneling_config is refused"},
)
_ROUTE = Fields("envoy.extensions.filters.udp.udp_proxy.v3.Route", "cluster")

_IDLE_TIMEOUT_MS: Final = 60_000
_NETWORK: Final = "envoy.extensions.matching.common_inputs.network.v3."
_INPUTS: Final = {
    name: match_input.NETWORK[name]
    for name in (
        f"{_NETWORK}DestinationIPInput",
        f"{_NETWORK}DestinationPortInput",
        f"{_NETWORK}SourceIPInput",
        f"{_NETWORK}SourcePortInput",
    )
}


def lower(cursor: Cursor, references: References) -> model.UdpProxy:
    """The udp_proxy's configuration. A cluster that does not exist is only warned of, as in Envoy."""
    fields = _UDP_PROXY.read(cursor)
    matcher, clusters = _lower_destination(cursor, references)
    flush_interval_ms = None
    if "access_log_options" in fields:
        options = cursor.child("access_log_options")
        asked = _LOG_OPTIONS.read(options)
        flush_interval_ms = off_if_zero(options, "access_log_flush_interval", asked, None)
    return model.UdpProxy(
        place=cursor.path_text,
        stat_prefix=fields.get("stat_prefix", ""),
        clusters=clusters,
        matcher=matcher,
        idle_timeout_ms=milliseconds(cursor, "idle_timeout", fields, _IDLE_TIMEOUT_MS),
        use_per_packet_load_balancing=fields.get("use_per_packet_load_balancing", False),
        max_rx_datagram_size=lower_max_rx_datagram_size(
            cursor, "upstream_socket_config", fields, prefers_gro=True
        ),
        access_log=lower_access_logs(cursor),
        access_log_flush_interval_ms=flush_interval_ms,
        proxy_access_log=lower_access_logs(cursor, "proxy_access_log"),
    )


def _lower_destination(cursor: Cursor, references: References) -> tuple[model.MatchTree | None, list[str]]:
    """The tree and the clusters that its actions stand for, each once; or no tree and the one cluster."""
    if not cursor.has("matcher"):
        name: str = cursor.get("cluster")
        references.mention_cluster(name, cursor, "cluster")
        return None, [name]

    def lower_action(action: Cursor) -> str | None:
        opened = open_extension(action, "envoy.matching.action", {_ROUTE.message: _ROUTE})
        if opened is None:
            return None
        route, declared = opened
        cluster: str = declared.read(route).get("cluster", "")
        references.mention_cluster(cluster, route, "cluster")
        return cluster

    context = MatchContext(
        match_input.NETWORK_CATEGORY,
        _INPUTS,
        lower_action,
        keep_matching=True,
        refused_input="Envoy takes no such input where datagrams are matched",
    )
    return lower_match_tree(cursor.child("matcher"), context)
