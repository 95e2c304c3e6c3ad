//! What requests say of themselves to rate limits (Envoy: `config.route.v3.RateLimit`), and buckets by it.
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::CidrRange;
use super::format::Format;
use super::listener_filter::TokenBucket;
use super::match_tree::MatchInput;
use super::matcher::{HeaderMatcher, QueryParameterMatcher};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataSource {
    Dynamic,
    RouteEntry,
    ClusterEntry,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RateLimitAction {
    SourceCluster {},
    DestinationCluster {},
    RequestHeader {
        header: String,
        key: String,
        skip_if_absent: bool,
    },
    QueryParameter {
        name: String,
        key: String,
        skip_if_absent: bool,
    },
    RemoteAddress {},
    MaskedRemoteAddress {
        v4_prefix_len: u8,
        v6_prefix_len: u8,
    },
    GenericKey {
        key: String,
        value: String,
    },
    HeaderValueMatch {
        key: String,
        value: String,
        expect_match: bool,
        headers: Vec<HeaderMatcher>,
    },
    QueryValueMatch {
        key: String,
        value: String,
        expect_match: bool,
        query_parameters: Vec<QueryParameterMatcher>,
    },
    RemoteAddressMatch {
        key: String,
        value: Format,
        default_value: Format,
        ranges: Vec<CidrRange>,
        invert: bool,
    },
    Metadata {
        source: MetadataSource,
        key: String,
        namespace: String,
        path: Vec<String>,
        default_value: String,
        skip_if_absent: bool,
    },
    Input {
        key: String,
        input: MatchInput,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub stage: u32,
    pub disable_key: String,
    pub actions: Vec<RateLimitAction>,
    pub hits: u64,
    pub hits_format: Option<Format>,
    pub x_ratelimit_headers: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorEntry {
    pub key: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRateLimitDescriptor {
    pub entries: Vec<DescriptorEntry>,
    pub token_bucket: TokenBucket,
    pub shadow_mode: bool,
}
