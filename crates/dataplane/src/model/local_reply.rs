//! What becomes of the proxy's own answers (Envoy: `LocalReplyConfig`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::{LogFilter, LogFormat};
use super::route::HeaderValueOption;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BodyFormat {
    pub format: LogFormat,
    pub content_type: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalReplyMapper {
    pub filter: LogFilter,
    pub status_code: Option<u16>,
    pub has_body: bool,
    #[serde(with = "super::bytes")]
    pub body: Vec<u8>,
    pub body_format: Option<BodyFormat>,
    pub headers_to_add: Vec<HeaderValueOption>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalReplyConfig {
    pub mappers: Vec<LocalReplyMapper>,
    pub body_format: Option<BodyFormat>,
}
