//! What a route asks of a request beyond its path.
//!
//! Owns: query parameter matches and the conjunction of all conditions. Does not own: how one header or string is matched
//! (`matcher`), nor the path (`path_match`).
//! Follows Envoy's `RouteMatch.headers`, `runtime_fraction` and `query_parameters`: the first parameter of the name counts, nothing is decoded.

use ferryman_codec::{HeaderBlock, KnownName};

use super::cookie::Cookie;
use crate::matcher::input::ConnectionData;
use crate::matcher::{FilterStateMatcher, HeaderMatcher, MetadataMatcher, StringMatcher};
use crate::model::matcher::QueryParameterMatcher;
use crate::model::metadata::Metadata;
use crate::model::route::RouteMatch;
use crate::runtime::RuntimeFractionalPercent;

/// The compiled conditions of a route.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    headers: Vec<HeaderMatcher>,
    query_parameters: Vec<QueryParameter>,
    runtime_fraction: Option<RuntimeFractionalPercent>,
    cookies: Vec<Cookie>,
    grpc: bool,
    certificate: Option<CertificateCondition>,
    dynamic_metadata: Vec<MetadataMatcher>,
    filter_state: Vec<FilterStateMatcher>,
}

/// What a route asks of the client's certificate.
#[derive(Debug, Clone, Copy)]
struct CertificateCondition {
    presented: Option<bool>,
    validated: Option<bool>,
}

impl CertificateCondition {
    fn compile(model: &RouteMatch) -> Option<Self> {
        let (presented, validated) = (model.tls_presented, model.tls_validated);
        (presented.is_some() || validated.is_some()).then_some(CertificateCondition { presented, validated })
    }

    fn holds(self, connection: Option<ConnectionData<'_>>) -> bool {
        let peer = connection.and_then(|connection| connection.tls?.peer());
        let validated = peer.is_some_and(|peer| peer.validated);
        self.presented.is_none_or(|presented| presented == peer.is_some())
            && self.validated.is_none_or(|wanted| wanted == validated)
    }
}

/// What is known beside the request's head when its route is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// The stream's own number: with the same, a request takes the same route again.
    pub random: u64,
    /// What filters found out about the request.
    pub metadata: Option<&'a Metadata>,
    /// The connection, and what filters left for each other.
    pub connection: Option<ConnectionData<'a>>,
}

/// What is asked of one query parameter.
#[derive(Debug, Clone)]
pub(crate) struct QueryParameter {
    name: Box<[u8]>,
    matcher: Option<StringMatcher>,
    present: bool,
}

impl QueryParameter {
    pub(crate) fn compile(model: &QueryParameterMatcher) -> Result<Self, String> {
        Ok(QueryParameter {
            name: model.name.as_bytes().into(),
            matcher: model.matching.as_ref().map(StringMatcher::compile).transpose()?,
            present: model.present,
        })
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    fn matches(&self, query: &[u8]) -> bool {
        self.takes(first_value(query, &self.name))
    }

    /// Whether this value of it will do; none: it is not there.
    pub(crate) fn takes(&self, value: Option<&[u8]>) -> bool {
        match (&self.matcher, value) {
            (Some(matcher), value) => value.is_some_and(|value| matcher.matches(value)),
            (None, value) => value.is_some() == self.present,
        }
    }
}

/// The value of the first parameter of the name; empty when it has no equals sign.
fn first_value<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|&byte| byte == b'&').find_map(|parameter| {
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        let (found, value) = parameter.split_at_checked(equals)?;
        (found == name).then(|| value.get(1..).unwrap_or_default())
    })
}

