//! What decides about a connection: rules, or a match tree in their place.
//!
//! Owns: the tree's answers. Does not own: the rules (`rules`), the walk through a tree (`matcher::tree`).
//! Follows Envoy's `RBAC` fields `matcher` and `shadow_matcher`: what no action is meant for is denied.

use std::sync::Arc;

use super::rules::{Decision, Rules, Verdict};
use crate::matcher::VisibleState;
use crate::matcher::input::{ConnectionData, MatchingData};
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::network_filter::{RbacAction, RbacEngine, RbacTreeAction};
use crate::stats::Registry;
use crate::stream_info::ConnectionInfo;

#[derive(Debug)]
pub(super) enum Engine {
    Rules(Rules),
    Tree(Box<MatchTree>, Vec<Decision>),
}

impl Engine {
    /// Compiles it and opens the statistics of its matchers.
    ///
    /// # Errors
    /// A rule or a matcher that cannot be compiled.
    pub(super) fn compile(model: &RbacEngine, registry: &Registry) -> Result<Self, String> {
        Ok(match model {
            RbacEngine::Rules(rules) => Engine::Rules(Rules::compile(rules)?),
            RbacEngine::Tree(model) => {
                let tree = MatchTree::compile(&model.tree)?;
                tree.open_stats(registry);
                Engine::Tree(Box::new(tree), model.actions.iter().map(decision).collect())
            }
        })
    }

    /// Decides about a connection.
    pub(super) fn decide(&self, info: &ConnectionInfo) -> Verdict {
        let (tree, decisions) = match self {
            Engine::Rules(rules) => return rules.decide(info),
            Engine::Tree(tree, decisions) => (tree, decisions),
        };
        let connection = ConnectionData {
            local: &info.local_address,
            remote: &info.remote_address,
            direct_remote: &info.direct_remote_address,
            server_name: &info.requested_server_name,
            transport_protocol: "",
            application_protocols: "",
            filter_state: VisibleState { stream: None, connection: Some(&info.filter_state) },
            tls: info.tls.as_deref(),
        };
        let data = MatchingData { connection: Some(connection), ..MatchingData::default() };
        let found = match tree.find(&data, &mut |_| ()) {
            Outcome::Action(index) => decisions.get(index).cloned(),
            Outcome::NoMatch | Outcome::InsufficientData => None,
        };
        Verdict::Decided(found.unwrap_or(Decision { allowed: false, policy: None }))
    }
}

fn decision(model: &RbacTreeAction) -> Decision {
    let allowed = matches!(model.action, RbacAction::Allow | RbacAction::Log);
    Decision { allowed, policy: Some(Arc::from(model.name.as_str())) }
}
