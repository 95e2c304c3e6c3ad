//! Match trees (Envoy: `xds.type.matcher.v3.Matcher`): whoever has one keeps the actions beside it, in a list.
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::CidrRange;
use super::matcher::{StringMatcher, ValueMatcher};
use super::runtime::RuntimeFractionalPercent;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderPart {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFact {
    StatusCode,
    StatusCodeClass,
    LocalReply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionFact {
    DestinationIp,
    DestinationPort,
    SourceIp,
    SourcePort,
    DirectSourceIp,
    SourceType,
    ServerName,
    TransportProtocol,
    ApplicationProtocol,
    UriSan,
    DnsSan,
    Subject,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MatchInput {
    Header { part: HeaderPart, name: String },
    QueryParameter { name: String },
    Response { fact: ResponseFact },
    Connection { fact: ConnectionFact },
    FilterState { key: String, field: String },
    DynamicMetadata { namespace: String, path: Vec<String> },
    Absent {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InputMatcher {
    String { matcher: StringMatcher },
    Ip { ranges: Vec<CidrRange>, stat_prefix: String },
    ConsistentHashing { threshold: u32, modulo: u32, seed: u64 },
    Metadata { value: ValueMatcher, invert: bool },
    RuntimeFraction { fraction: RuntimeFractionalPercent, seed: u64 },
    Nothing {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Predicate {
    Single {
        input: MatchInput,
        #[serde(rename = "match")]
        matching: InputMatcher,
    },
    Or {
        predicates: Vec<Predicate>,
    },
    And {
        predicates: Vec<Predicate>,
    },
    Not {
        predicate: Box<Predicate>,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OnMatch {
    Action { index: usize, keep_matching: bool },
    Matcher { matcher: Box<MatchTree>, keep_matching: bool },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMatcher {
    pub predicate: Predicate,
    pub on_match: OnMatch,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MapEntry {
    pub key: String,
    pub on_match: OnMatch,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IpRangeMatcher {
    pub ranges: Vec<CidrRange>,
    pub exclusive: bool,
    pub on_match: OnMatch,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DomainMatcher {
    pub domains: Vec<String>,
    pub on_match: OnMatch,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MatchTree {
    Empty { on_no_match: Option<OnMatch> },
    MatcherList { matchers: Vec<FieldMatcher>, on_no_match: Option<OnMatch> },
    ExactMatchMap { input: MatchInput, map: Vec<MapEntry>, on_no_match: Option<OnMatch> },
    PrefixMatchMap { input: MatchInput, map: Vec<MapEntry>, on_no_match: Option<OnMatch> },
    IpMatcher { input: MatchInput, range_matchers: Vec<IpRangeMatcher>, on_no_match: Option<OnMatch> },
    ServerNameMatcher { input: MatchInput, domain_matchers: Vec<DomainMatcher>, on_no_match: Option<OnMatch> },
}
