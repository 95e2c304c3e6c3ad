//! Turns headers and cookies into dynamic metadata (Envoy: `envoy.filters.http.header_to_metadata`).
//!
//! Owns: the rules, and what is counted of them. Does not own: the metadata (`stream_info::dynamic_metadata`).
//! Follows Envoy's page "Header-To-Metadata Filter".

use std::collections::BTreeMap;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::base64;
use crate::header_name;
use crate::model::http_filters::header_to_metadata as model;
use crate::model::http_filters::header_to_metadata::ValueType;
use crate::model::metadata::{Struct, Value};
use crate::route::RegexRewrite;
use crate::stats::{Registry, Scope, stats_group};
use crate::stream_info::DynamicMetadata;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod protobuf_value;

/// Values of this length and longer are left out.
const MAX_VALUE_LENGTH: usize = 8 * 1024;

stats_group! {
    /// Of this filter: `http_filter_name.<stat_prefix>.`
    HeaderToMetadataStats (Plain)
    HeaderToMetadataStat {
        RequestRulesProcessed counter "request_rules_processed",
        ResponseRulesProcessed counter "response_rules_processed",
        RequestMetadataAdded counter "request_metadata_added",
        ResponseMetadataAdded counter "response_metadata_added",
        RequestHeaderNotFound counter "request_header_not_found",
        ResponseHeaderNotFound counter "response_header_not_found",
        Base64DecodeFailed counter "base64_decode_failed",
        HeaderValueTooLong counter "header_value_too_long",
        RegexSubstitutionFailed counter "regex_substitution_failed",
    }
}

/// The filter, or what a route says in its place.
#[derive(Debug)]
pub struct HeaderToMetadata {
    request: Vec<Rule>,
    response: Vec<Rule>,
    /// None: nothing is counted.
    stats: Option<Scope<HeaderToMetadataStats>>,
}

#[derive(Debug)]
struct Rule {
    selector: Selector,
    on_present: Option<KeyValue>,
    on_missing: Option<KeyValue>,
}

#[derive(Debug)]
enum Selector {
    Header { name: HeaderName, remove: bool },
    Cookie(Box<[u8]>),
}

#[derive(Debug)]
struct KeyValue {
    namespace: Box<str>,
    key: Box<str>,
    value: Box<[u8]>,
    rewrite: Option<RegexRewrite>,
    value_type: ValueType,
    base64: bool,
}

impl HeaderToMetadata {
    pub(super) fn new(model: &model::HeaderToMetadata, registry: &Registry) -> Result<Self, String> {
        let scope = || registry.filter(&format!("http_filter_name.{}.", model.stat_prefix));
        let compile = |rules: &[model::Rule]| rules.iter().map(Rule::compile).collect::<Result<_, _>>();
        Ok(HeaderToMetadata {
            request: compile(&model.request_rules)?,
            response: compile(&model.response_rules)?,
            stats: (!model.stat_prefix.is_empty()).then(scope),
        })
    }
}

impl BuiltInFilter for HeaderToMetadata {
    type Model = model::HeaderToMetadata;
    type State = ();
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        HeaderToMetadata::new(model, context.process.registry)
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        let rules = route.most_specific().unwrap_or(self);
        match phase {
            Phase::RequestHeaders => !rules.request.is_empty(),
            Phase::ResponseHeaders => !rules.response.is_empty(),
            Phase::RequestData | Phase::RequestTrailers | Phase::ResponseTrailers => false,
        }
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let rules = context.route_config::<HeaderToMetadata>().unwrap_or(self);
        let counts = Counts::of_request(rules, context.worker.index);
        apply(&rules.request, context.request, &mut context.info.dynamic_metadata, &counts);
        Answer::Continue
    }

    fn on_response_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let rules = context.route_config::<HeaderToMetadata>().unwrap_or(self);
        let counts = Counts::of_response(rules, context.worker.index);
        apply(&rules.response, context.response, &mut context.info.dynamic_metadata, &counts);
        Answer::Continue
    }
}

/// Where one head's rules are counted.
struct Counts<'a> {
    stats: Option<&'a Scope<HeaderToMetadataStats>>,
    worker: usize,
    processed: HeaderToMetadataStat,
    added: HeaderToMetadataStat,
    not_found: HeaderToMetadataStat,
}

impl<'a> Counts<'a> {
    fn of_request(rules: &'a HeaderToMetadata, worker: usize) -> Self {
        Counts {
            stats: rules.stats.as_ref(),
            worker,
            processed: HeaderToMetadataStat::RequestRulesProcessed,
            added: HeaderToMetadataStat::RequestMetadataAdded,
            not_found: HeaderToMetadataStat::RequestHeaderNotFound,
        }
    }

    fn of_response(rules: &'a HeaderToMetadata, worker: usize) -> Self {
        Counts {
            processed: HeaderToMetadataStat::ResponseRulesProcessed,
            added: HeaderToMetadataStat::ResponseMetadataAdded,
            not_found: HeaderToMetadataStat::ResponseHeaderNotFound,
            ..Counts::of_request(rules, worker)
        }
    }

