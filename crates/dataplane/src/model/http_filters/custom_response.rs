//! The custom response filter (Envoy: `custom_response.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::access_log::LogFormat;
use super::super::match_tree::MatchTree;
use super::super::redirect::RedirectAction;
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
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RedirectTarget {
    Uri { uri: String },
    Redirect(RedirectAction),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectPolicy {
    pub target: RedirectTarget,
    pub status_code: Option<u16>,
    pub response_headers_to_add: Vec<HeaderValueOption>,
    pub request_headers_to_add: Vec<HeaderValueOption>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Policy {
    LocalResponse(LocalResponsePolicy),
    Redirect(RedirectPolicy),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CustomResponse {
    pub matcher: Option<MatchTree>,
    pub policies: Vec<Policy>,
}
