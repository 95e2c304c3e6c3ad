//! The filters of gRPC (Envoy: `grpc_stats.v3`, `grpc_web.v3`, `grpc_http1_bridge.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcStats {
    pub emit_filter_state: bool,
    /// None: all methods.
    pub methods: Option<Vec<(String, String)>>,
    pub enable_upstream_stats: bool,
    pub replace_dots_in_service_name: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcWeb {}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcHttp1Bridge {
    pub upgrade_protobuf: bool,
    pub ignore_query_parameters: bool,
}
