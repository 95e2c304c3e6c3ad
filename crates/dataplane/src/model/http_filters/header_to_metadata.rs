//! The filter that turns headers into dynamic metadata (Envoy: `header_to_metadata.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use crate::model::route::RegexRewrite;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Selector {
    Header { name: String, remove: bool },
    Cookie { name: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    String,
    Number,
    ProtobufValue,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyValue {
    pub namespace: String,
    pub key: String,
    pub value: String,
    pub regex_value_rewrite: Option<RegexRewrite>,
    pub value_type: ValueType,
    pub base64: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub selector: Selector,
    pub on_present: Option<KeyValue>,
    pub on_missing: Option<KeyValue>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderToMetadata {
    pub request_rules: Vec<Rule>,
    pub response_rules: Vec<Rule>,
    pub stat_prefix: String,
}
