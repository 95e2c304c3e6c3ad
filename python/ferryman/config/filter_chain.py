"""Filter chains: which connections a chain takes, and that no two take the same ones.

Owns FilterChain, FilterChainMatch and the match tree in its place. The filters in a chain are
`config/filters/network`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener_components.proto
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final

from ferryman.config import match_input, model
from ferryman.config.address import lower_cidr_range
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, word
from ferryman.config.filters.network import lower_network_filters
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.metadata import lower_metadata
from ferryman.config.references import References
from ferryman.config.transport_socket import lower_downstream_transport_socket

_CHAIN = Fields(
    "envoy.config.listener.v3.FilterChain",
    "name metadata filter_chain_match filters transport_socket transport_socket_connect_timeout"
    " use_proxy_proto",
)
_MATCH = Fields(
    "envoy.config.listener.v3.FilterChainMatch",
    "destination_port prefix_ranges direct_source_prefix_ranges source_type source_prefix_ranges"
    " source_ports transport_protocol server_names application_protocols",
    checked={"address_suffix": "nothing: Envoy 1.40 has not built it", "suffix_len": "nothing, as there"},
)
_NAME = Fields("google.protobuf.StringValue", "value", where="as the name of a filter chain")

_LISTS: Final = (
    "prefix_ranges",
    "direct_source_prefix_ranges",
    "source_prefix_ranges",
    "source_ports",
    "server_names",
    "application_protocols",
)
_SOURCE_TYPES: Final = ("any", "same_ip_or_loopback", "external")


def lower_filter_chain(cursor: Cursor, references: References) -> model.FilterChain:
    """A FilterChain."""
    fields = _CHAIN.read(cursor)
    tls = None
    if "transport_socket" in fields:
        tls = lower_downstream_transport_socket(cursor.child("transport_socket"), references.secrets)
    return model.FilterChain(
        name=fields.get("name", ""),
        metadata=lower_metadata(cursor, fields),
        match=_lower_match(cursor.child("filter_chain_match")),
        filters=lower_network_filters(cursor, references),
        transport_socket_connect_timeout_ms=off_if_zero(
            cursor, "transport_socket_connect_timeout", fields, None
        ),
        tls=tls,
    )


def _lower_match(cursor: Cursor) -> model.FilterChainMatch:
    fields = _MATCH.read(cursor)
    for name in ("address_suffix", "suffix_len"):
        if name in fields:
            cursor.problem("is not built in Envoy either", "use prefix_ranges", name)
    port = fields.get("destination_port")
    return model.FilterChainMatch(
        destination_port=None if port is None else port.value,
        prefix_ranges=_ranges(cursor, "prefix_ranges"),
        direct_source_prefix_ranges=_ranges(cursor, "direct_source_prefix_ranges"),
        source_type=word(cursor, "source_type", _SOURCE_TYPES),
        source_prefix_ranges=_ranges(cursor, "source_prefix_ranges"),
        source_ports=list(fields.get("source_ports", ())),
        transport_protocol=fields.get("transport_protocol", ""),
        server_names=_server_names(cursor, fields),
        application_protocols=list(fields.get("application_protocols", ())),
    )


def _server_names(cursor: Cursor, fields: dict[str, Any]) -> list[str]:
    names = [name.lower() for name in fields.get("server_names", ())]
    for place, name in enumerate(names):
        if "*" in name and not name.startswith("*."):
            text = f"`{name}`: a star stands only for the whole first label"
            cursor.problem(text, "write `*.` and a domain", "server_names", item=place)
    return names


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
        if not _MATCH.checked.keys().isdisjoint(own.fields_set()):
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
                is_range = isinstance(value, model.CidrRange)
                text = f"{value.address_prefix}/{value.prefix_len}" if is_range else str(value)
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
            [name.removeprefix("*") for name in match.server_names] or [""],
            [match.transport_protocol],
            match.application_protocols or [""],
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
    server_names=[],
    application_protocols=[],
)


def lower_filter_chain_matcher(
    cursor: Cursor, chains: list[tuple[Cursor, model.FilterChain]]
) -> model.FilterChainMatcher:
    """The match tree of a listener. As in Envoy, the chains that it names need not exist."""
    known: set[str] = set()
    for item, chain in chains:
        if not chain.name:
            item.problem("is required where a filter_chain_matcher chooses", None, "name", "required")
        elif chain.name in known:
            item.problem(f"there is a chain `{chain.name}` already", None, "name", "duplicate")
        known.add(chain.name)

    def lower_action(action: Cursor) -> str | None:
        opened = open_extension(action, "envoy.matching.action", {_NAME.message: _NAME})
        if opened is None:
            return None
        inner, declared = opened
        name: str = declared.read(inner).get("value", "")
        if name not in known:
            action.warn(f"there is no filter chain `{name}`: such connections are closed", code="reference")
        return name

    context = MatchContext(
        match_input.NETWORK_CATEGORY, match_input.NETWORK, lower_action, keep_matching=True
    )
    tree, names = lower_match_tree(cursor, context)
    return model.FilterChainMatcher(tree=tree, names=names)
