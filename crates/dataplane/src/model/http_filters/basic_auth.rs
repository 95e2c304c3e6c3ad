//! The basic authentication filter (Envoy: `basic_auth.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    pub users: Vec<(String, String)>,
    pub forward_username_header: Option<String>,
    pub authentication_header: Option<String>,
    pub allow_missing: bool,
    pub realm: Option<String>,
    pub emit_dynamic_metadata: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuthPerRoute {
    pub users: Vec<(String, String)>,
    pub realm: Option<String>,
}
