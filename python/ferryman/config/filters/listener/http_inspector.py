"""`envoy.filters.listener.http_inspector`: whether a client speaks HTTP, and which.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/http_inspector
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

TYPE: Final = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"
_HTTP_INSPECTOR = Fields(TYPE)


def lower(cursor: Cursor) -> model.HttpInspector:
    """The filter has no settings."""
    _HTTP_INSPECTOR.read(cursor)
    return model.HttpInspector()
