"""HTTP protocol options of both sides: of connection managers and of clusters.

Owns HttpProtocolOptions, Http1ProtocolOptions and the cluster extension
`envoy.extensions.upstreams.http.v3.HttpProtocolOptions`, which wins over the deprecated fields of a cluster.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/protocol.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ferryman.api import extensions as known
from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.fields import Fields, refuse, word
from ferryman.config.header_key_format import forwards_reason_phrase, lower_header_key_format
from ferryman.config.http2_options import lower_upstream_http2_options
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.upstream_http_filters import lower_upstream_http_filters

NO_UPSTREAM_TLS: Final = "it speaks of TLS names; with TLS it is refused"
_UPSTREAM: Final = "of a cluster"
_DOWNSTREAM: Final = "of a connection manager"
_ONE_LENGTH: Final = "only `false`: with two lengths, requests are smuggled (RFC 9112 6.1)"

_COMMON_DOWNSTREAM = Fields(
    "envoy.config.core.v3.HttpProtocolOptions",
    "idle_timeout max_connection_duration max_headers_count max_stream_duration"
    " headers_with_underscores_action max_requests_per_connection max_connection_duration_jitter",
    no_effect={"max_response_headers_kb": "a connection manager receives no responses"},
    where=_DOWNSTREAM,
)
_COMMON_UPSTREAM = Fields(
    "envoy.config.core.v3.HttpProtocolOptions",
    "idle_timeout max_connection_duration max_headers_count max_response_headers_kb"
    " max_requests_per_connection max_stream_duration",
    no_effect={
        "headers_with_underscores_action": "Envoy applies it to requests that it receives only",
        "max_connection_duration_jitter": "Envoy 1.40 applies it to connections that it receives only",
    },
    where=_UPSTREAM,
)
_HTTP1_DOWNSTREAM = Fields(
    "envoy.config.core.v3.Http1ProtocolOptions",
    "accept_http_10 default_host_for_http_10 enable_trailers override_stream_error_on_invalid_http_message"
    " allow_custom_methods ignore_http_11_upgrade allow_absolute_url header_key_format",
    checked={"allow_chunked_length": _ONE_LENGTH},
    no_effect={
        "use_balsa_parser": "Envoy 1.40 has one HTTP/1 parser",
        "send_fully_qualified_url": "a connection manager sends no requests",
    },
    where=_DOWNSTREAM,
)
_HTTP1_UPSTREAM = Fields(
    "envoy.config.core.v3.Http1ProtocolOptions",
    "enable_trailers header_key_format send_fully_qualified_url",
    checked={"allow_chunked_length": _ONE_LENGTH},
    no_effect={
        "use_balsa_parser": "Envoy 1.40 has one HTTP/1 parser",
        "allow_absolute_url": "a cluster receives no requests",
        "accept_http_10": "a cluster receives no requests",
        "default_host_for_http_10": "a cluster receives no requests",
        "override_stream_error_on_invalid_http_message": "a cluster receives no requests",
        "allow_custom_methods": "a cluster receives no requests",
        "ignore_http_11_upgrade": "a cluster receives no requests",
    },
    where=_UPSTREAM,
)
_PERCENT = Fields("envoy.type.v3.Percent", "value", where="of a jitter")
_OPTIONS = Fields(
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "common_http_protocol_options explicit_http_config use_downstream_protocol_config auto_config"
    " http_filters",
    no_effect={"upstream_http_protocol_options": NO_UPSTREAM_TLS},
)
_OF_BOTH: Final = "http_protocol_options http2_protocol_options"
_EXPLICIT = Fields(f"{_OPTIONS.message}.ExplicitHttpConfig", _OF_BOTH)
_USE_DOWNSTREAM = Fields(f"{_OPTIONS.message}.UseDownstreamHttpConfig", _OF_BOTH)
_AUTO = Fields(f"{_OPTIONS.message}.AutoHttpConfig", _OF_BOTH)

BUILT: Final = (_OPTIONS.message,)
"""The protocol options of clusters that are built, by the type of their configuration."""

_PROTOCOLS: Final = (
    ("explicit_http_config", _EXPLICIT, "http1"),
    ("use_downstream_protocol_config", _USE_DOWNSTREAM, "downstream"),
    ("auto_config", _AUTO, "auto"),
)
_USE_DOWNSTREAM_PROTOCOL: Final = 1
_UNDERSCORES: Final = ("allow", "reject_request", "drop_header")
HOUR_MS: Final = 3_600_000
_MAX_HEADERS: Final = 100
_MAX_RESPONSE_HEADERS_KB: Final = 80


class DownstreamHttp(NamedTuple):
    """What a connection manager takes from its protocol options; None is off."""

    max_headers_count: int
    headers_with_underscores_action: str
    max_requests_per_connection: int | None
    idle_timeout_ms: int | None
    max_connection_duration_ms: int | None
    max_connection_duration_jitter_percent: float
    max_stream_duration_ms: int | None
    accept_http_10: bool
    default_host_for_http_10: str | None
    enable_trailers: bool
    allow_custom_methods: bool
    ignored_upgrades: list[model.StringMatcher]
    allow_absolute_url: bool
    header_key_format: str
    stream_error: bool | None
    """`override_stream_error_on_invalid_http_message`; None when it is not set."""


class UpstreamHttp1(NamedTuple):
    """What a cluster takes from its HTTP/1 options."""

    enable_trailers: bool = False
    header_key_format: str = "lower_case"
    forward_reason_phrase: bool = False
    send_fully_qualified_url: bool = False


class UpstreamHttp(NamedTuple):
    """What a cluster takes from its protocol options; None is off."""

    max_requests_per_connection: int | None = None
    idle_timeout_ms: int | None = HOUR_MS
    max_connection_duration_ms: int | None = None
    max_stream_duration_ms: int | None = None
    max_response_headers_bytes: int = _MAX_RESPONSE_HEADERS_KB * 1024
    max_response_headers_count: int = _MAX_HEADERS
    http1: UpstreamHttp1 = UpstreamHttp1()
    protocol: str = "http1"
    http2: model.Http2ProtocolOptions | None = None
    http_filters: list[model.HttpFilter] | None = None


_UPSTREAM_DEFAULT: Final = UpstreamHttp()


def _count(fields: Mapping[str, Any], name: str, default: int) -> int:
    return int(fields[name].value) if name in fields else default


def percent(cursor: Cursor, field: str, fields: Mapping[str, Any]) -> float:
    """The Percent in a field; 0 when it is not set."""
    return float(_PERCENT.read(cursor.child(field)).get("value", 0)) if field in fields else 0.0


def lower_downstream_http(cursor: Cursor, fields: Mapping[str, Any]) -> DownstreamHttp:
    """The options of an HttpConnectionManager, whose set fields are `fields`."""
    common_at = cursor.child("common_http_protocol_options")
    common = _COMMON_DOWNSTREAM.read(common_at) if "common_http_protocol_options" in fields else {}
    http1: dict[str, Any] = {}
    if "http_protocol_options" in fields:
        http1 = _HTTP1_DOWNSTREAM.read(cursor.child("http_protocol_options"))
        _check_lengths(cursor.child("http_protocol_options"), http1)
    override = http1.get("override_stream_error_on_invalid_http_message")
    return DownstreamHttp(
        max_headers_count=_count(common, "max_headers_count", _MAX_HEADERS),
        headers_with_underscores_action=word(common_at, "headers_with_underscores_action", _UNDERSCORES),
        max_requests_per_connection=_count(common, "max_requests_per_connection", 0) or None,
        idle_timeout_ms=off_if_zero(common_at, "idle_timeout", common, HOUR_MS),
        max_connection_duration_ms=off_if_zero(common_at, "max_connection_duration", common, None),
        max_connection_duration_jitter_percent=percent(common_at, "max_connection_duration_jitter", common),
        max_stream_duration_ms=off_if_zero(common_at, "max_stream_duration", common, None),
        accept_http_10=http1.get("accept_http_10", False),
        default_host_for_http_10=http1.get("default_host_for_http_10") or None,
        enable_trailers=http1.get("enable_trailers", False),
        allow_absolute_url=http1["allow_absolute_url"].value if "allow_absolute_url" in http1 else True,
        header_key_format=lower_header_key_format(cursor.child("http_protocol_options"), http1),
        allow_custom_methods=http1.get("allow_custom_methods", False),
        ignored_upgrades=[
            lower_string_matcher(item)
            for item in cursor.child("http_protocol_options").items("ignore_http_11_upgrade")
        ],
        stream_error=None if override is None else override.value,
    )


def lower_upstream_http(cursor: Cursor, fields: Mapping[str, Any]) -> UpstreamHttp:
    """The options of a Cluster, whose set fields are `fields`."""
    holder, common, http1 = cursor, "common_http_protocol_options", "http_protocol_options"
    read: Mapping[str, Any] = fields
    if "typed_extension_protocol_options" in fields:
        options = _lower_typed_options(cursor)
        if options is not None:
            holder, read = options, _OPTIONS.read(options)
    common_at = holder.child(common)
    shared = _COMMON_UPSTREAM.read(common_at) if common in read else {}
    requests = _count(fields, "max_requests_per_connection", 0)
    if holder is cursor:
        chosen, protocol, http2 = _lower_deprecated(cursor, read)
        if not shared and not requests and http1 not in read and protocol == "http1":
            return _UPSTREAM_DEFAULT
    else:
        chosen, protocol, http2 = _lower_protocol(holder, read)
    return UpstreamHttp(
        max_requests_per_connection=_count(shared, "max_requests_per_connection", requests) or None,
        idle_timeout_ms=off_if_zero(common_at, "idle_timeout", shared, HOUR_MS),
        max_connection_duration_ms=off_if_zero(common_at, "max_connection_duration", shared, None),
        max_stream_duration_ms=off_if_zero(common_at, "max_stream_duration", shared, None),
        max_response_headers_bytes=_count(shared, "max_response_headers_kb", _MAX_RESPONSE_HEADERS_KB) * 1024,
        max_response_headers_count=_count(shared, "max_headers_count", _MAX_HEADERS),
        http1=chosen,
        protocol=protocol,
        http2=http2,
        http_filters=None if holder is cursor else lower_upstream_http_filters(holder, "http_filters"),
    )


def _lower_typed_options(cursor: Cursor) -> Cursor | None:
    """The HttpProtocolOptions among the options by name; all others are refused."""
    found = None
    for name, entry in cursor.map_items("typed_extension_protocol_options"):
        if name != _OPTIONS.message:
            if known.has_name(name):
                refuse(entry, f"{name} is not supported yet")
            else:
                entry.problem(f"no extension is named `{name}`", f"HTTP options are named {_OPTIONS.message}")
            continue
        inner = entry.unpack()
        if inner is not None and inner.type_name != _OPTIONS.message:
            entry.problem(f"must be a {_OPTIONS.message}, not a {inner.type_name}")
            continue
        found = inner
    return found


_Chosen = tuple[UpstreamHttp1, str, model.Http2ProtocolOptions | None]


def _lower_protocol(options: Cursor, fields: Mapping[str, Any]) -> _Chosen:
    """What is spoken, and the options of whichever protocols those are."""
    for name, declared, protocol in _PROTOCOLS:
        if name in fields:
            chosen = options.child(name)
            read = declared.read(chosen)
            if name == "explicit_http_config" and "http2_protocol_options" in read:
                protocol = "http2"
            http2 = None if protocol == "http1" else lower_upstream_http2_options(chosen, read)
            return _read_http1(chosen, read), protocol, http2
    return UpstreamHttp1(), "http1", None


def _lower_deprecated(cluster: Cursor, fields: Mapping[str, Any]) -> _Chosen:
    """The same of the fields of the cluster itself."""
    protocol = "http2" if "http2_protocol_options" in fields else "http1"
    if fields.get("protocol_selection", 0) == _USE_DOWNSTREAM_PROTOCOL:
        protocol = "downstream"
    http2 = None if protocol == "http1" else lower_upstream_http2_options(cluster, fields)
    return _read_http1(cluster, fields), protocol, http2


def _check_lengths(cursor: Cursor, fields: Mapping[str, Any]) -> None:
    if fields.get("allow_chunked_length"):
        hint = "a message has one length: the peer that sends two is to be mended"
        refuse(cursor, "allow_chunked_length is not supported yet", hint, "allow_chunked_length")


def _read_http1(holder: Cursor, fields: Mapping[str, Any]) -> UpstreamHttp1:
    if "http_protocol_options" not in fields:
        return UpstreamHttp1()
    http1 = holder.child("http_protocol_options")
    read = _HTTP1_UPSTREAM.read(http1)
    _check_lengths(http1, read)
    return UpstreamHttp1(
        enable_trailers=read.get("enable_trailers", False),
        header_key_format=lower_header_key_format(http1, read),
        forward_reason_phrase=forwards_reason_phrase(http1, read),
        send_fully_qualified_url=read.get("send_fully_qualified_url", False),
    )
