//! The compressor filter (Envoy: `compressor.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::compression::CompressorLibrary;
use super::super::matcher::StringMatcher;
use super::super::runtime::RuntimeFeatureFlag;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompressorDirection {
    pub enabled: RuntimeFeatureFlag,
    pub min_content_length: u32,
    pub content_types: Vec<StringMatcher>,
    pub stat_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compressor {
    pub library_name: String,
    pub library: CompressorLibrary,
    pub choose_first: bool,
    pub request: CompressorDirection,
    pub response: CompressorDirection,
    pub disable_on_etag_header: bool,
    pub weaken_etag_on_compress: bool,
    pub remove_accept_encoding_header: bool,
    pub uncompressible_response_codes: Vec<u16>,
    pub status_header_enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompressorPerRoute {
    pub response_enabled: Option<bool>,
    pub remove_accept_encoding_header: Option<bool>,
    pub library: Option<CompressorLibrary>,
}
