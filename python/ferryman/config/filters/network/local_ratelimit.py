"""`envoy.filters.network.local_ratelimit`: so many connections in a time.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/local_rate_limit_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.references import References
from ferryman.config.runtime import lower_feature_flag
from ferryman.config.token_bucket import lower_token_bucket

TYPE: Final = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"
_LOCAL_RATE_LIMIT = Fields(TYPE, "stat_prefix token_bucket runtime_enabled share_key")


def lower(cursor: Cursor, references: References) -> model.NetworkLocalRateLimit:
    """The filter's configuration."""
    fields = _LOCAL_RATE_LIMIT.read(cursor)
    return model.NetworkLocalRateLimit(
        stat_prefix=fields.get("stat_prefix", ""),
        token_bucket=lower_token_bucket(cursor.child("token_bucket")),
        share_key=fields.get("share_key", ""),
        enabled=lower_feature_flag(cursor, "runtime_enabled", fields),
    )
