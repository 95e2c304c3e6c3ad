//! Turns headers and cookies into dynamic metadata (Envoy: `envoy.filters.http.header_to_metadata`).
//!
//! Owns: the rules. Does not own: the metadata (`stream_info::dynamic_metadata`).
//! Follows Envoy's page "Header-To-Metadata Filter".

use std::collections::BTreeMap;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::base64;
use crate::header_name;
use crate::model::http_filters::header_to_metadata as model;
use crate::model::http_filters::header_to_metadata::ValueType;
use crate::model::metadata::{Struct, Value};
use crate::route::RegexRewrite;
use crate::stream_info::DynamicMetadata;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod protobuf_value;

/// Values of this length and longer are left out.
const MAX_VALUE_LENGTH: usize = 8 * 1024;

/// The filter, or what a route says in its place.
#[derive(Debug)]
pub struct HeaderToMetadata {
    request: Vec<Rule>,
    response: Vec<Rule>,
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
    pub(super) fn new(model: &model::HeaderToMetadata) -> Result<Self, String> {
        let compile = |rules: &[model::Rule]| rules.iter().map(Rule::compile).collect::<Result<_, _>>();
        Ok(HeaderToMetadata {
            request: compile(&model.request_rules)?,
            response: compile(&model.response_rules)?,
        })
    }
}

impl BuiltInFilter for HeaderToMetadata {
    type Model = model::HeaderToMetadata;
    type State = ();
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, _context: &FilterCompileContext<'_>) -> Result<Self, String> {
        HeaderToMetadata::new(model)
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
        apply(&rules.request, context.request, &mut context.info.dynamic_metadata);
        Answer::Continue
    }

    fn on_response_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let rules = context.route_config::<HeaderToMetadata>().unwrap_or(self);
        apply(&rules.response, context.response, &mut context.info.dynamic_metadata);
        Answer::Continue
    }
}

fn apply(rules: &[Rule], head: &mut HeaderBlock, metadata: &mut DynamicMetadata) {
    if rules.is_empty() {
        return;
    }
    let mut found: BTreeMap<&str, Struct> = BTreeMap::new();
    for rule in rules {
        let value = rule.selector.extract(head);
        let told = if value.is_some() { &rule.on_present } else { &rule.on_missing };
        let Some(told) = told else { continue };
        if let Some(value) = told.value_of(value.unwrap_or_default()) {
            // Of two rules for one key the first counts.
            found.entry(&told.namespace).or_default().0.entry(told.key.to_string()).or_insert(value);
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
    fn value_of(&self, found: Vec<u8>) -> Option<Value> {
        let mut value = if !self.value.is_empty() {
            self.value.to_vec()
        } else if let Some(rewrite) = &self.rewrite {
            rewrite.replace_all(&found)
        } else {
            found
        };
        if value.is_empty() || value.len() >= MAX_VALUE_LENGTH {
            return None;
        }
        if self.base64 {
            value = base64::decode(&value).filter(|decoded| !decoded.is_empty())?;
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
