//! The filter that sets objects of streams (Envoy: `set_filter_state.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::filter_state::FilterStateValue;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetFilterState {
    pub on_request_headers: Vec<FilterStateValue>,
    pub clear_route_cache: bool,
}
