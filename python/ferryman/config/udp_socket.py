"""Listeners of datagrams, and sockets that receive them.

Owns UdpListenerConfig, UdpSocketConfig, and what of a Listener cannot be had without connections. Filters of
datagrams are `config/filters/udp_listener`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/udp_listener_config.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_SOCKET = Fields("envoy.config.core.v3.UdpSocketConfig", "max_rx_datagram_size prefer_gro")
_DEFAULT_MAX_RX_DATAGRAM_SIZE: Final = 1500
_MOST: Final = 65_535
"""With GRO, Envoy has room for the largest datagram that there is, whatever the limit says."""


def lower_max_rx_datagram_size(
    cursor: Cursor, field: str, fields: dict[str, Any], *, prefers_gro: bool
) -> int:
    """The size above which datagrams are dropped. `prefers_gro`: what `prefer_gro` is by default."""
    read = _SOCKET.read(cursor.child(field)) if field in fields else {}
    if read["prefer_gro"].value if "prefer_gro" in read else prefers_gro:
        return _MOST
    size = read.get("max_rx_datagram_size")
    return _DEFAULT_MAX_RX_DATAGRAM_SIZE if size is None else int(size.value)
