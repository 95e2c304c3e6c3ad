//! Format strings, already split into literals and command operators (Envoy: access log command operators).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

pub type Format = Vec<FormatPart>;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FormatPart {
    Literal { text: String },
    Operator { name: String, argument: Option<String>, max_length: Option<usize> },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum JsonValue {
    Format { format: Format },
    Object { fields: Vec<(String, JsonValue)> },
    Array { elements: Vec<JsonValue> },
    Number { value: f64 },
    Bool { value: bool },
    Null {},
}
