"""`envoy.filters.http.buffer`: holds a request until all of its body is there.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/buffer_filter
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.buffer.v3.Buffer"
PER_ROUTE_TYPE: Final = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"

_BUFFER = Fields(TYPE, "max_request_bytes")
_PER_ROUTE = Fields(PER_ROUTE_TYPE, "disabled buffer")


def lower(cursor: Cursor) -> model.Buffer:
    """The filter's configuration."""
    return model.Buffer(max_request_bytes=_limit(_BUFFER.read(cursor)))


def lower_per_route(cursor: Cursor) -> model.BufferPerRoute:
    """What a route says to it."""
    fields = _PER_ROUTE.read(cursor)
    if "buffer" not in fields:
        return model.BufferPerRoute(max_request_bytes=None)
    return model.BufferPerRoute(max_request_bytes=_limit(_BUFFER.read(cursor.child("buffer"))))


def _limit(fields: dict[str, Any]) -> int:
    return int(fields["max_request_bytes"].value) if "max_request_bytes" in fields else 0
