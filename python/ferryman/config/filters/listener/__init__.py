"""The listener filters that are built, and the lists that are made of them.

Owns the one list of listener filters and the predicates that switch them off. A filter's own configuration
is its file's business: `envoy.filters.listener.proxy_protocol` is `proxy_protocol.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/listener_filters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension, refuse_typed_config
from ferryman.config.fields import Fields
from ferryman.config.filters import udp_listener
from ferryman.config.filters.listener import (
    http_inspector,
    local_ratelimit,
    original_dst,
    proxy_protocol,
    tls_inspector,
)

_FILTER = Fields(
    "envoy.config.listener.v3.ListenerFilter",
    "typed_config filter_disabled",
    no_effect={"name": "the type of typed_config says which filter it is"},
)
_PREDICATE = Fields(
    "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
    "or_match and_match not_match any_match destination_port_range",
)
_SET = Fields(f"{_PREDICATE.message}.MatchSet", "rules")
_PORTS = Fields("envoy.type.v3.Int32Range", "start end", where="of a listener filter's predicate")

_CATEGORIES: Final = ("envoy.filters.listener", "envoy.filters.udp_listener")

BUILT: Final[Mapping[str, Callable[[Cursor], model.ListenerFilterConfig]]] = {
    proxy_protocol.TYPE: proxy_protocol.lower,
    original_dst.TYPE: original_dst.lower,
    local_ratelimit.TYPE: local_ratelimit.lower,
    tls_inspector.TYPE: tls_inspector.lower,
    http_inspector.TYPE: http_inspector.lower,
}
"""The listener filters that are built, by the type of their configuration."""


PROXY_PROTOCOL: Final = model.ListenerFilter(
    config=model.ProxyProtocolFilter(
        allow_requests_without_proxy_protocol=False,
        pass_all_tlvs=False,
        pass_tlvs=[],
        v1=True,
        v2=True,
        stat_prefix="",
        rules=[],
        tlvs_in_filter_state=False,
    ),
    disabled=None,
)
"""What `use_proxy_proto` of the first filter chain stands for."""

ORIGINAL_DST: Final = model.ListenerFilter(config=model.OriginalDst(), disabled=None)
"""What `use_original_dst` stands for, beside the handing over."""


def lower_listener_filters(cursor: Cursor) -> list[model.ListenerFilter]:
    """The `listener_filters` of a listener."""
    lowered = [_lower_listener_filter(item) for item in cursor.items("listener_filters")]
    return [listener_filter for listener_filter in lowered if listener_filter is not None]


def _lower_listener_filter(cursor: Cursor) -> model.ListenerFilter | None:
    fields = _FILTER.read(cursor)
    inner = cursor.unpack("typed_config") if "typed_config" in fields else None
    if inner is not None and inner.type_name in udp_listener.BUILT:
        hint = "set protocol: UDP in the listener's socket_address"
        cursor.problem(
            "the filter takes datagrams, and the listener's address does not", hint, "typed_config"
        )
        return None
    if inner is None or inner.type_name not in BUILT:
        refuse_typed_config(cursor, *_CATEGORIES)
        return None
    opened = open_extension(cursor, _CATEGORIES[0], BUILT)
    if opened is None:
        return None
    config, lower = opened
    disabled = None
    if "filter_disabled" in fields:
        disabled = _lower_predicate(cursor.child("filter_disabled"))
    return model.ListenerFilter(config=lower(config), disabled=disabled)


def _lower_predicate(cursor: Cursor) -> model.ConnectionPredicate:
    fields = _PREDICATE.read(cursor)
    if "not_match" in fields:
        return model.NotConnection(rule=_lower_predicate(cursor.child("not_match")))
    if "and_match" in fields:
        return model.AndConnection(rules=_lower_set(cursor.child("and_match")))
    if "or_match" in fields:
        return model.OrConnection(rules=_lower_set(cursor.child("or_match")))
    if "destination_port_range" in fields:
        ports = _PORTS.read(cursor.child("destination_port_range"))
        return model.DestinationPort(start=ports.get("start", 0), end=ports.get("end", 0))
    return model.AnyConnection()


def _lower_set(cursor: Cursor) -> list[model.ConnectionPredicate]:
    _SET.read(cursor)
    return [_lower_predicate(item) for item in cursor.items("rules")]
