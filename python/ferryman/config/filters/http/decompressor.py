"""`envoy.filters.http.decompressor`: decompresses the bodies of requests and responses.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/decompressor_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.compression import lower_decompressor
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.runtime import lower_feature_flag

TYPE: Final = "envoy.extensions.filters.http.decompressor.v3.Decompressor"

_DECOMPRESSOR = Fields(TYPE, "decompressor_library request_direction_config response_direction_config")
_COMMON = Fields(f"{TYPE}.CommonDirectionConfig", "enabled ignore_no_transform_header")
_REQUEST = Fields(f"{TYPE}.RequestDirectionConfig", "common_config advertise_accept_encoding")
_RESPONSE = Fields(f"{TYPE}.ResponseDirectionConfig", "common_config")

_NO_LIBRARY: Final = model.GzipDecompressor(window_bits=15, chunk_size=4096, max_inflate_ratio=100)


def lower(cursor: Cursor) -> model.Decompressor:
    """The filter's configuration."""
    fields = _DECOMPRESSOR.read(cursor)
    library = cursor.child("decompressor_library")
    name, lowered = (lower_decompressor(library) if "decompressor_library" in fields else None) or (
        "",
        _NO_LIBRARY,
    )
    request = cursor.child("request_direction_config")
    of_request = _REQUEST.read(request) if "request_direction_config" in fields else {}
    response = cursor.child("response_direction_config")
    of_response = _RESPONSE.read(response) if "response_direction_config" in fields else {}
    advertise = "advertise_accept_encoding"
    return model.Decompressor(
        library_name=name,
        library=lowered,
        request=_lower_common(request, of_request),
        response=_lower_common(response, of_response),
        advertise_accept_encoding=of_request[advertise].value if advertise in of_request else True,
    )


def _lower_common(cursor: Cursor, fields: dict[str, Any]) -> model.DecompressorDirection:
    common = cursor.child("common_config")
    said = _COMMON.read(common) if "common_config" in fields else {}
    return model.DecompressorDirection(
        enabled=lower_feature_flag(common, "enabled", said),
        ignore_no_transform_header=said.get("ignore_no_transform_header", False),
    )
