"""The filter that sets dynamic metadata (Envoy: `set_metadata.v3`)."""

from __future__ import annotations

from ferryman.config.model.metadata import Struct
from ferryman.config.model.struct import Model, Tagged


class MetadataEntry(Model, frozen=True):
    """What is set in one namespace; without `allow_overwrite` only if nothing is there.

    `value` None: a typed value, which nothing that is built reads.
    """

    namespace: str
    allow_overwrite: bool
    value: Struct | None


class SetMetadata(Tagged, tag="set_metadata", frozen=True):
    """Metadata set on each request, in this order."""

    entries: list[MetadataEntry]
