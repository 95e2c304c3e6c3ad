"""The filters of listeners of datagrams that are built, and the one that a listener has.

Owns the one list of such filters. A filter's own configuration is its file's business:
`envoy.filters.udp_listener.udp_proxy` is `udp_proxy.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/udp_filters/udp_filters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, refuse
from ferryman.config.filters.udp_listener import udp_proxy
from ferryman.config.references import References

_CATEGORY: Final = "envoy.filters.udp_listener"

_FILTER = Fields(
    "envoy.config.listener.v3.ListenerFilter",
    "typed_config",
    no_effect={
        "name": "the type of typed_config says which filter it is",
        "filter_disabled": "Envoy 1.40 does not read it of filters of datagrams",
    },
    where="of a listener of datagrams",
)

BUILT: Final[Mapping[str, Callable[[Cursor, References], model.UdpListenerFilter]]] = {
    udp_proxy.TYPE: udp_proxy.lower,
}
"""The filters of datagrams that are built, by the type of their configuration."""


def lower_udp_listener_filter(cursor: Cursor, references: References) -> model.UdpListenerFilter | None:
    """The one filter in the `listener_filters` of a listener of datagrams; None when it has a problem."""
    items = cursor.items("listener_filters")
    if not items:
        refuse(
            cursor,
            "a listener of datagrams without a filter is not supported yet",
            "add envoy.filters.udp_listener.udp_proxy",
            "listener_filters",
        )
        return None
    for item in items[1:]:
        refuse(item, "more than one filter of datagrams is not supported yet")
    _FILTER.read(items[0])
    opened = open_extension(items[0], _CATEGORY, BUILT)
    if opened is None:
        return None
    inner, lower = opened
    return lower(inner, references)
