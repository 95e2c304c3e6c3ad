"""`envoy.filters.http.compressor`: compresses the bodies of responses, and of requests.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/compressor_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.compression import lower_compressor
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.runtime import lower_feature_flag

TYPE: Final = "envoy.extensions.filters.http.compressor.v3.Compressor"
PER_ROUTE_TYPE: Final = "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute"

_OLD: Final = "counts only without response_direction_config, as in Envoy"
_COMPRESSOR = Fields(
    TYPE,
    "content_length content_type disable_on_etag_header remove_accept_encoding_header runtime_enabled"
    " compressor_library request_direction_config response_direction_config choose_first",
    partly={
        "content_length": _OLD,
        "content_type": _OLD,
        "disable_on_etag_header": _OLD,
        "remove_accept_encoding_header": _OLD,
        "runtime_enabled": _OLD,
    },
)
_COMMON = Fields(
    f"{TYPE}.CommonDirectionConfig", "enabled min_content_length content_type content_type_matcher"
)
_REQUEST = Fields(f"{TYPE}.RequestDirectionConfig", "common_config")
_RESPONSE = Fields(
    f"{TYPE}.ResponseDirectionConfig",
    "common_config disable_on_etag_header weaken_etag_on_compress remove_accept_encoding_header"
    " uncompressible_response_codes status_header_enabled",
)
_PER_ROUTE = Fields(PER_ROUTE_TYPE, "disabled overrides")
_OVERRIDES = Fields(
    "envoy.extensions.filters.http.compressor.v3.CompressorOverrides",
    "response_direction_config compressor_library",
)
_RESPONSE_OVERRIDES = Fields(
    "envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides", "remove_accept_encoding_header"
)

_MIN_CONTENT_LENGTH: Final = 30
_CONTENT_TYPES: Final = (
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
)
_NO_LIBRARY: Final = model.GzipCompressor(
    memory_level=5, compression_level=-1, strategy="default", window_bits=12, chunk_size=4096
)


def lower(cursor: Cursor) -> model.Compressor:
    """The filter's configuration. The deprecated fields stand for a `response_direction_config`."""
    fields = _COMPRESSOR.read(cursor)
    library = lower_compressor(cursor.child("compressor_library")) if "compressor_library" in fields else None
    name, lowered = library or ("", _NO_LIBRARY)
    old = {} if "response_direction_config" in fields else fields
    response_cursor = cursor.child("response_direction_config")
    of_response = (
        _RESPONSE.read(response_cursor) if not old and "response_direction_config" in fields else old
    )
    return model.Compressor(
        library_name=name,
        library=lowered,
        choose_first=fields.get("choose_first", False),
        request=_lower_request(cursor, fields),
        response=_lower_old(cursor, fields)
        if "response_direction_config" not in fields
        else _lower_common(response_cursor, of_response, "response."),
        disable_on_etag_header=of_response.get("disable_on_etag_header", False),
        weaken_etag_on_compress=of_response.get("weaken_etag_on_compress", False),
        remove_accept_encoding_header=of_response.get("remove_accept_encoding_header", False),
        uncompressible_response_codes=list(of_response.get("uncompressible_response_codes", ())),
        status_header_enabled=of_response.get("status_header_enabled", False),
    )


def _lower_request(cursor: Cursor, fields: dict[str, Any]) -> model.CompressorDirection:
    if "request_direction_config" in fields:
        direction = cursor.child("request_direction_config")
        return _lower_common(direction, _REQUEST.read(direction), "request.")
    off = model.RuntimeFeatureFlag(default_value=False, runtime_key="")
    return model.CompressorDirection(
        enabled=off,
        min_content_length=_MIN_CONTENT_LENGTH,
        content_types=_content_types(()),
        stat_prefix="request.",
    )


def _lower_common(cursor: Cursor, fields: dict[str, Any], stat_prefix: str) -> model.CompressorDirection:
    common = cursor.child("common_config")
    said = _COMMON.read(common) if "common_config" in fields else {}
    matchers = [lower_string_matcher(item) for item in common.items("content_type_matcher")] if said else []
    return model.CompressorDirection(
        enabled=lower_feature_flag(common, "enabled", said),
        min_content_length=_length(said, "min_content_length"),
        content_types=matchers or _content_types(said.get("content_type", ())),
        stat_prefix=stat_prefix,
    )


def _lower_old(cursor: Cursor, fields: dict[str, Any]) -> model.CompressorDirection:
    return model.CompressorDirection(
        enabled=lower_feature_flag(cursor, "runtime_enabled", fields),
        min_content_length=_length(fields, "content_length"),
        content_types=_content_types(fields.get("content_type", ())),
        stat_prefix="",
    )


def _length(fields: dict[str, Any], name: str) -> int:
    """As in Envoy, 0 stands for the default."""
    return (int(fields[name].value) if name in fields else 0) or _MIN_CONTENT_LENGTH


def _content_types(names: Any) -> list[model.StringMatcher]:
    return [model.ExactMatch(value=name, ignore_case=True) for name in (tuple(names) or _CONTENT_TYPES)]


def lower_per_route(cursor: Cursor) -> model.CompressorPerRoute:
    """What a route says to it. An override of the response's direction turns it on."""
    fields = _PER_ROUTE.read(cursor)
    if "overrides" not in fields:
        off = False if fields.get("disabled", False) else None
        return model.CompressorPerRoute(
            response_enabled=off, remove_accept_encoding_header=None, library=None
        )
    overrides = cursor.child("overrides")
    said = _OVERRIDES.read(overrides)
    response = overrides.child("response_direction_config")
    of_response = _RESPONSE_OVERRIDES.read(response) if "response_direction_config" in said else {}
    library = (
        lower_compressor(overrides.child("compressor_library")) if "compressor_library" in said else None
    )
    removes = "remove_accept_encoding_header"
    return model.CompressorPerRoute(
        response_enabled=True if "response_direction_config" in said else None,
        remove_accept_encoding_header=of_response[removes].value if removes in of_response else None,
        library=library[1] if library is not None else None,
    )
