"""`envoy.filters.http.grpc_web`: lets browsers make gRPC calls.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/grpc_web_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"

_GRPC_WEB = Fields(TYPE)


def lower(cursor: Cursor) -> model.GrpcWeb:
    """The filter's configuration."""
    _GRPC_WEB.read(cursor)
    return model.GrpcWeb()
