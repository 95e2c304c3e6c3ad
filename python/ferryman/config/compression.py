"""How bodies are compressed and decompressed: the libraries of the compressor and the decompressor filter.

Owns their fields and defaults. Does not own which bodies are compressed (the filters).

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/compressor_filter and
https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/compression/gzip/compressor/v3/gzip.proto
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, word

COMPRESSORS: Final = "envoy.compression.compressor"
DECOMPRESSORS: Final = "envoy.compression.decompressor"
_PACKAGE: Final = "envoy.extensions.compression"
_CHUNK_SIZE: Final = 4096

_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig", "name typed_config", where="compression library"
)
_GZIP = Fields(
    f"{_PACKAGE}.gzip.compressor.v3.Gzip",
    "memory_level compression_level compression_strategy window_bits chunk_size",
)
_BROTLI = Fields(
    f"{_PACKAGE}.brotli.compressor.v3.Brotli",
    "quality encoder_mode window_bits input_block_bits chunk_size disable_literal_context_modeling",
)
_ZSTD = Fields(
    f"{_PACKAGE}.zstd.compressor.v3.Zstd", "compression_level enable_checksum strategy dictionary chunk_size"
)
_GUNZIP = Fields(f"{_PACKAGE}.gzip.decompressor.v3.Gzip", "window_bits chunk_size max_inflate_ratio")
_UNBROTLI = Fields(
    f"{_PACKAGE}.brotli.decompressor.v3.Brotli",
    "chunk_size",
    no_effect={
        "disable_ring_buffer_reallocation": "it says how memory is taken; the library decides that itself",
    },
)
_UNZSTD = Fields(f"{_PACKAGE}.zstd.decompressor.v3.Zstd", "dictionaries chunk_size")

_ZSTD_MAGIC: Final = b"\x37\xa4\x30\xec"
"""RFC 8878, section 5."""
_GZIP_STRATEGIES: Final = ("default", "filtered", "huffman_only", "rle", "fixed")
_BROTLI_MODES: Final = ("generic", "generic", "text", "font")
_ZSTD_STRATEGIES: Final = (
    "default",
    "fast",
    "dfast",
    "greedy",
    "lazy",
    "lazy2",
    "btlazy2",
    "btopt",
    "btultra",
    "btultra2",
)


def lower_compressor(cursor: Cursor) -> tuple[str, model.CompressorLibrary] | None:
    """A library that compresses, with its name in statistics."""
    return _lower_library(cursor, COMPRESSORS, BUILT_COMPRESSORS)


def lower_decompressor(cursor: Cursor) -> tuple[str, model.DecompressorLibrary] | None:
    """A library that decompresses, with its name in statistics."""
    return _lower_library(cursor, DECOMPRESSORS, BUILT_DECOMPRESSORS)


def _lower_library(
    cursor: Cursor, category: str, built: Mapping[str, Callable[[Cursor], Any]]
) -> tuple[str, Any] | None:
    fields = _EXTENSION.read(cursor)
    opened = open_extension(cursor, category, built)
    if opened is None:
        return None
    inner, lower = opened
    return fields.get("name", ""), lower(inner)


def _number(fields: dict[str, Any], name: str, default: int) -> int:
    return int(fields[name].value) if name in fields else default


def _chunk_size(fields: dict[str, Any]) -> int:
    return _number(fields, "chunk_size", _CHUNK_SIZE)


def _lower_gzip(cursor: Cursor) -> model.GzipCompressor:
    fields = _GZIP.read(cursor)
    return model.GzipCompressor(
        memory_level=_number(fields, "memory_level", 5),
        compression_level=fields.get("compression_level", 0) or -1,
        strategy=word(cursor, "compression_strategy", _GZIP_STRATEGIES),  # type: ignore[arg-type]
        window_bits=_number(fields, "window_bits", 12),
        chunk_size=_chunk_size(fields),
    )


def _lower_brotli(cursor: Cursor) -> model.BrotliCompressor:
    fields = _BROTLI.read(cursor)
    return model.BrotliCompressor(
        quality=_number(fields, "quality", 3),
        encoder_mode=word(cursor, "encoder_mode", _BROTLI_MODES),  # type: ignore[arg-type]
        window_bits=_number(fields, "window_bits", 18),
        input_block_bits=_number(fields, "input_block_bits", 24),
        chunk_size=_chunk_size(fields),
        disable_literal_context_modeling=fields.get("disable_literal_context_modeling", False),
    )


def _lower_zstd(cursor: Cursor) -> model.ZstdCompressor:
    fields = _ZSTD.read(cursor)
    dictionary = _dictionary(cursor.child("dictionary")) if "dictionary" in fields else b""
    return model.ZstdCompressor(
        compression_level=_number(fields, "compression_level", 3),
        enable_checksum=fields.get("enable_checksum", False),
        strategy=word(cursor, "strategy", _ZSTD_STRATEGIES),  # type: ignore[arg-type]
        dictionary=dictionary or b"",
        chunk_size=_chunk_size(fields),
    )


def _lower_gunzip(cursor: Cursor) -> model.GzipDecompressor:
    fields = _GUNZIP.read(cursor)
    return model.GzipDecompressor(
        window_bits=_number(fields, "window_bits", 15),
        chunk_size=_chunk_size(fields),
        max_inflate_ratio=_number(fields, "max_inflate_ratio", 100),
    )


def _lower_unbrotli(cursor: Cursor) -> model.BrotliDecompressor:
    return model.BrotliDecompressor(chunk_size=_chunk_size(_UNBROTLI.read(cursor)))


def _lower_unzstd(cursor: Cursor) -> model.ZstdDecompressor:
    fields = _UNZSTD.read(cursor)
    dictionaries = [_dictionary(item) for item in cursor.items("dictionaries")]
    return model.ZstdDecompressor(
        dictionaries=[dictionary for dictionary in dictionaries if dictionary is not None],
        chunk_size=_chunk_size(fields),
    )


BUILT_COMPRESSORS: Final[Mapping[str, Callable[[Cursor], model.CompressorLibrary]]] = {
    _BROTLI.message: _lower_brotli,
    _GZIP.message: _lower_gzip,
    _ZSTD.message: _lower_zstd,
}
"""The libraries that compress, by the type of their configuration."""

BUILT_DECOMPRESSORS: Final[Mapping[str, Callable[[Cursor], model.DecompressorLibrary]]] = {
    _UNBROTLI.message: _lower_unbrotli,
    _GUNZIP.message: _lower_gunzip,
    _UNZSTD.message: _lower_unzstd,
}
"""The libraries that decompress, by the type of their configuration."""


def _dictionary(cursor: Cursor) -> bytes | None:
    """A dictionary of zstd; frames name it by its number, so one without a number serves nobody."""
    data = read_data_source(cursor)
    if data is not None and not (data.startswith(_ZSTD_MAGIC) and any(data[4:8])):
        cursor.problem("is no zstd dictionary", "make it by zstd --train")
    return data
