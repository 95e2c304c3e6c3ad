"""The decompressor filter (Envoy: `decompressor.v3`)."""

from __future__ import annotations

from ferryman.config.model.compression import DecompressorLibrary
from ferryman.config.model.runtime import RuntimeFeatureFlag
from ferryman.config.model.struct import Model, Tagged


class DecompressorDirection(Model, frozen=True):
    """Which bodies of one direction are decompressed."""

    enabled: RuntimeFeatureFlag
    ignore_no_transform_header: bool


class Decompressor(Tagged, tag="decompressor", frozen=True):
    """Decompresses bodies; `advertise_accept_encoding`: upstreams are told so."""

    library_name: str
    library: DecompressorLibrary
    request: DecompressorDirection
    response: DecompressorDirection
    advertise_accept_encoding: bool
