"""Listeners: where connections come in and which filter chains they meet.

Owns Listener and what concerns all listeners together (no two on one address). Filter chains are
`filter_chain.py`, addresses `address.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/listener.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log import lower_access_logs
from ferryman.config.address import address_text, lower_address
from ferryman.config.cluster import buffer_limit
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.fields import EMPTY, Fields, word
from ferryman.config.filter_chain import check_overlaps, lower_filter_chain, lower_filter_chain_matcher
from ferryman.config.filters.listener import ORIGINAL_DST, PROXY_PROTOCOL, lower_listener_filters
from ferryman.config.internal_listener import lower_internal_listener
from ferryman.config.metadata import lower_metadata
from ferryman.config.references import References
from ferryman.config.socket_options import lower_socket_options, lower_tcp_keepalive
from ferryman.config.stat_name import sanitized
from ferryman.config.stats_config import lower_stats_matcher
from ferryman.config.udp_listener import lower_udp_listener, takes_datagrams

_LISTENER = Fields(
    "envoy.config.listener.v3.Listener",
    "name address additional_addresses stat_prefix stats_matcher filter_chains default_filter_chain"
    " per_connection_buffer_limit_bytes transparent freebind tcp_fast_open_queue_length traffic_direction"
    " enable_reuse_port access_log tcp_backlog_size max_connections_to_accept_per_socket_event"
    " metadata bind_to_port deprecated_v1 ignore_global_conn_limit listener_filters listener_filters_timeout"
    " continue_on_listener_filters_timeout socket_options tcp_keepalive use_original_dst"
    " filter_chain_matcher drain_type enable_mptcp connection_balance_config internal_listener"
    " udp_listener_config",
    same={
        "per_connection_buffer_high_watermark_timeout": EMPTY,
    },
    no_effect={
        "reuse_port": "it switches on what is on already; enable_reuse_port: false switches it off",
        "bypass_overload_manager": "overload_manager is refused",
    },
)
_BALANCE = Fields("envoy.config.listener.v3.Listener.ConnectionBalanceConfig", "exact_balance")
_EXACT_BALANCE = Fields("envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance")
_ADDITIONAL = Fields("envoy.config.listener.v3.AdditionalAddress", "address socket_options tcp_keepalive")
_OPTIONS_OVERRIDE = Fields("envoy.config.core.v3.SocketOptionsOverride", "socket_options")
_DEPRECATED_V1 = Fields("envoy.config.listener.v3.Listener.DeprecatedV1", "bind_to_port")

_LISTENER_FILTERS_TIMEOUT_MS: Final = 15_000
_DRAIN_TYPES: Final = ("default", "modify_only")
_DIRECTIONS: Final = ("unspecified", "inbound", "outbound")


def lower_listeners(cursor: Cursor, references: References) -> list[model.Listener]:
    """The listeners of static resources, each checked against those before it."""
    lowered: list[model.Listener] = []
    names: set[str] = set()
    taken: dict[str, str] = {}
    for item in cursor.items("listeners"):
        listener = _lower_listener(item, references)
        if item.get("name") in names and item.get("name"):
            item.warn(
                f"has no effect: there is a listener `{listener.name}` already, and Envoy keeps the first",
                field="name",
                code="duplicate",
            )
            continue
        names.add(item.get("name"))
        lowered.append(listener)
        _check_addresses(item, listener, taken)
    return lowered


def _check_addresses(cursor: Cursor, listener: model.Listener, taken: dict[str, str]) -> None:
    protocol = "" if listener.udp is None else " (UDP)"
    own = {f"{_full_text(address)}{protocol}" for address in listener.addresses if _is_fixed(address)}
    for text in sorted(own & taken.keys()):
        cursor.problem(f"listener `{taken[text]}` is on {text} already", None, "address", "duplicate")
    taken.update(dict.fromkeys(own, listener.name))


def _full_text(address: model.Address) -> str:
    text = address_text(address)
    if isinstance(address, model.SocketAddress) and address.network_namespace is not None:
        return f"{text} in the network namespace {address.network_namespace}"
    return text


def _is_fixed(address: model.Address) -> bool:
    return not isinstance(address, model.SocketAddress) or address.port != 0


def _lower_listener(cursor: Cursor, references: References) -> model.Listener:
    fields = _LISTENER.read(cursor)
    addresses, address_options = _addresses(cursor, fields)
    internal_buffer_bytes = None
    if "internal_listener" in fields:
        room = references.internal_buffer_bytes
        internal_buffer_bytes, internal = lower_internal_listener(cursor, fields, room)
        addresses.append(internal)
    is_udp = takes_datagrams(cursor)
    udp = lower_udp_listener(cursor, fields, references) if is_udp else None
    text = address_text(addresses[0]) if addresses else ""
    name = fields.get("name") or text
    chains = [(item, lower_filter_chain(item, references)) for item in cursor.items("filter_chains")]
    matcher = None
    if "filter_chain_matcher" in fields:
        matcher = lower_filter_chain_matcher(cursor.child("filter_chain_matcher"), chains)
    else:
        check_overlaps(chains)
    default = None
    if "default_filter_chain" in fields:
        default = lower_filter_chain(cursor.child("default_filter_chain"), references)
    elif not chains and "listener_filters" not in fields and not is_udp:
        cursor.problem("no filter chains are given", code="required", field="filter_chains")
    return model.Listener(
        name=name,
        metadata=lower_metadata(cursor, fields),
        place=cursor.path_text,
        stat_prefix=sanitized(fields.get("stat_prefix") or text),
        addresses=addresses,
        address_options=address_options,
        use_original_dst=_wrapped(fields, "use_original_dst", False),
        bind_to_port=_bind_to_port(cursor, fields),
        reuse_port=_wrapped(fields, "enable_reuse_port", True),
        freebind=_wrapped(fields, "freebind", False),
        transparent=_wrapped(fields, "transparent", False),
        tcp_backlog_size=_wrapped(fields, "tcp_backlog_size", None),
        tcp_fast_open_queue_length=_wrapped(fields, "tcp_fast_open_queue_length", None),
        per_connection_buffer_limit_bytes=buffer_limit(fields),
        listener_filters=[] if is_udp else _listener_filters(cursor),
        listener_filters_timeout_ms=off_if_zero(
            cursor, "listener_filters_timeout", fields, _LISTENER_FILTERS_TIMEOUT_MS
        ),
        continue_on_listener_filters_timeout=fields.get("continue_on_listener_filters_timeout", False),
        filter_chains=[chain for _, chain in chains],
        filter_chain_matcher=matcher,
        default_filter_chain=default,
        access_log=lower_access_logs(cursor),
        traffic_direction=word(cursor, "traffic_direction", _DIRECTIONS),
        drains_on_modification_only=word(cursor, "drain_type", _DRAIN_TYPES) == "modify_only",
        enable_mptcp=_enable_mptcp(cursor, fields, addresses),
        ignore_global_conn_limit=fields.get("ignore_global_conn_limit", False),
        max_connections_to_accept_per_socket_event=_wrapped(
            fields, "max_connections_to_accept_per_socket_event", None
        ),
        stats_matcher=lower_stats_matcher(cursor) if "stats_matcher" in fields else None,
        internal_buffer_bytes=internal_buffer_bytes,
        exact_balance=_balances_exactly(cursor) if "connection_balance_config" in fields else False,
        udp=udp,
    )


def _balances_exactly(cursor: Cursor) -> bool:
    balance = cursor.child("connection_balance_config")
    read = _BALANCE.read(balance)
    _EXACT_BALANCE.read(balance.child("exact_balance"))
    return "exact_balance" in read


def _enable_mptcp(cursor: Cursor, fields: dict[str, Any], addresses: list[model.Address]) -> bool:
    enabled = bool(fields.get("enable_mptcp", False))
    if enabled and any(isinstance(address, model.Pipe) for address in addresses):
        cursor.problem("enable_mptcp is for IP addresses alone", field="enable_mptcp")
    return enabled


def _listener_filters(cursor: Cursor) -> list[model.ListenerFilter]:
    """The listener filters, and those that older switches stand for."""
    filters = lower_listener_filters(cursor)
    chains = cursor.items("filter_chains")
    if cursor.wrapped("use_original_dst"):
        filters.append(ORIGINAL_DST)
    first = chains[0] if chains else cursor.child("default_filter_chain")
    if first.wrapped("use_proxy_proto"):
        text = "Envoy puts proxy_protocol behind all listener filters for it, for all filter chains"
        first.warn(text, "use envoy.filters.listener.proxy_protocol", "use_proxy_proto", "deprecated")
        filters.append(PROXY_PROTOCOL)
    return filters


def _wrapped(fields: dict[str, Any], name: str, default: Any) -> Any:
    return fields[name].value if name in fields else default


def _addresses(
    cursor: Cursor, fields: dict[str, Any]
) -> tuple[list[model.Address], list[model.AddressOptions]]:
    """The address and the additional ones, and the options of each."""
    found: list[tuple[model.Address | None, model.AddressOptions]] = []
    keepalive = lower_tcp_keepalive(cursor.child("tcp_keepalive")) if "tcp_keepalive" in fields else None
    common = model.AddressOptions(socket_options=lower_socket_options(cursor), tcp_keepalive=keepalive)
    if "address" in fields:
        found.append((lower_address(cursor.child("address"), namespaces=True, datagrams=True), common))
    elif fields.keys().isdisjoint(("api_listener", "internal_listener")):
        cursor.problem("address is required", code="required", field="address")
    for item in cursor.items("additional_addresses"):
        own = _ADDITIONAL.read(item)
        if "address" in own:
            address = lower_address(item.child("address"), namespaces=True, datagrams=True)
            found.append((address, _own_options(item, own, common)))
        else:
            item.problem("address is required", code="required", field="address")
    kept = [(address, options) for address, options in found if address is not None]
    return [address for address, _ in kept], [options for _, options in kept]


def _own_options(
    cursor: Cursor, fields: dict[str, Any], common: model.AddressOptions
) -> model.AddressOptions:
    """What an additional address has of its own takes the place of the listener's."""
    options, keepalive = common.socket_options, common.tcp_keepalive
    if "socket_options" in fields:
        override = cursor.child("socket_options")
        _OPTIONS_OVERRIDE.read(override)
        options = lower_socket_options(override)
    if "tcp_keepalive" in fields:
        keepalive = lower_tcp_keepalive(cursor.child("tcp_keepalive"))
    return model.AddressOptions(socket_options=options, tcp_keepalive=keepalive)


def _bind_to_port(cursor: Cursor, fields: dict[str, Any]) -> bool:
    if "bind_to_port" in fields:
        return bool(fields["bind_to_port"].value)
    if "deprecated_v1" in fields:
        old = _DEPRECATED_V1.read(cursor.child("deprecated_v1"))
        return bool(_wrapped(old, "bind_to_port", True))
    return True
