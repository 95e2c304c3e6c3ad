//! The rules of role based access control on connections.
//!
//! Owns: rules, compiled, and their evaluation. Does not own: match trees in their place (`engine`), what a decision does
//! (`rbac`).
//! Follows Envoy's `config.rbac.v3.RBAC`: policies by name, the first that matches counts.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ip_range::IpRange;
use crate::matcher::{FilterStateMatcher, MetadataMatcher, StringMatcher, VisibleState};
use crate::model::address::CidrRange;
use crate::model::network_filter::{RbacAction, RbacPolicy, RbacRule as Model, RbacRules};
use crate::stream_info::{Address, ConnectionInfo};

/// Rules, compiled.
#[derive(Debug)]
pub struct Rules {
    action: RbacAction,
    policies: Vec<Policy>,
}

#[derive(Debug)]
struct Policy {
    name: Arc<str>,
    permissions: Rule,
    principals: Rule,
}

#[derive(Debug)]
enum Rule {
    Any,
    Never,
    Not(Box<Rule>),
    And(Vec<Rule>),
    Or(Vec<Rule>),
    DestinationIp(IpRange),
    DestinationPort(i32, i32),
    RequestedServerName(StringMatcher),
    RemoteIp(IpRange),
    DirectRemoteIp(IpRange),
    Metadata(MetadataMatcher),
    FilterState(FilterStateMatcher),
}

/// What rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the connection may go on.
    pub allowed: bool,
    /// The policy that matched.
    pub policy: Option<Arc<str>>,
}

impl Rules {
    /// Compiles rules.
    ///
    /// # Errors
    /// An address or a pattern that is none.
    pub fn compile(model: &RbacRules) -> Result<Self, String> {
        let compile = |policy: &RbacPolicy| {
            Ok(Policy {
                name: policy.name.as_str().into(),
                permissions: Rule::compile(&policy.permissions)?,
                principals: Rule::compile(&policy.principals)?,
            })
        };
        let policies = model.policies.iter().map(compile).collect::<Result<_, String>>()?;
        Ok(Rules { action: model.action, policies })
    }

    /// Decides about a connection.
    #[must_use]
    pub fn decide(&self, info: &ConnectionInfo) -> Decision {
        let matches = |policy: &&Policy| policy.permissions.matches(info) && policy.principals.matches(info);
        let policy = self.policies.iter().find(matches).map(|policy| Arc::clone(&policy.name));
        let allowed = match self.action {
            RbacAction::Allow => policy.is_some(),
            RbacAction::Deny => policy.is_none(),
            RbacAction::Log => true,
        };
        Decision { allowed, policy }
    }
}

impl Rule {
    fn compile(model: &Model) -> Result<Self, String> {
        let all = |rules: &[Model]| rules.iter().map(Rule::compile).collect::<Result<Vec<_>, _>>();
        let range = |range: &CidrRange| IpRange::compile(range);
        Ok(match model {
            Model::Any => Rule::Any,
            Model::Never => Rule::Never,
            Model::Not { rule } => Rule::Not(Box::new(Rule::compile(rule)?)),
            Model::And { rules } => Rule::And(all(rules)?),
            Model::Or { rules } => Rule::Or(all(rules)?),
            Model::DestinationIp { range: of } => Rule::DestinationIp(range(of)?),
            Model::DestinationPort { start, end } => Rule::DestinationPort(*start, *end),
            Model::RequestedServerName { name } => Rule::RequestedServerName(StringMatcher::compile(name)?),
            Model::RemoteIp { range: of } => Rule::RemoteIp(range(of)?),
            Model::DirectRemoteIp { range: of } => Rule::DirectRemoteIp(range(of)?),
            Model::Metadata { matcher } => Rule::Metadata(MetadataMatcher::compile(matcher)?),
            Model::FilterState { matcher } => Rule::FilterState(FilterStateMatcher::compile(matcher)?),
        })
    }

    fn matches(&self, info: &ConnectionInfo) -> bool {
        let within = |range: &IpRange, address: &Address| ip(address).is_some_and(|ip| range.contains(ip));
        match self {
            Rule::Any => true,
            Rule::Never => false,
            Rule::Not(rule) => !rule.matches(info),
            Rule::And(rules) => rules.iter().all(|rule| rule.matches(info)),
            Rule::Or(rules) => rules.iter().any(|rule| rule.matches(info)),
            Rule::DestinationIp(range) => within(range, &info.local_address),
            Rule::DestinationPort(start, end) => {
                info.local_address.port().is_some_and(|port| (*start..*end).contains(&i32::from(port)))
            }
            Rule::RequestedServerName(name) => name.matches(info.requested_server_name.as_bytes()),
            Rule::RemoteIp(range) => within(range, &info.remote_address),
            Rule::DirectRemoteIp(range) => within(range, &info.direct_remote_address),
            Rule::Metadata(matcher) => matcher.matches(info.dynamic_metadata.all()),
            Rule::FilterState(matcher) => {
                matcher.matches(VisibleState { stream: None, connection: Some(&info.filter_state) })
            }
        }
    }
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address {
        Address::Ip(address) => Some(address.ip()),
        Address::Pipe(_) | Address::Internal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::time::{Instant, SystemTime};

    fn range(prefix: &str, prefix_len: u8) -> CidrRange {
        CidrRange { address_prefix: prefix.to_owned(), prefix_len }
    }

    fn connection() -> ConnectionInfo {
        let address = |text: &str| Address::Ip(text.parse::<SocketAddr>().expect("address"));
        let (local, remote) = (address("10.0.0.1:80"), address("10.0.0.2:999"));
        let mut info = ConnectionInfo::new(1, local, remote, Instant::now(), SystemTime::now());
        info.remote_address = address("1.2.3.4:5");
        info
    }

    fn decide(action: RbacAction, permissions: Model, principals: Model) -> Decision {
        let policy = RbacPolicy { name: "p".to_owned(), permissions, principals };
        Rules::compile(&RbacRules { action, policies: vec![policy] }).expect("rules").decide(&connection())
    }

    #[test]
    fn both_sides_of_a_policy_must_match() {
        let to = || Model::And {
            rules: vec![
                Model::DestinationIp { range: range("10.0.0.0", 8) },
                Model::DestinationPort { start: 80, end: 81 },
            ],
        };
        let from = || Model::RemoteIp { range: range("1.2.3.4", 32) };
        assert!(decide(RbacAction::Allow, to(), from()).allowed);
        assert!(!decide(RbacAction::Deny, to(), from()).allowed);
        assert!(decide(RbacAction::Log, Model::Never, from()).allowed);
        let not_from = Model::Not { rule: Box::new(from()) };
        assert_eq!(decide(RbacAction::Allow, to(), not_from), Decision { allowed: false, policy: None });
        let direct = Model::DirectRemoteIp { range: range("10.0.0.2", 32) };
        let either = Model::Or { rules: vec![Model::Never, direct] };
        assert_eq!(decide(RbacAction::Deny, Model::Any, either).policy.as_deref(), Some("p"));
        assert!(!decide(RbacAction::Allow, Model::DestinationPort { start: 79, end: 80 }, from()).allowed);
    }
}
