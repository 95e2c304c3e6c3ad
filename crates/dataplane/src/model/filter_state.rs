//! Objects that filters leave for others (Envoy: `filters.common.set_filter_state.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::LogFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectFactory {
    String,
    Bool,
    Ip,
    TcpProxyCluster,
    Milliseconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    None,
    Once,
    Transitive,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterStateValue {
    pub object_key: String,
    pub factory: ObjectFactory,
    pub format: LogFormat,
    pub shared_with_upstream: Sharing,
    pub skip_if_empty: bool,
}
