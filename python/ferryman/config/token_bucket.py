"""Token buckets: so many of something in a time.

Owns TokenBucket.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/v3/token_bucket.proto
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.fields import Fields

_TOKEN_BUCKET = Fields("envoy.type.v3.TokenBucket", "max_tokens tokens_per_fill fill_interval")

_SHORTEST_MS: Final = 50


def lower_token_bucket(cursor: Cursor) -> model.TokenBucket:
    """A TokenBucket; Envoy refills none more often than every 50 ms, and takes one that holds nothing."""
    fields = _TOKEN_BUCKET.read(cursor)
    per_fill = fields.get("tokens_per_fill")
    interval = milliseconds(cursor, "fill_interval", fields, _SHORTEST_MS)
    if interval < _SHORTEST_MS:
        cursor.problem(f"must be at least {_SHORTEST_MS}ms", field="fill_interval")
    return model.TokenBucket(
        max_tokens=fields.get("max_tokens", 0),
        tokens_per_fill=1 if per_fill is None else per_fill.value,
        fill_interval_ms=max(interval, _SHORTEST_MS),
    )
