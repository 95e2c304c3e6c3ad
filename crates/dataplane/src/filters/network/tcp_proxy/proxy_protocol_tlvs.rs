//! TLVs that a TCP proxy adds to what a PROXY protocol header has told.
//!
//! Owns: the merging. Does not own: the header (`proxy_protocol`), nor which TLVs a cluster passes on.
//! Follows Envoy's `TcpProxy` fields `proxy_protocol_tlvs` and `proxy_protocol_tlv_merge_policy`.

use crate::model::listener::TcpProxy as Model;
use crate::model::upstream_connection::TlvMergePolicy;
use crate::proxy_protocol::{Tlv, Told};
use crate::stream_info::ConnectionInfo;

/// The TLVs, and what is done when there are some already.
#[derive(Debug)]
pub(super) struct ProxyProtocolTlvs {
    tlvs: Vec<Tlv>,
    policy: TlvMergePolicy,
}

impl ProxyProtocolTlvs {
    pub(super) fn compile(model: &Model) -> Self {
        let tlv = |tlv: &crate::model::upstream_connection::Tlv| Tlv {
            kind: tlv.tlv_type,
            value: tlv.value.as_slice().into(),
        };
        ProxyProtocolTlvs {
            tlvs: model.proxy_protocol_tlvs.iter().map(tlv).collect(),
            policy: model.proxy_protocol_tlv_merge_policy,
        }
    }

    /// Adds them to what is told of the connection.
    pub(super) fn merge_into(&self, info: &mut ConnectionInfo) {
        if self.tlvs.is_empty() {
            return;
        }
        let mut own = self.tlvs.clone();
        let Some(told) = &mut info.proxy_protocol else {
            info.proxy_protocol = Some(Box::new(Told { addresses: None, tlvs: own }));
            return;
        };
        match self.policy {
            TlvMergePolicy::AddIfAbsent => {}
            TlvMergePolicy::Append => told.tlvs.append(&mut own),
            TlvMergePolicy::OverwriteByType => {
                told.tlvs.retain(|tlv| !own.iter().any(|own| own.kind == tlv.kind));
                own.append(&mut told.tlvs);
                told.tlvs = own;
            }
        }
    }
}
