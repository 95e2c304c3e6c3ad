"""Objects that filters leave for others (Envoy: `filters.common.set_filter_state.v3`)."""

from __future__ import annotations

from ferryman.config.model.access_log import JsonLog, TextLog
from ferryman.config.model.struct import Model


class FilterStateValue(Model, frozen=True):
    """An object of a name, made of a text by `factory`."""

    object_key: str
    factory: str  # string | bool | ip | tcp_proxy_cluster | milliseconds
    format: TextLog | JsonLog
    shared_with_upstream: str  # none | once | transitive
    skip_if_empty: bool
