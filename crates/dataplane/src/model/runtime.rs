//! The runtime's layers, and values that a runtime key may override (Envoy: `config.bootstrap.v3.LayeredRuntime`,
//! `config.core.v3.Runtime*`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FractionalPercent {
    pub numerator: u32,
    pub denominator: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeEntry {
    pub key: String,
    pub text: String,
    pub number: Option<f64>,
    pub flag: Option<bool>,
    pub fraction: Option<FractionalPercent>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuntimeLayer {
    Static { name: String, entries: Vec<RuntimeEntry> },
    Disk { name: String, symlink_root: String, folder: String },
    Admin { name: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeFractionalPercent {
    pub default_value: FractionalPercent,
    pub runtime_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeFeatureFlag {
    pub default_value: bool,
    pub runtime_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename = "RuntimeUInt32", deny_unknown_fields)]
pub struct RuntimeUInt32 {
    pub default_value: u32,
    pub runtime_key: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeDouble {
    pub default_value: f64,
    pub runtime_key: String,
}
