"""`envoy.filters.http.set_metadata`: sets dynamic metadata of each request.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/set_metadata_filter
"""

from __future__ import annotations

from typing import Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.metadata import lower_struct
from ferryman.config.model import http_filters

TYPE: Final = "envoy.extensions.filters.http.set_metadata.v3.Config"

_CONFIG = Fields(TYPE, "metadata_namespace value metadata")
_METADATA = Fields(
    "envoy.extensions.filters.http.set_metadata.v3.Metadata",
    "metadata_namespace allow_overwrite value typed_value",
    partly={"typed_value": "only `overwrite_denied` tells of it: nothing that reads one is built"},
)


def lower(cursor: Cursor) -> model.SetMetadata:
    """The filter's configuration; the older pair of fields comes first and may overwrite."""
    fields = _CONFIG.read(cursor)
    entries = []
    namespace = fields.get("metadata_namespace", "")
    if namespace and "value" in fields:
        value = lower_struct(fields["value"])
        entries.append(http_filters.MetadataEntry(namespace=namespace, allow_overwrite=True, value=value))
    lowered = [_lower_entry(item) for item in cursor.items("metadata")]
    return model.SetMetadata(entries=entries + [entry for entry in lowered if entry is not None])


def _lower_entry(cursor: Cursor) -> http_filters.MetadataEntry | None:
    fields = _METADATA.read(cursor)
    if "value" not in fields and "typed_value" not in fields:
        cursor.warn("sets nothing: it has no value", code="no-effect")
        return None
    return http_filters.MetadataEntry(
        namespace=fields.get("metadata_namespace", ""),
        allow_overwrite=fields.get("allow_overwrite", False),
        value=lower_struct(fields["value"]) if "value" in fields else None,
    )
