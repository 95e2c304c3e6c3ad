"""The network filters that are built, and the chains that are made of them.

Owns the one list of network filters and the rules for a chain. A filter's own configuration is its file's
business: `envoy.filters.network.tcp_proxy` is `tcp_proxy.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/network_filters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.filters.network import (
    connection_limit,
    direct_response,
    echo,
    http_connection_manager,
    local_ratelimit,
    rbac,
    set_filter_state,
    tcp_proxy,
)
from ferryman.config.references import References

_FILTER = Fields(
    "envoy.config.listener.v3.Filter",
    "typed_config",
    no_effect={"name": "the type of typed_config says which filter it is"},
)

BUILT: Final[Mapping[str, Callable[[Cursor, References], model.NetworkFilter]]] = {
    http_connection_manager.TYPE: http_connection_manager.lower,
    tcp_proxy.TYPE: tcp_proxy.lower,
    direct_response.TYPE: direct_response.lower,
    echo.TYPE: echo.lower,
    connection_limit.TYPE: connection_limit.lower,
    local_ratelimit.TYPE: local_ratelimit.lower,
    rbac.TYPE: rbac.lower,
    set_filter_state.TYPE: set_filter_state.lower,
}
"""The network filters that are built, by the type of their configuration."""

_TERMINAL: Final = (model.HttpConnectionManager, model.TcpProxy, model.NetworkDirectResponse, model.Echo)


def lower_network_filters(cursor: Cursor, references: References) -> list[model.NetworkFilter]:
    """The `filters` of a filter chain. The last one ends the chain, and only the last one."""
    items = cursor.items("filters")
    lowered = [_lower_network_filter(item, references) for item in items]
    for item, network_filter in zip(items, lowered, strict=True):
        if network_filter is not None:
            _check_position(item, network_filter, is_last=item is items[-1])
    return [network_filter for network_filter in lowered if network_filter is not None]


def _lower_network_filter(cursor: Cursor, references: References) -> model.NetworkFilter | None:
    _FILTER.read(cursor)
    opened = open_extension(cursor, "envoy.filters.network", BUILT)
    if opened is None:
        return None
    inner, lower = opened
    return lower(inner, references)


def _check_position(cursor: Cursor, network_filter: model.NetworkFilter, is_last: bool) -> None:
    is_terminal = isinstance(network_filter, _TERMINAL)
    name = cursor.get("name")
    if is_terminal and not is_last:
        cursor.problem(f"`{name}` ends the chain, so it must be the last network filter", code="chain")
    elif is_last and not is_terminal:
        cursor.problem(f"`{name}` does not end the chain, but is the last network filter", code="chain")
