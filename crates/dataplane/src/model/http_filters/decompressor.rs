//! The decompressor filter (Envoy: `decompressor.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::compression::DecompressorLibrary;
use super::super::runtime::RuntimeFeatureFlag;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecompressorDirection {
    pub enabled: RuntimeFeatureFlag,
    pub ignore_no_transform_header: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decompressor {
    pub library_name: String,
    pub library: DecompressorLibrary,
    pub request: DecompressorDirection,
    pub response: DecompressorDirection,
    pub advertise_accept_encoding: bool,
}
