//! The custom response filter (Envoy: `custom_response.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::access_log::LogFormat;
use super::super::match_tree::MatchTree;
use super::super::route::HeaderValueOption;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponsePolicy {
    pub status_code: Option<u16>,
    #[serde(with = "crate::model::bytes")]
    pub body: Vec<u8>,
    pub body_format: Option<LogFormat>,
    pub response_headers_to_add: Vec<HeaderValueOption>,
    pub keeps_details: bool,
    pub details: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CustomResponse {
    pub matcher: Option<MatchTree>,
    pub policies: Vec<LocalResponsePolicy>,
}
