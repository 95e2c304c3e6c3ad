"""`envoy.filters.http.set_filter_state`: leaves objects for others, under names.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/set_filter_state
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.filter_state import lower_filter_state_values

TYPE: Final = "envoy.extensions.filters.http.set_filter_state.v3.Config"

_CONFIG = Fields(TYPE, "on_request_headers clear_route_cache")


def lower(cursor: Cursor) -> model.HttpSetFilterState:
    """The filter's configuration, and what a route says to it: they have the same type."""
    fields = _CONFIG.read(cursor)
    return model.HttpSetFilterState(
        on_request_headers=lower_filter_state_values(cursor, "on_request_headers"),
        clear_route_cache=fields.get("clear_route_cache", False),
    )
