//! `envoy.filters.listener.original_dst`: where a connection was headed before the system redirected it here.
//!
//! Owns: asking the system. Does not own: what the address is used for (the choice of the filter chain, clusters, logs).
//! Follows Envoy's page "Original destination".

use super::Verdict;
use crate::stream_info::ConnectionInfo;
use crate::transport_sockets::TransportSocket;

/// Notes the original destination, if the system knows one.
pub fn judge(socket: &TransportSocket, info: &mut ConnectionInfo) -> Verdict {
    if let Some(address) = socket.original_destination() {
        info.local_address = address;
        info.local_address_restored = true;
    }
    Verdict::Continue { taken: 0 }
}
