"""Addresses of listeners and endpoints (Envoy: `config.core.v3.Address`)."""

from __future__ import annotations

from ferryman.config.model.struct import Model, Tagged


class SocketAddress(Tagged, tag="socket", frozen=True):
    """An IP address and a port; port 0 asks the kernel for one."""

    ip: str  # may end with the number of a zone: fe80::1%2
    port: int
    ipv4_compat: bool
    network_namespace: str | None  # a file such as /run/netns/blue; None: that of the process


class Pipe(Tagged, tag="pipe", frozen=True):
    """A Unix domain socket; a path that starts with `@` is in the abstract namespace. `mode` 0: leave."""

    path: str
    mode: int


class InternalAddress(Tagged, tag="internal", frozen=True):
    """An internal listener of this process."""

    listener: str
    endpoint_id: str


Address = SocketAddress | Pipe | InternalAddress


class CidrRange(Model, frozen=True):
    """`address_prefix`/`prefix_len`, already masked."""

    address_prefix: str
    prefix_len: int


class SocketOption(Model, frozen=True):
    """An option of `setsockopt`, for sockets of these families of addresses."""

    level: int
    name: int
    value: bytes
    state: str  # prebind | bound | listening
    ipv4: bool
    ipv6: bool


class TcpKeepalive(Model, frozen=True):
    """TCP keepalive probes; None leaves a value to the operating system."""

    probes: int | None
    time_s: int | None
    interval_s: int | None
