//! The rules of role based access control on connections.
//!
//! Owns: rules, compiled, and their evaluation. Does not own: match trees in their place (`engine`), what a decision does
//! (`rbac`).
//! Follows Envoy's `config.rbac.v3.RBAC`: policies by name, the first that matches counts.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::ip_range::IpRange;
use crate::matcher::{FilterStateMatcher, MetadataMatcher, StringMatcher, VisibleState};
use crate::model::address::CidrRange;
use crate::model::network_filter::{RbacAction, RbacPolicy, RbacRule as Model, RbacRules};
use crate::stream_info::{Address, ConnectionInfo};
use crate::transport_sockets::tls::TlsConnection;

use super::certificate::{CertificateRule, Pending};

/// Rules, compiled.
#[derive(Debug)]
pub struct Rules {
    action: RbacAction,
    policies: Vec<Policy>,
    asks_for_certificates: bool,
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
    Certificate(Arc<CertificateRule>),
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
        let asks = |policy: &Policy| {
            policy.permissions.asks_for_certificates() || policy.principals.asks_for_certificates()
        };
        let policies: Vec<Policy> = policies;
        let asks_for_certificates = policies.iter().any(asks);
        Ok(Rules { action: model.action, policies, asks_for_certificates })
    }

    /// Decides about a connection. What hangs on the client's certificate is decided when the handshake is over.
    #[must_use]
    pub fn decide(&self, info: &ConnectionInfo) -> Verdict {
        if let Some(tls) = info.tls.as_ref().filter(|_| self.asks_for_certificates) {
            let reduce = |policy: &Policy| {
                let both = vec![policy.permissions.reduce(info), policy.principals.reduce(info)];
                (Arc::clone(&policy.name), Pending::And(both))
            };
            let policies = self.policies.iter().map(reduce).collect();
            return Verdict::Open { action: self.action, policies, tls: Rc::clone(tls) };
        }
        let matches = |policy: &&Policy| policy.permissions.matches(info) && policy.principals.matches(info);
        let policy = self.policies.iter().find(matches).map(|policy| Arc::clone(&policy.name));
        Verdict::Decided(decision(self.action, policy))
    }
}

fn decision(action: RbacAction, policy: Option<Arc<str>>) -> Decision {
    let allowed = match action {
        RbacAction::Allow => policy.is_some(),
        RbacAction::Deny => policy.is_none(),
        RbacAction::Log => true,
    };
    Decision { allowed, policy }
}

/// What rules say of a connection that begins.
#[derive(Debug)]
pub enum Verdict {
    /// It is decided.
    Decided(Decision),
    /// It hangs on the client's certificate.
    Open {
        /// What is done where a policy matches.
        action: RbacAction,
        /// What is left of them.
        policies: Vec<(Arc<str>, Pending)>,
        /// Where the certificate will be.
        tls: Rc<TlsConnection>,
    },
}

impl Verdict {
    /// The decision, once the handshake is over.
    #[must_use]
    pub fn settle(&self) -> Decision {
        match self {
            Verdict::Decided(decision) => decision.clone(),
            Verdict::Open { action, policies, tls } => {
                let found = policies.iter().find(|(_, pending)| pending.settle(tls));
                decision(*action, found.map(|(name, _)| Arc::clone(name)))
            }
        }
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
            Model::Authenticated { name } => {
                Rule::Certificate(CertificateRule::authenticated(name.as_ref())?)
            }
            Model::Validated { san } => Rule::Certificate(CertificateRule::validated(san.as_ref())?),
        })
    }

    fn asks_for_certificates(&self) -> bool {
        match self {
            Rule::Not(rule) => rule.asks_for_certificates(),
            Rule::And(rules) | Rule::Or(rules) => rules.iter().any(Rule::asks_for_certificates),
            Rule::Certificate(_) => true,
            _ => false,
        }
    }

    /// What is left of the rule until the client's certificate is known.
    fn reduce(&self, info: &ConnectionInfo) -> Pending {
        let all = |rules: &[Rule]| rules.iter().map(|rule| rule.reduce(info)).collect();
        match self {
            Rule::Not(rule) => Pending::Not(Box::new(rule.reduce(info))),
            Rule::And(rules) => Pending::And(all(rules)),
            Rule::Or(rules) => Pending::Or(all(rules)),
            Rule::Certificate(rule) => Pending::Certificate(Arc::clone(rule)),
            rule => Pending::Known(rule.matches(info)),
        }
    }

    fn matches(&self, info: &ConnectionInfo) -> bool {
        let within = |range: &IpRange, address: &Address| ip(address).is_some_and(|ip| range.contains(ip));
        match self {
            Rule::Any => true,
            // Where it is asked so, there is no TLS.
            Rule::Never | Rule::Certificate(_) => false,
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
        Rules::compile(&RbacRules { action, policies: vec![policy] })
            .expect("rules")
            .decide(&connection())
            .settle()
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
