"""`envoy.filters.network.echo`: every byte goes back.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/echo_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.references import References

TYPE: Final = "envoy.extensions.filters.network.echo.v3.Echo"
_ECHO = Fields(TYPE)


def lower(cursor: Cursor, references: References) -> model.Echo:
    """The filter has no settings."""
    _ECHO.read(cursor)
    return model.Echo()
