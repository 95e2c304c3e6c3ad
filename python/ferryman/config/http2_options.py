"""`Http2ProtocolOptions`: what a connection manager and a cluster take from it.

Owns the defaults of Envoy 1.40 and what is refused by name. Does not own the limits themselves (the codec).
Follows Envoy's page `config.core.v3.Http2ProtocolOptions`; the defaults are those of the binary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_LOWERED: Final = (
    "hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size"
    " max_outbound_frames max_outbound_control_frames"
    " max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream"
    " max_inbound_window_update_frames_per_data_frame_sent override_stream_error_on_invalid_http_message"
    " stream_error_on_invalid_http_messaging"
)
_ONE_CODEC: Final = "there is one HTTP/2 codec"
_OPTIONS: Final = Fields(
    "envoy.config.core.v3.Http2ProtocolOptions",
    f"{_LOWERED} allow_connect",
    no_effect={"use_oghttp2_codec": _ONE_CODEC},
    where="of a connection manager",
)
_UPSTREAM: Final = Fields(
    "envoy.config.core.v3.Http2ProtocolOptions",
    _LOWERED,
    no_effect={"use_oghttp2_codec": _ONE_CODEC, "allow_connect": "a cluster receives no requests"},
    where="of a cluster",
)
_DEFAULTS: Final = {
    "hpack_table_size": 4096,
    "max_concurrent_streams": 1024,
    "initial_stream_window_size": 16 * 1024 * 1024,
    "initial_connection_window_size": 24 * 1024 * 1024,
    "max_outbound_frames": 10_000,
    "max_outbound_control_frames": 1_000,
    "max_consecutive_inbound_frames_with_empty_payload": 1,
    "max_inbound_priority_frames_per_stream": 100,
    "max_inbound_window_update_frames_per_data_frame_sent": 10,
}


def lower_http2_options(
    cursor: Cursor, fields: Mapping[str, Any], stream_error: bool
) -> model.Http2ProtocolOptions:
    """The options in `http2_protocol_options` of the message at `cursor`, whose set fields are `fields`.

    `stream_error`: whether a malformed message ends its stream alone where the options do not say.
    """
    return _lower(_OPTIONS, cursor, fields, stream_error)


def lower_upstream_http2_options(cursor: Cursor, fields: Mapping[str, Any]) -> model.Http2ProtocolOptions:
    """The same for a cluster."""
    return _lower(_UPSTREAM, cursor, fields, False)


def _lower(
    options: Fields, cursor: Cursor, fields: Mapping[str, Any], stream_error: bool
) -> model.Http2ProtocolOptions:
    read: Mapping[str, Any] = {}
    if "http2_protocol_options" in fields:
        read = options.read(cursor.child("http2_protocol_options"))
    override = read.get("override_stream_error_on_invalid_http_message")
    if override is not None:
        stream_error = bool(override.value)
    elif read.get("stream_error_on_invalid_http_messaging", False):
        stream_error = True
    numbers = {
        name: int(read[name].value) if name in read else default for name, default in _DEFAULTS.items()
    }
    return model.Http2ProtocolOptions(
        **numbers,
        allow_connect=read.get("allow_connect", False),
        stream_error_on_invalid_http_message=stream_error,
    )
