//! How connections to hosts are made (Envoy: `config.core.v3.BindConfig`, `transport_sockets.proxy_protocol`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::SocketOption;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceAddress {
    pub ip: String,
    pub port: u16,
    pub socket_options: Vec<SocketOption>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamBind {
    pub sources: Vec<SourceAddress>,
    pub freebind: bool,
    pub socket_options: Vec<SocketOption>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tlv {
    pub tlv_type: u8,
    #[serde(with = "super::bytes")]
    pub value: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamProxyProtocol {
    pub v2: bool,
    pub pass_all_tlvs: bool,
    pub pass_tlvs: Vec<u8>,
    pub added_tlvs: Vec<Tlv>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataOf {
    Cluster,
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PassedMetadata {
    pub of: MetadataOf,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InternalUpstream {
    pub passthrough_metadata: Vec<PassedMetadata>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlvMergePolicy {
    AddIfAbsent,
    OverwriteByType,
    Append,
}
