"""Addresses and address ranges: listeners, endpoints and admin share them.

Owns SocketAddress, Pipe and CidrRange. Only literal IP addresses are taken: names are resolved by the
cluster types that do DNS.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/address.proto
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ferryman.config import model
from ferryman.config.fields import Fields, refuse

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_ADDRESS = Fields(
    "envoy.config.core.v3.Address",
    "socket_address pipe envoy_internal_address",
    partly={"envoy_internal_address": "of hosts"},
)
_INTERNAL = Fields("envoy.config.core.v3.EnvoyInternalAddress", "server_listener_name endpoint_id")
_SOCKET_ADDRESS = Fields(
    "envoy.config.core.v3.SocketAddress",
    "address port_value ipv4_compat network_namespace_filepath",
    checked={"protocol": "TCP; UDP on listeners, hosts, and where datagrams are sent to"},
    same={"resolver_name": "envoy.ip"},
    partly={"network_namespace_filepath": "on addresses of listeners"},
)
_PIPE = Fields("envoy.config.core.v3.Pipe", "path mode")
_CIDR_RANGES: Final = {
    name: Fields(name, "address_prefix prefix_len")
    for name in ("envoy.config.core.v3.CidrRange", "xds.core.v3.CidrRange")
}

_MAX_PIPE_PATH: Final = 107  # sun_path of sockaddr_un(7), less the final NUL


@lru_cache(maxsize=4096)
def canonical_ip(text: str) -> str | None:
    """The address in its shortest form, or None when it is no IPv4 or IPv6 address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        return None


def lower_address(
    cursor: Cursor,
    hint: str | None = None,
    *,
    datagrams: bool = False,
    namespaces: bool = False,
    internal: bool = False,
) -> model.Address | None:
    """An Address; `hint` is what to say when it holds a name. None when it has a problem.

    `datagrams`: its protocol may be UDP. `namespaces`: it may be in a
    network namespace of its own. `internal`: it may be an internal listener.
    """
    fields = _ADDRESS.read(cursor)
    if "socket_address" in fields:
        address = lower_socket_address(cursor.child("socket_address"), hint, datagrams)
        if not namespaces and address is not None and address.network_namespace is not None:
            refuse_namespace(cursor.child("socket_address"))
        return address
    if "pipe" in fields:
        return _lower_pipe(cursor.child("pipe"))
    if "envoy_internal_address" in fields:
        if internal:
            inner = _INTERNAL.read(cursor.child("envoy_internal_address"))
            return model.InternalAddress(
                listener=inner.get("server_listener_name", ""), endpoint_id=inner.get("endpoint_id", "")
            )
        hint = "a listener is internal by its field internal_listener"
        cursor.problem("an internal address is for hosts of clusters", hint, "envoy_internal_address")
    return None


def lower_socket_address(
    cursor: Cursor, hint: str | None, datagrams: bool = False
) -> model.SocketAddress | None:
    """A SocketAddress; as `lower_address`."""
    fields = _SOCKET_ADDRESS.read(cursor)
    if "protocol" in fields and not datagrams:
        refuse(cursor, "protocol UDP is not supported yet", field="protocol")
        return None
    text = fields.get("address", "")
    ip = _ip_and_zone(text)
    if ip is None:
        # A resolver gives names a meaning of its own; it is refused already.
        if text and "resolver_name" not in fields:
            _report_no_ip(cursor, text, hint)
        return None
    return model.SocketAddress(
        ip=ip,
        port=fields.get("port_value", 0),
        ipv4_compat=fields.get("ipv4_compat", False),
        network_namespace=fields.get("network_namespace_filepath") or None,
    )


def refuse_namespace(cursor: Cursor) -> None:
    """Report that an address is in a network namespace; Envoy refuses that of hosts as well."""
    refuse(cursor, "network_namespace_filepath is not supported yet", field="network_namespace_filepath")


def _ip_and_zone(text: str) -> str | None:
    """The address in its shortest form; a zone is told as its number. None: it is no address here."""
    before, percent, zone = text.partition("%")
    ip = canonical_ip(before)
    if not percent or ip is None:
        return ip
    if ":" not in ip:
        return None
    try:
        number = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        return None
    return f"{ip}%{number}" if number else ip


def _report_no_ip(cursor: Cursor, text: str, hint: str | None) -> None:
    before, percent, zone = text.partition("%")
    if percent and ":" in before and canonical_ip(before):
        cursor.problem(f"there is no network interface `{zone}`", field="address")
    else:
        cursor.problem(f"`{text}` is not an IP address", hint or _ip_hint(text), "address")


def _ip_hint(text: str) -> str | None:
    """What to write instead, for the usual slips."""
    if text == "localhost":
        return "write 127.0.0.1"
    if text.startswith("["):
        return f"write {text.strip('[]')}"
    if text == "*":
        return "write 0.0.0.0"
    return None


def _lower_pipe(cursor: Cursor) -> model.Pipe | None:
    fields = _PIPE.read(cursor)
    path = fields.get("path", "")
    if len(path.encode()) > _MAX_PIPE_PATH:
        cursor.problem(f"must be at most {_MAX_PIPE_PATH} bytes long", field="path")
        return None
    if path.startswith("@") and "mode" in fields:
        cursor.problem("an abstract socket has no mode", "remove it", "mode")
        return None
    return model.Pipe(path=path, mode=fields.get("mode", 0))


def lower_cidr_range(cursor: Cursor) -> model.CidrRange | None:
    """A CidrRange with the bits after the prefix cleared. A prefix longer than the address is cut to it."""
    fields = _CIDR_RANGES[cursor.type_name].read(cursor)
    text = fields.get("address_prefix", "")
    ip = canonical_ip(text)
    if ip is None:
        if text:
            cursor.problem(f"`{text}` is not an IP address", _range_hint(text), "address_prefix")
        return None
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    packed = socket.inet_pton(family, ip)
    width = len(packed) * 8
    length = min(int(cursor.wrapped("prefix_len") or 0), width)
    kept = int.from_bytes(packed, "big") >> (width - length) << (width - length)
    masked = socket.inet_ntop(family, kept.to_bytes(len(packed), "big"))
    return model.CidrRange(address_prefix=masked, prefix_len=length)


def _range_hint(text: str) -> str | None:
    before, slash, after = text.partition("/")
    if slash and canonical_ip(before) and after.isdigit():
        return f"write address_prefix: {before} and prefix_len: {after}"
    return None


def address_text(address: model.Address) -> str:
    """`127.0.0.1:80`, `[::1]:80` or the path, as Envoy writes it in stats and admin pages."""
    if isinstance(address, model.Pipe):
        return address.path
    if isinstance(address, model.InternalAddress):
        return f"envoy_internal_{address.listener}"
    return f"[{address.ip}]:{address.port}" if ":" in address.ip else f"{address.ip}:{address.port}"
