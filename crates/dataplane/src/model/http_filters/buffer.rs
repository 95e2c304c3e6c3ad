//! The buffer filter (Envoy: `buffer.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Buffer {
    pub max_request_bytes: u64,
}

/// None: no buffering here.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BufferPerRoute {
    pub max_request_bytes: Option<u64>,
}
