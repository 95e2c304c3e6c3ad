"""Filter chains: which connections a chain takes, and that no two take the same ones.

Owns FilterChain and FilterChainMatch. The filters in a chain are `config/filters/network`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener_components.proto
"""

from __future__ import annotations

from itertools import product
from typing import Final

from ferryman.config import model
from ferryman.config.address import lower_cidr_range
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.fields import Fields, word
from ferryman.config.filters.network import lower_network_filters
from ferryman.config.metadata import lower_metadata
from ferryman.config.references import References
from ferryman.config.transport_socket import check_transport_socket

_CHAIN = Fields(
    "envoy.config.listener.v3.FilterChain",
    "name metadata filter_chain_match filters transport_socket_connect_timeout use_proxy_proto",
    checked={"transport_socket": "envoy.transport_sockets.raw_buffer"},
)
_MATCH = Fields(
    "envoy.config.listener.v3.FilterChainMatch",
    "destination_port prefix_ranges direct_source_prefix_ranges source_type source_prefix_ranges"
    " source_ports transport_protocol",
)

_LISTS: Final = ("prefix_ranges", "direct_source_prefix_ranges", "source_prefix_ranges", "source_ports")
_SOURCE_TYPES: Final = ("any", "same_ip_or_loopback", "external")


def lower_filter_chain(cursor: Cursor, references: References) -> model.FilterChain:
    """A FilterChain."""
    fields = _CHAIN.read(cursor)
    if "transport_socket" in fields:
        check_transport_socket(cursor.child("transport_socket"), "envoy.transport_sockets.downstream")
    return model.FilterChain(
        name=fields.get("name", ""),
        metadata=lower_metadata(cursor, fields),
        match=_lower_match(cursor.child("filter_chain_match")),
        filters=lower_network_filters(cursor, references),
        transport_socket_connect_timeout_ms=off_if_zero(
            cursor, "transport_socket_connect_timeout", fields, None
        ),
    )


def _lower_match(cursor: Cursor) -> model.FilterChainMatch:
    fields = _MATCH.read(cursor)
    port = fields.get("destination_port")
    return model.FilterChainMatch(
        destination_port=None if port is None else port.value,
        prefix_ranges=_ranges(cursor, "prefix_ranges"),
        direct_source_prefix_ranges=_ranges(cursor, "direct_source_prefix_ranges"),
        source_type=word(cursor, "source_type", _SOURCE_TYPES),
        source_prefix_ranges=_ranges(cursor, "source_prefix_ranges"),
        source_ports=list(fields.get("source_ports", ())),
        transport_protocol=fields.get("transport_protocol", ""),
    )


def _ranges(cursor: Cursor, field: str) -> list[model.CidrRange]:
    lowered = [lower_cidr_range(item) for item in cursor.items(field)]
    return [cidr for cidr in lowered if cidr is not None]


_Condition = tuple[object, ...]


def check_overlaps(chains: list[tuple[Cursor, model.FilterChain]]) -> None:
    """Report every chain that takes a connection which an earlier chain takes on the same terms."""
    seen: dict[_Condition, int] = {}
    for index, (cursor, chain) in enumerate(chains):
        own = cursor.child("filter_chain_match")
        _check_repeats(own, chain.match)
        if not _MATCH.covers(own):
            continue  # a condition that is refused may well tell it from the others
        for condition in _conditions(chain.match):
            first = seen.setdefault(condition, index)
            if first != index:
                name = chains[first][1].name
                other = f"filter_chains[{first}]" + (f" (`{name}`)" if name else "")
                hint = "use default_filter_chain for all other connections" if chain.match == _ANY else None
                cursor.problem(f"matches the same connections as {other}", hint, code="duplicate")
                break


def _check_repeats(cursor: Cursor, match: model.FilterChainMatch) -> None:
    """Report what stands twice in a list of conditions: to Envoy that is two chains on the same terms."""
    for field in _LISTS:
        seen = set()
        for item, value in enumerate(getattr(match, field)):
            if value in seen:
                text = f"{value.address_prefix}/{value.prefix_len}" if field != "source_ports" else str(value)
                cursor.problem(f"{text} stands twice in this list", None, field, "duplicate", item)
            seen.add(value)


def _conditions(match: model.FilterChainMatch) -> list[_Condition]:
    """Every combination of conditions of which a connection must meet one."""

    def texts(ranges: list[model.CidrRange]) -> list[str]:
        return [f"{cidr.address_prefix}/{cidr.prefix_len}" for cidr in ranges] or [""]

    return list(
        product(
            [match.destination_port],
            texts(match.prefix_ranges),
            [match.transport_protocol],
            texts(match.direct_source_prefix_ranges),
            [match.source_type],
            texts(match.source_prefix_ranges),
            match.source_ports or [0],
        )
    )


_ANY: Final = model.FilterChainMatch(
    destination_port=None,
    prefix_ranges=[],
    direct_source_prefix_ranges=[],
    source_type="any",
    source_prefix_ranges=[],
    source_ports=[],
    transport_protocol="",
)
