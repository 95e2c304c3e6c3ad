"""`Http2ProtocolOptions`: what a connection manager and a cluster take from it.

Owns the defaults of Envoy 1.40 and what is refused by name. Does not own the limits themselves (the codec).
Follows Envoy's page `config.core.v3.Http2ProtocolOptions`; the defaults are those of the binary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds, off_if_zero
from ferryman.config.fields import Fields

_LOWERED: Final = (
    "hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size"
    " max_outbound_frames max_outbound_control_frames"
    " max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream"
    " max_inbound_window_update_frames_per_data_frame_sent override_stream_error_on_invalid_http_message"
    " stream_error_on_invalid_http_messaging stream_reset_burst stream_reset_rate enable_huffman_encoding"
    " custom_settings_parameters connection_keepalive"
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
    "stream_reset_burst": 1000,
    "stream_reset_rate": 33,
}
_MOST: Final = 2**32 - 1
_KEEPALIVE: Final = Fields(
    "envoy.config.core.v3.KeepaliveSettings", "interval timeout interval_jitter connection_idle_interval"
)
_KEEPALIVE_JITTER_PERCENT: Final = 15.0
_PERCENT: Final = Fields("envoy.type.v3.Percent", "value", where="of a keepalive")
_SETTING: Final = Fields("envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter", "identifier value")
_ENABLE_PUSH: Final = 2
_MAX_FRAME_SIZE: Final = 5
_ENABLE_CONNECT_PROTOCOL: Final = 8
_NAMED: Final = {1: "hpack_table_size", 3: "max_concurrent_streams", 4: "initial_stream_window_size"}
"""The settings that have a field of their own."""


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
    read: dict[str, Any] = {}
    at = cursor.child("http2_protocol_options")
    if "http2_protocol_options" in fields:
        read = options.read(at)
    override = read.get("override_stream_error_on_invalid_http_message")
    if override is not None:
        stream_error = bool(override.value)
    elif read.get("stream_error_on_invalid_http_messaging", False):
        stream_error = True
    numbers = {
        name: min(int(read[name].value), _MOST) if name in read else default
        for name, default in _DEFAULTS.items()
    }
    return model.Http2ProtocolOptions(
        **numbers,
        allow_connect=read.get("allow_connect", False),
        stream_error_on_invalid_http_message=stream_error,
        enable_huffman_encoding=read["enable_huffman_encoding"].value
        if "enable_huffman_encoding" in read
        else True,
        custom_settings=_custom_settings(at, read),
        connection_keepalive=_keepalive(at.child("connection_keepalive"))
        if "connection_keepalive" in read
        else None,
    )


def _keepalive(cursor: Cursor) -> model.KeepaliveSettings:
    fields = _KEEPALIVE.read(cursor)
    jitter = "interval_jitter"
    return model.KeepaliveSettings(
        interval_ms=off_if_zero(cursor, "interval", fields, None),
        timeout_ms=milliseconds(cursor, "timeout", fields, 0),
        interval_jitter_percent=_PERCENT.read(cursor.child(jitter)).get("value", 0.0)
        if jitter in fields
        else _KEEPALIVE_JITTER_PERCENT,
        connection_idle_interval_ms=off_if_zero(cursor, "connection_idle_interval", fields, None),
    )


def _custom_settings(cursor: Cursor, options: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Each once, in the order in which they are written; what Envoy 1.40 refuses is a problem."""
    found: dict[int, int] = {}
    for at in cursor.items("custom_settings_parameters"):
        fields = _SETTING.read(at)
        identifier = int(fields["identifier"].value) if "identifier" in fields else 0
        value = int(fields["value"].value) if "value" in fields else 0
        problem = _problem_of(identifier, value, options)
        if found.setdefault(identifier, value) != value:
            problem = f"identifier {identifier} was given before with another value"
        if problem:
            at.problem(problem)
    return list(found.items())


def _problem_of(identifier: int, value: int, options: Mapping[str, Any]) -> str:
    """Why a custom setting cannot be; empty: it can."""
    if identifier == _ENABLE_PUSH and value == 1:
        return "server push is not supported, also by Envoy"
    if identifier == _ENABLE_CONNECT_PROTOCOL:
        return "this setting is allow_connect; set that"
    if identifier == _MAX_FRAME_SIZE and not 2**14 <= value < 2**24:
        return "the largest frame (5) must be from 16384 to 16777215 bytes"
    if _NAMED.get(identifier, "") in options:
        return f"this setting is {_NAMED[identifier]}, which is set as well; remove one of them"
    return ""
