"""`envoy.filters.network.set_filter_state`: leaves objects of a connection for others, under names.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/set_filter_state
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.filter_state import lower_filter_state_values
from ferryman.config.references import References

TYPE: Final = "envoy.extensions.filters.network.set_filter_state.v3.Config"

_CONFIG = Fields(TYPE, "on_new_connection")


def lower(cursor: Cursor, references: References) -> model.NetworkSetFilterState:
    """The filter's configuration."""
    _CONFIG.read(cursor)
    return model.NetworkSetFilterState(
        on_new_connection=lower_filter_state_values(cursor, "on_new_connection")
    )
