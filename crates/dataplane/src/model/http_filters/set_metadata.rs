//! The filter that sets dynamic metadata (Envoy: `set_metadata.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use crate::model::metadata::Struct;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataEntry {
    pub namespace: String,
    pub allow_overwrite: bool,
    pub value: Option<Struct>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetMetadata {
    pub entries: Vec<MetadataEntry>,
}
