"""Transport sockets: what is spoken below HTTP or TCP, on either side.

Owns TransportSocket. Plain bytes (raw_buffer) are the default; towards hosts a PROXY protocol header may
go before them.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/base.proto#config-core-v3-transportsocket
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.internal_listener import INTERNAL_UPSTREAM, lower_internal_upstream
from ferryman.config.proxy_protocol import lower_header
from ferryman.config.secrets import Secrets
from ferryman.config.tls_context import DOWNSTREAM, UPSTREAM, lower_downstream_tls, lower_upstream_tls

_TRANSPORT_SOCKET = Fields(
    "envoy.config.core.v3.TransportSocket",
    "typed_config",
    no_effect={"name": "the type of typed_config says which it is"},
)
_RAW_BUFFER = Fields("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")

_PROXY_PROTOCOL = Fields(
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
    "config",
    checked={"transport_socket": "envoy.transport_sockets.raw_buffer"},
    no_effect={"tlv_as_pool_key": "no connection is shared between downstream connections"},
)

BUILT: Final = {_RAW_BUFFER.message: _RAW_BUFFER}
"""The transport sockets that are built, for both sides, by the type of their configuration."""
BUILT_DOWNSTREAM: Final = {**BUILT, DOWNSTREAM.message: DOWNSTREAM}
"""Those towards clients."""
BUILT_UPSTREAM: Final = {
    **BUILT,
    _PROXY_PROTOCOL.message: _PROXY_PROTOCOL,
    UPSTREAM.message: UPSTREAM,
    INTERNAL_UPSTREAM.message: INTERNAL_UPSTREAM,
}
"""Those towards hosts."""

_UPSTREAM: Final = "envoy.transport_sockets.upstream"


def lower_downstream_transport_socket(cursor: Cursor, secrets: Secrets) -> model.DownstreamTls | None:
    """The transport socket of a filter chain: TLS, or None for plain bytes."""
    _TRANSPORT_SOCKET.read(cursor)
    opened = open_extension(cursor, "envoy.transport_sockets.downstream", BUILT_DOWNSTREAM)
    if opened is None:
        return None
    inner, declared = opened
    if declared is DOWNSTREAM:
        return lower_downstream_tls(inner, secrets)
    declared.read(inner)
    return None


def check_transport_socket(cursor: Cursor, category: str) -> None:
    """Let raw_buffer pass and refuse every other transport socket by its name."""
    _TRANSPORT_SOCKET.read(cursor)
    opened = open_extension(cursor, category, BUILT)
    if opened is not None:
        inner, declared = opened
        declared.read(inner)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSocket:
    """What the transport socket of a cluster makes of the plain connection."""

    proxy_protocol: model.UpstreamProxyProtocol | None = None
    tls: model.UpstreamTls | None = None
    internal_upstream: model.InternalUpstream | None = None


def lower_upstream_transport_socket(cursor: Cursor, secrets: Secrets) -> UpstreamSocket:
    """The transport socket of a cluster."""
    _TRANSPORT_SOCKET.read(cursor)
    opened = open_extension(cursor, _UPSTREAM, BUILT_UPSTREAM)
    if opened is None:
        return UpstreamSocket()
    inner, declared = opened
    if declared is UPSTREAM:
        return UpstreamSocket(tls=lower_upstream_tls(inner, secrets))
    if declared is INTERNAL_UPSTREAM:
        passed = lower_internal_upstream(inner)
        return replace(_lower_within(inner, secrets), internal_upstream=passed)
    fields = declared.read(inner)
    if declared is not _PROXY_PROTOCOL:
        return UpstreamSocket()
    if "transport_socket" in fields:
        check_transport_socket(inner.child("transport_socket"), _UPSTREAM)
    return UpstreamSocket(proxy_protocol=lower_header(inner.child("config")))


def _lower_within(cursor: Cursor, secrets: Secrets) -> UpstreamSocket:
    """The transport socket inside one that passes something on to an internal listener."""
    inner = cursor.child("transport_socket")
    _TRANSPORT_SOCKET.read(inner)
    opened = open_extension(inner, _UPSTREAM, {**BUILT, UPSTREAM.message: UPSTREAM})
    if opened is None:
        return UpstreamSocket()
    if opened[1] is UPSTREAM:
        return UpstreamSocket(tls=lower_upstream_tls(opened[0], secrets))
    opened[1].read(opened[0])
    return UpstreamSocket()
