"""`envoy.filters.http.grpc_http1_bridge`: lets clients of HTTP/1.1 make unary gRPC calls.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/grpc_http1_bridge_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config"

_BRIDGE = Fields(TYPE, "upgrade_protobuf_to_grpc ignore_query_parameters")


def lower(cursor: Cursor) -> model.GrpcHttp1Bridge:
    """The filter's configuration."""
    fields = _BRIDGE.read(cursor)
    return model.GrpcHttp1Bridge(
        upgrade_protobuf=fields.get("upgrade_protobuf_to_grpc", False),
        ignore_query_parameters=fields.get("ignore_query_parameters", False),
    )
