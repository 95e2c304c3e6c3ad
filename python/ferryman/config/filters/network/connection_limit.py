"""`envoy.filters.network.connection_limit`: so many connections at once.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/connection_limit_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import off_if_zero
from ferryman.config.fields import Fields
from ferryman.config.references import References
from ferryman.config.runtime import lower_feature_flag

TYPE: Final = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"
_CONNECTION_LIMIT = Fields(TYPE, "stat_prefix max_connections delay runtime_enabled")


def lower(cursor: Cursor, references: References) -> model.ConnectionLimit:
    """The filter's configuration."""
    fields = _CONNECTION_LIMIT.read(cursor)
    return model.ConnectionLimit(
        stat_prefix=fields.get("stat_prefix", ""),
        max_connections=fields["max_connections"].value if "max_connections" in fields else 1,
        delay_ms=off_if_zero(cursor, "delay", fields, None),
        enabled=lower_feature_flag(cursor, "runtime_enabled", fields),
    )
