"""Request ID extensions: `envoy.request_id.uuid` is the one that is built.

Owns the extension's message. What is done with the identifier is the business of whoever has a request.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/request_id/uuid/v3/uuid.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.extensions import UUID_REQUEST_ID, open_extension
from ferryman.config.fields import Fields

_UUID = Fields(
    UUID_REQUEST_ID,
    "pack_trace_reason",
    no_effect={"use_request_id_for_trace_sampling": "nothing is traced"},
)
REQUEST_IDS: Final[Mapping[str, Fields]] = {_UUID.message: _UUID}
"""The request ID extensions that are built, by the type of their configuration."""


def lower_request_id_extension(cursor: Cursor) -> bool:
    """Whether the reason of a trace is put into the identifier."""
    opened = open_extension(cursor, "envoy.request_id", REQUEST_IDS)
    if opened is None:
        return True
    inner, declared = opened
    read = declared.read(inner)
    return bool(read["pack_trace_reason"].value) if "pack_trace_reason" in read else True
