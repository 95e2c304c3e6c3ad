"""The compressor filter (Envoy: `compressor.v3`)."""

from __future__ import annotations

from ferryman.config.model.compression import CompressorLibrary
from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.runtime import RuntimeFeatureFlag
from ferryman.config.model.struct import Model, Tagged


class CompressorDirection(Model, frozen=True):
    """Which bodies of one direction are compressed; those that say no type are of any."""

    enabled: RuntimeFeatureFlag
    min_content_length: int  # in bytes
    content_types: list[StringMatcher]
    stat_prefix: str  # behind that of the library; empty or with a dot at its end


class Compressor(Tagged, tag="compressor", frozen=True):
    """Compresses bodies; the settings behind `response` are those of responses only."""

    library_name: str
    library: CompressorLibrary
    choose_first: bool
    request: CompressorDirection
    response: CompressorDirection
    disable_on_etag_header: bool
    weaken_etag_on_compress: bool
    remove_accept_encoding_header: bool
    uncompressible_response_codes: list[int]
    status_header_enabled: bool


class CompressorPerRoute(Tagged, tag="compressor", frozen=True):
    """What a route says to it; None: what the filter says counts."""

    response_enabled: bool | None
    remove_accept_encoding_header: bool | None
    library: CompressorLibrary | None
