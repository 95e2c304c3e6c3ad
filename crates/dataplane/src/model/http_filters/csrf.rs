//! The CSRF filter (Envoy: `csrf.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::matcher::StringMatcher;
use super::super::runtime::RuntimeFractionalPercent;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CsrfPolicy {
    pub filter_enabled: RuntimeFractionalPercent,
    pub shadow_enabled: Option<RuntimeFractionalPercent>,
    pub additional_origins: Vec<StringMatcher>,
}