    fn inc(&self, stat: HeaderToMetadataStat) {
        if let Some(stats) = self.stats {
            stats.inc_on(self.worker, stat);
        }
    }
}

fn apply(rules: &[Rule], head: &mut HeaderBlock, metadata: &mut DynamicMetadata, counts: &Counts<'_>) {
    if rules.is_empty() {
        return;
    }
    let mut found: BTreeMap<&str, Struct> = BTreeMap::new();
    for rule in rules {
        counts.inc(counts.processed);
        let value = rule.selector.extract(head);
        let told = if value.is_some() { &rule.on_present } else { &rule.on_missing };
        let Some(told) = told else { continue };
        if value.is_none() {
            counts.inc(counts.not_found);
        }
        if let Some(value) = told.value_of(value.unwrap_or_default(), counts) {
            counts.inc(counts.added);
            // Of two rules for one key the last counts.
            found.entry(&told.namespace).or_default().0.insert(told.key.to_string(), value);
        }
    }
    for (namespace, fields) in found {
        metadata.set(namespace, fields);
    }
}

impl Rule {
    fn compile(model: &model::Rule) -> Result<Self, String> {
        let compile = |told: &model::KeyValue| -> Result<KeyValue, String> {
            Ok(KeyValue {
                namespace: told.namespace.as_str().into(),
                key: told.key.as_str().into(),
                value: told.value.as_bytes().into(),
                rewrite: told.regex_value_rewrite.as_ref().map(RegexRewrite::compile).transpose()?,
                value_type: told.value_type,
                base64: told.base64,
            })
        };
        Ok(Rule {
            selector: match &model.selector {
                model::Selector::Header { name, remove } => {
                    let name = if name == "host" { ":authority" } else { name };
                    Selector::Header { name: header_name::parse(name)?, remove: *remove }
                }
                model::Selector::Cookie { name } => Selector::Cookie(name.as_bytes().into()),
            },
            on_present: model.on_present.as_ref().map(compile).transpose()?,
            on_missing: model.on_missing.as_ref().map(compile).transpose()?,
        })
    }
}

impl Selector {
    fn extract(&self, head: &mut HeaderBlock) -> Option<Vec<u8>> {
        match self {
            Selector::Header { name, remove } => {
                let values: Vec<_> = head.get_all(name).collect();
                if values.is_empty() {
                    return None;
                }
                let value = values.join(&b","[..]);
                if *remove && !name.known().is_pseudo() {
                    head.remove_name(name);
                }
                Some(value)
            }
            Selector::Cookie(name) => cookie(head, name),
        }
    }
}

/// The value of the first cookie of the name; an empty one is none.
fn cookie(head: &HeaderBlock, name: &[u8]) -> Option<Vec<u8>> {
    let pairs = head.get_all_known(KnownName::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
    for pair in pairs {
        let pair = pair.trim_ascii();
        let Some(equals) = memchr::memchr(b'=', pair) else { continue };
        if pair.get(..equals) == Some(name) {
            let value = pair.get(equals + 1..).unwrap_or_default();
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            return Some(unquoted.unwrap_or(value).to_vec()).filter(|value| !value.is_empty());
        }
    }
    None
}

impl KeyValue {
    /// What is set; none: nothing, because there is no value or not one of the type.
    fn value_of(&self, found: Vec<u8>, counts: &Counts<'_>) -> Option<Value> {
        let mut value = if !self.value.is_empty() {
            self.value.to_vec()
        } else if let Some(rewrite) = &self.rewrite {
            let rewritten = rewrite.replace_all(&found);
            if rewritten.is_empty() {
                counts.inc(HeaderToMetadataStat::RegexSubstitutionFailed);
            }
            rewritten
        } else {
            found
        };
        if value.is_empty() {
            return None;
        }
        if value.len() >= MAX_VALUE_LENGTH {
            counts.inc(HeaderToMetadataStat::HeaderValueTooLong);
            return None;
        }
        if self.base64 {
            let Some(decoded) = base64::decode(&value).filter(|decoded| !decoded.is_empty()) else {
                counts.inc(HeaderToMetadataStat::Base64DecodeFailed);
                return None;
            };
            value = decoded;
        }
        match self.value_type {
            ValueType::String => Some(Value::String(value)),
            ValueType::Number => {
                let text = std::str::from_utf8(&value).ok()?;
                text.trim().parse().ok().map(Value::Number)
            }
            ValueType::ProtobufValue => protobuf_value::parse(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies() {
        let mut head = HeaderBlock::new();
        assert!(
            head.append(KnownName::Cookie, b"a=1; b=\"2\"; c=") && head.append(KnownName::Cookie, b"d=4")
        );
        for (name, value) in [("a", Some("1")), ("b", Some("2")), ("c", None), ("d", Some("4")), ("e", None)]
        {
            assert_eq!(cookie(&head, name.as_bytes()).as_deref(), value.map(str::as_bytes));
        }
    }
}
