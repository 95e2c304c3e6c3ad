"""`envoy.filters.listener.original_dst`: where a connection was headed before it was redirected here.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/original_dst_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
_ORIGINAL_DST = Fields(TYPE)


def lower(cursor: Cursor) -> model.OriginalDst:
    """The filter has no settings."""
    _ORIGINAL_DST.read(cursor)
    return model.OriginalDst()
