"""`envoy.filters.network.direct_response`: a text for everyone who connects.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/direct_response_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.fields import Fields
from ferryman.config.references import References

TYPE: Final = "envoy.extensions.filters.network.direct_response.v3.Config"
_DIRECT_RESPONSE = Fields(TYPE, "response")


def lower(cursor: Cursor, references: References) -> model.NetworkDirectResponse:
    """The filter's configuration; without a response the connection is closed at once."""
    fields = _DIRECT_RESPONSE.read(cursor)
    response = read_data_source(cursor.child("response")) if "response" in fields else None
    return model.NetworkDirectResponse(response=response or b"")
