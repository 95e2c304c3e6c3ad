"""`envoy.filters.http.cors`: answers preflights and says which origins may read.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/cors_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.runtime import lower_runtime_fraction

TYPE: Final = "envoy.extensions.filters.http.cors.v3.Cors"
PER_ROUTE_TYPE: Final = "envoy.extensions.filters.http.cors.v3.CorsPolicy"

_CORS = Fields(TYPE)
_POLICY = Fields(
    PER_ROUTE_TYPE,
    "allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials"
    " filter_enabled shadow_enabled allow_private_network_access forward_not_matching_preflights",
)


def lower(cursor: Cursor) -> model.Cors:
    """The filter's configuration: it has none."""
    _CORS.read(cursor)
    return model.Cors()


def lower_per_route(cursor: Cursor) -> model.CorsPolicy:
    """What a route says to it."""
    fields = _POLICY.read(cursor)
    enabled, shadow = (
        lower_runtime_fraction(cursor.child(name)) if name in fields else None
        for name in ("filter_enabled", "shadow_enabled")
    )
    return model.CorsPolicy(
        allow_origins=[lower_string_matcher(item) for item in cursor.items("allow_origin_string_match")],
        allow_methods=fields.get("allow_methods", ""),
        allow_headers=fields.get("allow_headers", ""),
        expose_headers=fields.get("expose_headers", ""),
        max_age=fields.get("max_age", ""),
        allow_credentials=cursor.wrapped("allow_credentials"),
        filter_enabled=enabled,
        shadow_enabled=shadow,
        allow_private_network_access=cursor.wrapped("allow_private_network_access"),
        forward_not_matching_preflights=cursor.wrapped("forward_not_matching_preflights"),
    )
