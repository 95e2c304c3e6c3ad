"""Listeners of datagrams.

Owns UdpListenerConfig, which addresses make a listener one of datagrams, and what of a Listener cannot be had
without connections. The filters are `config/filters/udp_listener`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/listener/v3/udp_listener_config.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.filters.udp_listener import lower_udp_listener_filter
from ferryman.config.references import References
from ferryman.config.udp_socket import lower_max_rx_datagram_size

_CONFIG = Fields(
    "envoy.config.listener.v3.UdpListenerConfig",
    "downstream_socket_config",
    checked={"udp_packet_packet_writer_config": "the writers of Envoy's own, which send the same datagrams"},
)
_WRITER = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    no_effect={"name": "a label", "typed_config": "a writer differs in system calls alone"},
    where="of a writer of datagrams",
)
WRITERS: Final = {
    name: Fields(name)
    for name in (
        "envoy.extensions.udp_packet_writer.v3.UdpDefaultWriterFactory",
        "envoy.extensions.udp_packet_writer.v3.UdpGsoBatchWriterFactory",
    )
}
"""The writers of datagrams that pass."""

_UDP: Final = 1


def takes_datagrams(cursor: Cursor) -> bool:
    """Whether the addresses of the Listener at `cursor` are of datagrams; all of them must be, or none."""
    addresses = [cursor.child("address")] if cursor.has("address") else []
    addresses += [item.child("address") for item in cursor.items("additional_addresses")]
    found = {item.child("socket_address").get("protocol") == _UDP for item in addresses}
    if len(found) > 1:
        cursor.problem(
            "all addresses of a listener must have the same protocol", "use two listeners", "address"
        )
    if True not in found and cursor.has("udp_listener_config"):
        _read_config(cursor)
        cursor.warn(
            "has no effect: the listener's address is not one of datagrams",
            "set protocol: UDP in socket_address, or remove it",
            "udp_listener_config",
        )
    return True in found


def lower_udp_listener(
    cursor: Cursor, fields: dict[str, Any], references: References
) -> model.UdpListener | None:
    """What a listener of datagrams has in the place of filter chains; None when it has a problem."""
    read = _read_config(cursor)
    if cursor.child("udp_listener_config").has("quic_options"):
        return None  # refused as a field; what else it has is for QUIC
    for name in ("filter_chains", "default_filter_chain"):
        if name in fields:
            cursor.problem("a listener of datagrams has no connections, so no chains", "remove it", name)
    if "bind_to_port" in fields and not fields["bind_to_port"].value:
        cursor.problem("a listener of datagrams must be bound to its port", "remove it", "bind_to_port")
    if fields.get("enable_mptcp"):
        cursor.problem("enable_mptcp is for TCP alone", "remove it", "enable_mptcp")
    size = lower_max_rx_datagram_size(
        cursor.child("udp_listener_config"), "downstream_socket_config", read, prefers_gro=False
    )
    listener_filter = lower_udp_listener_filter(cursor, references)
    if listener_filter is None:
        return None
    return model.UdpListener(max_rx_datagram_size=size, filter=listener_filter)


def _read_config(cursor: Cursor) -> dict[str, Any]:
    config = cursor.child("udp_listener_config")
    read = _CONFIG.read(config)
    if "udp_packet_packet_writer_config" in read:
        writer = config.child("udp_packet_packet_writer_config")
        _WRITER.read(writer)
        opened = open_extension(writer, "envoy.udp_packet_writer", WRITERS)
        if opened is not None:
            inner, declared = opened
            declared.read(inner)
    return read
