//! Which cluster a datagram goes to.
//!
//! Owns: the choice, by the addresses at both ends. Does not own: the tree (`matcher::tree`).
//! Follows Envoy's `UdpProxyConfig` field `matcher`, whose actions are `Route`s.

use std::net::SocketAddr;

use crate::matcher::VisibleState;
use crate::matcher::input::{ConnectionData, MatchingData};
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::match_tree::MatchTree as Model;
use crate::stats::Registry;
use crate::stream_info::Address;

/// Chooses one of the proxy's clusters, by number.
#[derive(Debug)]
pub(super) enum Destination {
    /// Always the first.
    Only,
    Matched(Box<MatchTree>),
}

impl Destination {
    /// Compiles a matcher; none: there is one cluster.
    pub(super) fn compile(model: Option<&Model>, registry: &Registry) -> Result<Self, String> {
        let Some(model) = model else { return Ok(Self::Only) };
        let tree = MatchTree::compile(model)?;
        tree.open_stats(registry);
        Ok(Self::Matched(Box::new(tree)))
    }

    /// The number of the cluster for what `client` sends to `local`; none: there is no route.
    pub(super) fn find(&self, client: SocketAddr, local: SocketAddr) -> Option<usize> {
        let Self::Matched(tree) = self else { return Some(0) };
        let (client, local) = (Address::of_connection(client), Address::of_connection(local));
        let connection = ConnectionData {
            local: &local,
            remote: &client,
            direct_remote: &client,
            server_name: "",
            transport_protocol: "",
            application_protocols: "",
            filter_state: VisibleState { stream: None, connection: None },
            tls: None,
        };
        let data = MatchingData { connection: Some(connection), ..MatchingData::default() };
        match tree.find(&data, &mut |_| ()) {
            Outcome::Action(number) => Some(number),
            Outcome::NoMatch | Outcome::InsufficientData => None,
        }
    }
}