impl Conditions {
    pub(super) fn compile(model: &RouteMatch) -> Result<Self, String> {
        Ok(Conditions {
            headers: model.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?,
            query_parameters: model
                .query_parameters
                .iter()
                .map(QueryParameter::compile)
                .collect::<Result<_, _>>()?,
            runtime_fraction: model.runtime_fraction.as_ref().map(RuntimeFractionalPercent::from),
            cookies: model.cookies.iter().map(Cookie::compile).collect::<Result<_, _>>()?,
            grpc: model.grpc,
            certificate: CertificateCondition::compile(model),
            dynamic_metadata: model
                .dynamic_metadata
                .iter()
                .map(MetadataMatcher::compile)
                .collect::<Result<_, _>>()?,
            filter_state: model
                .filter_state
                .iter()
                .map(FilterStateMatcher::compile)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether all of them hold. `target` is the path with its query.
    #[inline]
    pub(super) fn hold(&self, request: &HeaderBlock, target: &[u8], known: Circumstances<'_>) -> bool {
        self.runtime_fraction.is_none_or(|fraction| fraction.holds(known.random))
            && self.certificate.is_none_or(|certificate| certificate.holds(known.connection))
            && self.headers.iter().all(|header| header.matches(request))
            && (self.query_parameters.is_empty() || self.query_holds(target))
            && self.cookies.iter().all(|cookie| cookie.matches(request))
            && (!self.grpc || is_grpc(request))
            && self.dynamic_metadata.iter().all(|matcher| matcher.matches(known.metadata))
            && (self.filter_state.is_empty() || self.filter_state_holds(known))
    }

    fn filter_state_holds(&self, known: Circumstances<'_>) -> bool {
        let state = known.connection.map(|connection| connection.filter_state).unwrap_or_default();
        self.filter_state.iter().all(|matcher| matcher.matches(state))
    }

    fn query_holds(&self, target: &[u8]) -> bool {
        let query = memchr::memchr(b'?', target).and_then(|at| target.get(at + 1..)).unwrap_or_default();
        self.query_parameters.iter().all(|parameter| parameter.matches(query))
    }
}

/// Whether the request says that it is gRPC.
pub(crate) fn is_grpc(request: &HeaderBlock) -> bool {
    let kind = request.get(KnownName::ContentType).and_then(|kind| kind.strip_prefix(b"application/grpc"));
    kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::matcher::{
        MetadataMatcher as MetadataMatcherModel, StringMatcher as Model, ValueMatcher,
    };
    use crate::model::metadata::{Struct, Value};
    use crate::model::route::PathMatch;
    use crate::stream_info::DynamicMetadata;

    fn hold(name: &str, matching: Option<Model>, present: bool, target: &str) -> bool {
        let parameter = QueryParameterMatcher { name: name.to_owned(), matching, present };
        let parameter = QueryParameter::compile(&parameter).expect("matcher");
        let conditions = Conditions {
            headers: Vec::new(),
            query_parameters: vec![parameter],
            cookies: Vec::new(),
            grpc: false,
            certificate: None,
            runtime_fraction: None,
            dynamic_metadata: Vec::new(),
            filter_state: Vec::new(),
        };
        conditions.hold(&HeaderBlock::new(), target.as_bytes(), Circumstances::default())
    }

    #[test]
    fn what_filters_found_out() {
        let matcher = MetadataMatcherModel {
            namespace: "n".to_owned(),
            path: vec!["k".to_owned()],
            value: ValueMatcher::Bool { value: true },
            invert: false,
        };
        let path = PathMatch::Prefix { value: String::new(), case_sensitive: true };
        let model = RouteMatch { dynamic_metadata: vec![matcher], ..RouteMatch::of_path(path) };
        let conditions = Conditions::compile(&model).expect("conditions");
        let request = HeaderBlock::new();
        assert!(!conditions.hold(&request, b"/", Circumstances::default()), "nobody has said anything");
        for value in [true, false] {
            let mut found = DynamicMetadata::default();
            found.set("n", Struct(BTreeMap::from([("k".to_owned(), Value::Bool(value))])));
            let known = Circumstances { metadata: found.all(), ..Circumstances::default() };
            assert_eq!(conditions.hold(&request, b"/", known), value);
        }
    }

    fn exact(value: &str) -> Option<Model> {
        Some(Model::Exact { value: value.to_owned(), ignore_case: false })
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn query_parameters() {
        for (name, matching, present, target, expected) in [
            ("p", None, true, "/?p", true),
            ("p", None, true, "/?p=1", true),
            ("p", None, true, "/?a&p", true),
            ("p", None, true, "/?ap", false),
            ("p", None, true, "/?P", false),
            ("p", None, true, "/", false),
            ("np", None, false, "/?np", false),
            ("np", None, false, "/?np=1", false),
            ("np", None, false, "/?x", true),
            ("np", None, false, "/", true),
            ("e", exact("v"), true, "/?e=v", true),
            ("e", exact("v"), true, "/?e=w&e=v", false),
            ("e", exact("v"), true, "/?e=v&e=w", true),
            ("e", exact("v"), true, "/?e=%76", false),
            ("e", exact("v"), true, "/?&&e=v", true),
            ("e", exact("v"), true, "/?e=v;x", false),
            ("e", exact("v"), true, "/?e==v", false),
            ("e", exact("v"), true, "/?y?e=v", false),
            ("m", exact(""), true, "/?m", true),
            ("m", exact(""), true, "/?m=", true),
            ("m", exact(""), true, "/?m=1", false),
            ("m", exact(""), true, "/", false),
            ("a b", exact("c"), true, "/?a%20b=c", false),
            ("a b", exact("c"), true, "/?a+b=c", false),
            ("x", Some(Model::Regex { regex: "[0-9]+".to_owned() }), true, "/?x=12", true),
            ("x", Some(Model::Regex { regex: "[0-9]+".to_owned() }), true, "/?x=1a", false),
        ] {
            assert_eq!(
                hold(name, matching.clone(), present, target),
                expected,
                "{name} {matching:?} {target}"
            );
        }
    }
}
