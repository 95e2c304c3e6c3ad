//! Addresses of listeners and endpoints (Envoy: `config.core.v3.Address`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use std::net::{SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Address {
    Socket { ip: String, port: u16, ipv4_compat: bool, network_namespace: Option<String> },
    Pipe { path: String, mode: u32 },
    Internal { listener: String, endpoint_id: String },
}

impl Address {
    /// The network namespace that it is an address of; none: that of the process.
    pub fn network_namespace(&self) -> Option<&str> {
        match self {
            Address::Socket { network_namespace, .. } => network_namespace.as_deref(),
            Address::Pipe { .. } | Address::Internal { .. } => None,
        }
    }
}

/// What the text of an IP address and a port say together; the text may end with the number of a zone: `fe80::1%2`.
pub fn socket_address(ip: &str, port: u16) -> Option<SocketAddr> {
    let Some((ip, zone)) = ip.split_once('%') else { return Some(SocketAddr::new(ip.parse().ok()?, port)) };
    Some(SocketAddrV6::new(ip.parse().ok()?, port, 0, zone.parse().ok()?).into())
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CidrRange {
    pub address_prefix: String,
    pub prefix_len: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketState {
    Prebind,
    Bound,
    Listening,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SocketOption {
    pub level: i32,
    pub name: i32,
    #[serde(with = "super::bytes")]
    pub value: Vec<u8>,
    pub state: SocketState,
    pub ipv4: bool,
    pub ipv6: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TcpKeepalive {
    pub probes: Option<u32>,
    pub time_s: Option<u32>,
    pub interval_s: Option<u32>,
}
