//! Edits headers, trailers and query parameters (Envoy: `envoy.filters.http.header_mutation`).
//!
//! Owns: the order of the levels, and query parameters. Does not own: one list of header edits
//! (`header_mutation::sequence`).
//! Follows Envoy's page "Header mutation": the filter's own edits come first, then those of the route's levels, the most
//! specific first unless it is to win.

use std::collections::BTreeMap;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::{AccessLogType, FormatContext, Formatter, Unset};
use crate::header_mutation::sequence::MutationSequence;
use crate::model::http_filters::header_mutation as model;
use crate::model::route::AppendAction;
use crate::random::thread_random;
use crate::repeated_headers::Side;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The edits of one level.
#[derive(Debug)]
pub struct Mutations {
    request: MutationSequence,
    query_parameters: Vec<QueryParameterMutation>,
    request_trailers: MutationSequence,
    response: MutationSequence,
    response_trailers: MutationSequence,
}

enum QueryParameterMutation {
    Remove(String),
    Append { key: String, value: Formatter, action: AppendAction },
}

impl std::fmt::Debug for QueryParameterMutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Remove(key) | Self::Append { key, .. }) = self;
        f.debug_tuple("QueryParameterMutation").field(key).finish()
    }
}

impl QueryParameterMutation {
    fn compile(model: &model::QueryParameterMutation) -> Result<Self, String> {
        Ok(match model {
            model::QueryParameterMutation::Remove { key } => Self::Remove(key.clone()),
            model::QueryParameterMutation::Append { key, value, append_action } => Self::Append {
                key: key.clone(),
                value: Formatter::compile(value, Unset::Empty)?,
                action: *append_action,
            },
        })
    }
}

impl Mutations {
    pub(super) fn compile(model: &model::Mutations) -> Result<Self, String> {
        Ok(Mutations {
            request: MutationSequence::compile(&model.request)?,
            query_parameters: model
                .query_parameters
                .iter()
                .map(QueryParameterMutation::compile)
                .collect::<Result<_, _>>()?,
            request_trailers: MutationSequence::compile(&model.request_trailers)?,
            response: MutationSequence::compile(&model.response)?,
            response_trailers: MutationSequence::compile(&model.response_trailers)?,
        })
    }
}

impl Mutations {
    fn has_any(&self, phase: Phase) -> bool {
        match phase {
            Phase::RequestHeaders => !self.request.is_empty() || !self.query_parameters.is_empty(),
            Phase::RequestData => false,
            Phase::ResponseHeaders => !self.response.is_empty(),
            Phase::RequestTrailers => !self.request_trailers.is_empty(),
            Phase::ResponseTrailers => !self.response_trailers.is_empty(),
        }
    }
}

/// The filter.
#[derive(Debug)]
pub struct HeaderMutation {
    own: Mutations,
    most_specific_wins: bool,
}

impl HeaderMutation {
    pub(super) fn new(model: &model::HeaderMutation) -> Result<Self, String> {
        Ok(HeaderMutation {
            own: Mutations::compile(&model.mutations)?,
            most_specific_wins: model.most_specific_header_mutations_wins,
        })
    }

    /// The edits in the order in which they are made.
    fn each<'a>(&'a self, configs: RouteConfigs<'a>, mut edit: impl FnMut(&'a Mutations)) {
        edit(&self.own);
        let levels = configs.all::<Mutations>();
        if self.most_specific_wins { levels.for_each(edit) } else { levels.rev().for_each(edit) }
    }
}

impl BuiltInFilter for HeaderMutation {
    type Model = model::HeaderMutation;
    type State = ();
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, _context: &FilterCompileContext<'_>) -> Result<Self, String> {
        HeaderMutation::new(model)
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        let mut edits = false;
        self.each(route, |level| edits |= level.has_any(phase));
        edits
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        self.each(context.route_configs, |level| {
            if level.request.is_empty() && level.query_parameters.is_empty() {
                return;
            }
            let mut request = std::mem::take(context.request);
            let format = format_context(context);
            level.request.apply(Side::Request, &mut request, &format);
            if !level.query_parameters.is_empty() {
                mutate_query(&level.query_parameters, &mut request, &format);
            }
            *context.request = request;
        });
        Answer::Continue
    }

    fn on_response_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        self.each(context.route_configs, |level| {
            if level.response.is_empty() {
                return;
            }
            let mut response = std::mem::take(context.response);
            let mut format = format_context(context);
            format.request_headers = Some(context.request);
            level.response.apply(Side::Response, &mut response, &format);
            *context.response = response;
        });
        Answer::Continue
    }

    fn on_request_trailers(
        &self,
        _state: &mut (),
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        self.each(context.route_configs, |level| {
            let mut format = format_context(context);
            format.request_headers = Some(context.request);
            level.request_trailers.apply_to_trailers(Side::Request, trailers, &format);
        });
    }

    fn on_response_trailers(
        &self,
        _state: &mut (),
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        self.each(context.route_configs, |level| {
            let mut format = format_context(context);
            format.request_headers = Some(context.request);
            format.response_headers = Some(context.response);
            level.response_trailers.apply_to_trailers(Side::Response, trailers, &format);
        });
    }
}

