//! How bodies are compressed and decompressed (Envoy: `extensions.compression`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GzipStrategy {
    Default,
    Filtered,
    HuffmanOnly,
    Rle,
    Fixed,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GzipCompressor {
    pub memory_level: u8,
    pub compression_level: i32,
    pub strategy: GzipStrategy,
    pub window_bits: u8,
    pub chunk_size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BrotliMode {
    Generic,
    Text,
    Font,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrotliCompressor {
    pub quality: i32,
    pub encoder_mode: BrotliMode,
    pub window_bits: i32,
    pub input_block_bits: i32,
    pub chunk_size: u32,
    pub disable_literal_context_modeling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZstdStrategy {
    Default,
    Fast,
    Dfast,
    Greedy,
    Lazy,
    Lazy2,
    Btlazy2,
    Btopt,
    Btultra,
    Btultra2,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ZstdCompressor {
    pub compression_level: i32,
    pub enable_checksum: bool,
    pub strategy: ZstdStrategy,
    #[serde(with = "super::bytes")]
    pub dictionary: Vec<u8>,
    pub chunk_size: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CompressorLibrary {
    Gzip(GzipCompressor),
    Brotli(BrotliCompressor),
    Zstd(ZstdCompressor),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GzipDecompressor {
    pub window_bits: u8,
    pub chunk_size: u32,
    pub max_inflate_ratio: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrotliDecompressor {
    pub chunk_size: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Dictionary(#[serde(with = "super::bytes")] pub Vec<u8>);

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ZstdDecompressor {
    pub dictionaries: Vec<Dictionary>,
    pub chunk_size: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DecompressorLibrary {
    Gzip(GzipDecompressor),
    Brotli(BrotliDecompressor),
    Zstd(ZstdDecompressor),
}
