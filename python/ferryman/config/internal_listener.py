"""Internal listeners: connections that stay within the process.

Owns the bootstrap extension that allows them, what a listener must not have to be one, and the transport
socket towards one.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/other_features/internal_listener
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_BOOTSTRAP_EXTENSION = Fields(
    "envoy.extensions.bootstrap.internal_listener.v3.InternalListener", "buffer_size_kb"
)
BOOTSTRAP: Final = {_BOOTSTRAP_EXTENSION.message: _BOOTSTRAP_EXTENSION}
"""The bootstrap extensions that are built, by the type of their configuration."""
_TYPED_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which it is"},
    where="of a bootstrap extension",
)
_INTERNAL_LISTENER = Fields("envoy.config.listener.v3.Listener.InternalListenerConfig")
INTERNAL_UPSTREAM = Fields(
    "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
    "passthrough_metadata transport_socket",
    partly={"transport_socket": "not PROXY protocol"},
)
_METADATA_SOURCE = Fields(f"{INTERNAL_UPSTREAM.message}.MetadataValueSource", "kind name")
_METADATA_KIND = Fields(
    "envoy.type.metadata.v3.MetadataKind",
    "cluster host",
    where="passed on to an internal listener",
)

_BUFFER_SIZE_KB: Final = 1024
_ADDRESS: Final = "an internal listener has no address"
_TCP_FEATURES: Final = (
    "enable_reuse_port",
    "freebind",
    "tcp_backlog_size",
    "tcp_fast_open_queue_length",
    "transparent",
    "connection_balance_config",
)


def lower_bootstrap_extensions(cursor: Cursor) -> int | None:
    """How many bytes may wait in each direction of an internal connection; None: there are none."""
    size = None
    for item in cursor.items("bootstrap_extensions"):
        _TYPED_EXTENSION.read(item)
        opened = open_extension(item, "envoy.bootstrap", BOOTSTRAP)
        if opened is not None:
            inner, declared = opened
            kilobytes = declared.read(inner).get("buffer_size_kb")
            size = 1024 * (_BUFFER_SIZE_KB if kilobytes is None else kilobytes.value)
    return size


def lower_internal_listener(
    cursor: Cursor, fields: Mapping[str, Any], buffer_bytes: int | None
) -> tuple[int | None, model.InternalAddress]:
    """The room in each direction and the address of a listener that has `internal_listener`."""
    _INTERNAL_LISTENER.read(cursor.child("internal_listener"))
    if buffer_bytes is None:
        hint = "add envoy.bootstrap.internal_listener to bootstrap_extensions"
        cursor.problem("internal listeners need a bootstrap extension", hint, "internal_listener")
    for name in ("address", "additional_addresses"):
        if name in fields:
            cursor.problem(_ADDRESS, f"remove {name}", name)
    for name in _TCP_FEATURES:
        # As in Envoy: of reuse_port what counts is whether it is mentioned.
        if name in fields and (name == "enable_reuse_port" or getattr(fields[name], "value", True)):
            cursor.problem(f"{name} is for listeners with an address", "remove it", name)
    if fields.get("socket_options"):
        cursor.problem("an internal listener has no socket", "remove socket_options", "socket_options")
    if fields.get("enable_mptcp"):
        cursor.problem("enable_mptcp is for IP addresses alone", field="enable_mptcp")
    return buffer_bytes, model.InternalAddress(listener=fields.get("name", ""), endpoint_id="")


def lower_internal_upstream(cursor: Cursor) -> model.InternalUpstream:
    """What connections to an internal listener pass on."""
    INTERNAL_UPSTREAM.read(cursor)
    passed = [_passed(item) for item in cursor.items("passthrough_metadata")]
    return model.InternalUpstream(passthrough_metadata=[item for item in passed if item is not None])


def _passed(cursor: Cursor) -> model.PassedMetadata | None:
    fields = _METADATA_SOURCE.read(cursor)
    kinds = _METADATA_KIND.read(cursor.child("kind"))
    for name in ("host", "cluster"):
        if name in kinds:
            return model.PassedMetadata(of=name, name=fields.get("name", ""))
    return None
