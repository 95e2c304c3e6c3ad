"""The filter that sets objects of streams (Envoy: `set_filter_state.v3`)."""

from __future__ import annotations

from ferryman.config.model.filter_state import FilterStateValue
from ferryman.config.model.struct import Tagged


class HttpSetFilterState(Tagged, tag="set_filter_state", frozen=True):
    """The objects in their order; `clear_route_cache`: the route is looked up again."""

    on_request_headers: list[FilterStateValue]
    clear_route_cache: bool
