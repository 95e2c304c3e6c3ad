//! Access logs and their filters (Envoy: `config.accesslog.v3.AccessLog`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::format::{Format, JsonValue};
use super::matcher::{HeaderMatcher, MetadataMatcher};
use super::runtime::{FractionalPercent, RuntimeUInt32};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sink {
    File { path: String },
    Stdout {},
    Stderr {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LogFormat {
    Text { format: Format, omit_empty_values: bool },
    Json { root: JsonValue, omit_empty_values: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonOp {
    Eq,
    Ge,
    Le,
    Ne,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub op: ComparisonOp,
    pub value: RuntimeUInt32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LogFilter {
    StatusCode { comparison: Comparison },
    Duration { comparison: Comparison },
    ResponseFlag { flags: Vec<String> },
    Header { header: HeaderMatcher },
    And { filters: Vec<LogFilter> },
    Or { filters: Vec<LogFilter> },
    NotHealthCheck {},
    Traceable {},
    GrpcStatus { statuses: Vec<u64>, exclude: bool },
    Metadata { matcher: Option<MetadataMatcher>, if_missing: bool },
    LogType { types: Vec<u32>, exclude: bool },
    Runtime { percent: FractionalPercent, runtime_key: String, use_independent_randomness: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogEvents {
    pub on_start: bool,
    pub on_connected: bool,
    pub flush_interval_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    pub sink: Sink,
    pub format: LogFormat,
    pub filter: Option<LogFilter>,
}
