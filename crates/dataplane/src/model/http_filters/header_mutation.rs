//! The filter that edits headers, trailers and query parameters (Envoy: `header_mutation.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use crate::model::format::Format;
use crate::model::matcher::StringMatcher;
use crate::model::route::{AppendAction, HeaderValueOption};

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mutation {
    Remove { name: String },
    RemoveOnMatch { matcher: StringMatcher },
    Append { option: HeaderValueOption },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum QueryParameterMutation {
    Remove { key: String },
    Append { key: String, value: Format, append_action: AppendAction },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mutations {
    pub request: Vec<Mutation>,
    pub query_parameters: Vec<QueryParameterMutation>,
    pub request_trailers: Vec<Mutation>,
    pub response: Vec<Mutation>,
    pub response_trailers: Vec<Mutation>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMutation {
    pub mutations: Mutations,
    pub most_specific_header_mutations_wins: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMutationPerRoute {
    pub mutations: Mutations,
}
