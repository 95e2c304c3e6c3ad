"""Options of sockets: raw ones and TCP keepalive, for listeners, admin and clusters.

Owns SocketOption and TcpKeepalive.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/socket_option.proto
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word

_OPTION = Fields(
    "envoy.config.core.v3.SocketOption",
    "level name int_value buf_value state type ip_version",
    no_effect={"description": "it is for the reader"},
)
_TYPE = Fields(
    "envoy.config.core.v3.SocketOption.SocketType",
    "datagram",
    no_effect={"stream": "all sockets are streams"},
)
_STREAM = Fields("envoy.config.core.v3.SocketOption.SocketType.Stream")
_DATAGRAM = Fields("envoy.config.core.v3.SocketOption.SocketType.Datagram")
_KEEPALIVE = Fields("envoy.config.core.v3.TcpKeepalive", "keepalive_probes keepalive_time keepalive_interval")

_STATES: Final = ("prebind", "bound", "listening")
_IP_VERSIONS: Final = ("any", "ipv4", "ipv6")
_INT_BITS: Final = 32


def lower_socket_options(cursor: Cursor, field: str = "socket_options") -> list[model.SocketOption]:
    """The options that are meant for TCP."""
    lowered = [_lower_option(item) for item in cursor.items(field)]
    return [option for option in lowered if option is not None]


def _lower_option(cursor: Cursor) -> model.SocketOption | None:
    fields = _OPTION.read(cursor)
    if "type" in fields:
        kind = cursor.child("type")
        read = _TYPE.read(kind)
        _STREAM.read(kind.child("stream"))
        _DATAGRAM.read(kind.child("datagram"))
        if "datagram" in read and not kind.has("stream"):
            return None
    numbers = {name: fields.get(name, 0) for name in ("level", "name", "int_value")}
    for name, number in numbers.items():
        if not -(2 ** (_INT_BITS - 1)) <= number < 2**_INT_BITS:
            cursor.problem(f"must fit into {_INT_BITS} bits", field=name)
            return None
    version = word(cursor, "ip_version", _IP_VERSIONS)
    mask = 2**_INT_BITS - 1
    return model.SocketOption(
        level=numbers["level"],
        name=numbers["name"],
        value=fields["buf_value"] if "buf_value" in fields else _native(numbers["int_value"] & mask),
        state=word(cursor, "state", _STATES),
        ipv4=version != "ipv6",
        ipv6=version != "ipv4",
    )


def _native(number: int) -> bytes:
    return number.to_bytes(_INT_BITS // 8, "little")


def lower_tcp_keepalive(cursor: Cursor) -> model.TcpKeepalive:
    """A TcpKeepalive."""
    fields = _KEEPALIVE.read(cursor)
    probes, time_s, interval_s = (
        fields[name].value if name in fields else None
        for name in ("keepalive_probes", "keepalive_time", "keepalive_interval")
    )
    return model.TcpKeepalive(probes=probes, time_s=time_s, interval_s=interval_s)
