//! What a route says about upgrades (`RouteAction.upgrade_configs`).
//!
//! Owns: the compiled list. Does not own: which upgrades the connection manager allows (`upgrades` there).
//! Follows Envoy's `RouteAction.UpgradeConfig`.

use std::sync::Arc;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::model::route::RouteUpgradeConfig;
use crate::proxy_protocol::HeaderWriter;

/// How a request is turned into the payload of a TCP connection (`connect_config`).
#[derive(Debug, Clone)]
pub struct ConnectConfig {
    /// Whether POST is treated like CONNECT.
    pub allow_post: bool,
    /// The PROXY protocol header that the host gets before the payload; none: it gets none.
    pub proxy_protocol: Option<Arc<HeaderWriter>>,
}

/// A route's word on one type.
#[derive(Debug, Clone)]
pub struct RouteUpgrade {
    /// The type, to be compared without regard to the case of letters.
    pub name: Box<[u8]>,
    /// Whether it is allowed here.
    pub enabled: bool,
    /// With CONNECT: the tunnel ends here, and its bytes go to the host as they are.
    pub connect: Option<ConnectConfig>,
}

impl RouteUpgrade {
    /// How a request's tunnel ends here, if it does.
    pub(super) fn terminates(&self, request: &HeaderBlock) -> Option<&ConnectConfig> {
        self.connect.as_ref().filter(|connect| match request.get(KnownName::Method) {
            Some(b"CONNECT") => true,
            Some(b"POST") => connect.allow_post,
            _ => false,
        })
    }

    pub(super) fn compile(model: &RouteUpgradeConfig) -> Self {
        RouteUpgrade {
            name: model.upgrade_type.as_bytes().into(),
            enabled: model.enabled,
            connect: model.connect_config.as_ref().map(|connect| ConnectConfig {
                allow_post: connect.allow_post,
                proxy_protocol: connect
                    .proxy_protocol
                    .as_ref()
                    .map(|header| Arc::new(HeaderWriter::compile(header, None))),
            }),
        }
    }
}
