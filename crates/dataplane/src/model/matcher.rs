//! String, header and query parameter matchers (Envoy: `type.matcher.v3`, `config.route.v3.HeaderMatcher`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::address::CidrRange;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StringMatcher {
    Exact { value: String, ignore_case: bool },
    Prefix { value: String, ignore_case: bool },
    Suffix { value: String, ignore_case: bool },
    Contains { value: String, ignore_case: bool },
    Regex { regex: String },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HeaderMatch {
    Present { present: bool },
    Range { start: i64, end: i64 },
    String { matcher: StringMatcher },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatcher {
    pub name: String,
    #[serde(rename = "match")]
    pub matching: HeaderMatch,
    pub invert_match: bool,
    pub treat_missing_header_as_empty: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CookieMatcher {
    pub name: String,
    #[serde(rename = "match")]
    pub matching: StringMatcher,
    pub invert_match: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QueryParameterMatcher {
    pub name: String,
    #[serde(rename = "match")]
    pub matching: Option<StringMatcher>,
    pub present: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueMatcher {
    Null {},
    Number { value: f64 },
    Range { start: f64, end: f64 },
    String { matcher: StringMatcher },
    Bool { value: bool },
    Present { present: bool },
    OneOf { matcher: Box<ValueMatcher> },
    Or { matchers: Vec<ValueMatcher> },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StateMatcher {
    String { matcher: StringMatcher },
    Address { ranges: Vec<CidrRange>, invert: bool },
    Nothing {},
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterStateMatcher {
    pub key: String,
    pub value: StateMatcher,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataMatcher {
    pub namespace: String,
    pub path: Vec<String>,
    pub value: ValueMatcher,
    pub invert: bool,
}
