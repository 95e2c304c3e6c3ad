"""How connections to hosts are made (Envoy: `BindConfig`, transport sockets around others)."""

from __future__ import annotations

from ferryman.config.model.address import SocketOption
from ferryman.config.model.struct import Model


class SourceAddress(Model, frozen=True):
    """Where connections come from; port 0 asks the kernel for one."""

    ip: str
    port: int
    socket_options: list[SocketOption]


class UpstreamBind(Model, frozen=True):
    """Of several sources the first of the host's family counts."""

    sources: list[SourceAddress]
    freebind: bool
    socket_options: list[SocketOption]


class Tlv(Model, frozen=True):
    """A field of a PROXY protocol header."""

    tlv_type: int
    value: bytes


class UpstreamProxyProtocol(Model, frozen=True):
    """The header that tells hosts of the downstream connection."""

    v2: bool
    pass_all_tlvs: bool
    pass_tlvs: list[int]
    added_tlvs: list[Tlv]


class PassedMetadata(Model, frozen=True):
    """A namespace of the metadata of a cluster or of a host."""

    of: str  # cluster | host
    name: str


class InternalUpstream(Model, frozen=True):
    """What connections to an internal listener pass on."""

    passthrough_metadata: list[PassedMetadata]