fn format_context<'a>(context: &'a FilterContext<'_>) -> FormatContext<'a> {
    let now = context.now;
    let mut format =
        FormatContext::new(context.info, context.connection, AccessLogType::NotSet, now, thread_random);
    if let Some(route) = &context.route {
        format.route_metadata = route.metadata();
    }
    format
}

/// As in Envoy, the parameters come out sorted by name, each with its equals sign.
fn mutate_query(mutations: &[QueryParameterMutation], request: &mut HeaderBlock, format: &FormatContext<'_>) {
    let target = request.get(KnownName::Path).unwrap_or_default().to_vec();
    let start = memchr::memchr(b'?', &target);
    let mut parameters = parse(start.and_then(|start| target.get(start + 1..)).unwrap_or_default());
    for mutation in mutations {
        match mutation {
            QueryParameterMutation::Remove(key) => {
                parameters.remove(key.as_bytes());
            }
            QueryParameterMutation::Append { key, value, action } => {
                let mut text = Vec::new();
                value.write(&FormatContext { request_headers: Some(request), ..*format }, &mut text);
                append(&mut parameters, key.as_bytes(), percent_encoded(&text), *action);
            }
        }
    }
    let mut changed = target.get(..start.unwrap_or(target.len())).unwrap_or_default().to_vec();
    let mut separator = b'?';
    for (key, values) in &parameters {
        for value in values {
            changed.push(separator);
            changed.extend_from_slice(key);
            changed.push(b'=');
            changed.extend_from_slice(value);
            separator = b'&';
        }
    }
    // A value that no target can hold changes nothing.
    request.set(KnownName::Path, &changed);
}

/// All but letters, digits and four marks, as Envoy encodes values (not those of RFC 3986 section 2.3).
fn percent_encoded(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            for nibble in [byte >> 4, byte & 15] {
                out.extend(DIGITS.get(usize::from(nibble)));
            }
        }
    }
    out
}

type Parameters = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

fn parse(query: &[u8]) -> Parameters {
    let mut parameters = Parameters::new();
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let value = pair.get(equals + 1..).unwrap_or_default().to_vec();
        parameters.entry(pair.get(..equals).unwrap_or_default().to_vec()).or_default().push(value);
    }
    parameters
}

fn append(parameters: &mut Parameters, key: &[u8], value: Vec<u8>, action: AppendAction) {
    let is_there = parameters.contains_key(key);
    match action {
        AppendAction::AddIfAbsent if is_there => {}
        AppendAction::OverwriteIfExists if !is_there => {}
        AppendAction::AppendIfExistsOrAdd | AppendAction::AddIfAbsent => {
            parameters.entry(key.to_vec()).or_default().push(value);
        }
        AppendAction::OverwriteIfExistsOrAdd | AppendAction::OverwriteIfExists => {
            parameters.insert(key.to_vec(), vec![value]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        assert_eq!(percent_encoded(b"a-_.* ~&%\xff"), b"a-_.*%20%7E%26%25%FF");
    }

    #[test]
    fn parameters_are_parsed_and_edited() {
        let mut parameters = parse(b"b=2&a&b=3&&c=x=y");
        append(&mut parameters, b"a", b"1".to_vec(), AppendAction::AddIfAbsent);
        append(&mut parameters, b"b", b"4".to_vec(), AppendAction::AppendIfExistsOrAdd);
        append(&mut parameters, b"c", b"5".to_vec(), AppendAction::OverwriteIfExists);
        append(&mut parameters, b"d", b"6".to_vec(), AppendAction::OverwriteIfExists);
        append(&mut parameters, b"e", b"7".to_vec(), AppendAction::OverwriteIfExistsOrAdd);
        let all: Vec<_> = parameters
            .iter()
            .map(|(key, values)| format!("{}={}", key.escape_ascii(), values.join(&b","[..]).escape_ascii()))
            .collect();
        assert_eq!(all, ["a=", "b=2,3,4", "c=5", "e=7"]);
    }
}
