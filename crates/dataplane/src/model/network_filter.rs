//! The network filters that stand before the last one of a chain, and the small ones that end it (Envoy:
//! `extensions.filters.network`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::CidrRange;
use super::filter_state::FilterStateValue;
use super::listener_filter::TokenBucket;
use super::match_tree::MatchTree;
use super::matcher::{FilterStateMatcher, MetadataMatcher, StringMatcher};
use super::runtime::RuntimeFeatureFlag;
use super::tls::SubjectAltNameMatcher;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DirectResponse {
    #[serde(with = "super::bytes")]
    pub response: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionLimit {
    pub stat_prefix: String,
    pub max_connections: u64,
    pub delay_ms: Option<u64>,
    pub enabled: RuntimeFeatureFlag,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRatelimit {
    pub stat_prefix: String,
    pub token_bucket: TokenBucket,
    pub share_key: String,
    pub enabled: RuntimeFeatureFlag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RbacAction {
    Allow,
    Deny,
    Log,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RbacRule {
    Any,
    Never,
    Not { rule: Box<RbacRule> },
    And { rules: Vec<RbacRule> },
    Or { rules: Vec<RbacRule> },
    DestinationIp { range: CidrRange },
    DestinationPort { start: i32, end: i32 },
    RequestedServerName { name: StringMatcher },
    RemoteIp { range: CidrRange },
    DirectRemoteIp { range: CidrRange },
    Metadata { matcher: MetadataMatcher },
    FilterState { matcher: FilterStateMatcher },
    Authenticated { name: Option<StringMatcher> },
    Validated { san: Option<SubjectAltNameMatcher> },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RbacPolicy {
    pub name: String,
    pub permissions: RbacRule,
    pub principals: RbacRule,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RbacRules {
    pub action: RbacAction,
    pub policies: Vec<RbacPolicy>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RbacTreeAction {
    pub name: String,
    pub action: RbacAction,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RbacTree {
    pub tree: MatchTree,
    pub actions: Vec<RbacTreeAction>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RbacEngine {
    Rules(RbacRules),
    Tree(RbacTree),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rbac {
    pub stat_prefix: String,
    pub rules: Option<RbacEngine>,
    pub shadow_rules: Option<RbacEngine>,
    pub shadow_rules_stat_prefix: String,
    pub continuous: bool,
    pub delay_deny_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetFilterState {
    pub on_new_connection: Vec<FilterStateValue>,
}
