"""`envoy.filters.http.csrf`: refuses requests that change something and come from another site's page.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/csrf_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.runtime import lower_runtime_fraction

TYPE: Final = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"

_POLICY = Fields(TYPE, "filter_enabled shadow_enabled additional_origins")


def lower(cursor: Cursor) -> model.CsrfPolicy:
    """The filter's configuration, and what a route says to it: they have the same type."""
    fields = _POLICY.read(cursor)
    shadow = lower_runtime_fraction(cursor.child("shadow_enabled")) if "shadow_enabled" in fields else None
    return model.CsrfPolicy(
        filter_enabled=lower_runtime_fraction(cursor.child("filter_enabled")),
        shadow_enabled=shadow,
        additional_origins=[lower_string_matcher(item) for item in cursor.items("additional_origins")],
    )
