"""Transport sockets: what is spoken below HTTP or TCP, on either side.

Owns TransportSocket. Plain bytes (raw_buffer) are the default and all that is built.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/base.proto#config-core-v3-transportsocket
"""

from __future__ import annotations

from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_TRANSPORT_SOCKET = Fields(
    "envoy.config.core.v3.TransportSocket",
    "typed_config",
    no_effect={"name": "the type of typed_config says which it is"},
)
_RAW_BUFFER = Fields("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")

BUILT: Final = {_RAW_BUFFER.message: _RAW_BUFFER}
"""The transport sockets that are built, for both sides, by the type of their configuration."""


def check_transport_socket(cursor: Cursor, category: str) -> None:
    """Let raw_buffer pass and refuse every other transport socket by its name."""
    _TRANSPORT_SOCKET.read(cursor)
    opened = open_extension(cursor, category, BUILT)
    if opened is not None:
        inner, declared = opened
        declared.read(inner)
