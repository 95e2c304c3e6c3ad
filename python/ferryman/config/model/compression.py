"""How bodies are compressed and decompressed (Envoy: `extensions.compression`). Sizes are bytes."""

from __future__ import annotations

from typing import Literal

from ferryman.config.model.struct import Tagged


class GzipCompressor(Tagged, tag="gzip", frozen=True):
    """RFC 1952; the level is 0 to 9, or -1 for zlib's own choice."""

    memory_level: int
    compression_level: int
    strategy: Literal["default", "filtered", "huffman_only", "rle", "fixed"]
    window_bits: int
    chunk_size: int  # the most that is written at once, here and below


class BrotliCompressor(Tagged, tag="brotli", frozen=True):
    """RFC 7932."""

    quality: int
    encoder_mode: Literal["generic", "text", "font"]
    window_bits: int
    input_block_bits: int
    chunk_size: int
    disable_literal_context_modeling: bool


class ZstdCompressor(Tagged, tag="zstd", frozen=True):
    """RFC 8878; an empty dictionary is none."""

    compression_level: int
    enable_checksum: bool
    strategy: Literal[
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
    ]
    dictionary: bytes
    chunk_size: int


CompressorLibrary = GzipCompressor | BrotliCompressor | ZstdCompressor


class GzipDecompressor(Tagged, tag="gzip", frozen=True):
    """RFC 1952; a body that becomes more than `max_inflate_ratio` times as large ends there."""

    window_bits: int
    chunk_size: int
    max_inflate_ratio: int


class BrotliDecompressor(Tagged, tag="brotli", frozen=True):
    """RFC 7932."""

    chunk_size: int


class ZstdDecompressor(Tagged, tag="zstd", frozen=True):
    """RFC 8878; frames name their dictionary by its id."""

    dictionaries: list[bytes]
    chunk_size: int


DecompressorLibrary = GzipDecompressor | BrotliDecompressor | ZstdDecompressor
