//! Responses in the place of others (Envoy: `envoy.filters.http.custom_response`).
//!
//! Owns: which responses are replaced, and by what. Does not own: the tree that decides it (`matcher::tree`). Redirects to
//! other routes are not built.
//! Follows Envoy's page "Custom Response Filter": the most specific level that has a policy for a response counts.

use std::sync::Arc;

use crate::access_loggers::Line;
use crate::format::{AccessLogType, FormatContext};
use crate::header_mutation::HeaderMutations;
use crate::local_reply::LocalReply;
use crate::matcher::input::{ConnectionData, MatchingData};
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::http_filters::custom_response as model;
use crate::random::thread_random;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter, or what a route says to it.
#[derive(Debug)]
pub struct CustomResponse {
    matcher: Option<MatchTree>,
    policies: Vec<LocalResponsePolicy>,
}

struct LocalResponsePolicy {
    status: Option<u16>,
    body: Box<[u8]>,
    format: Option<Line>,
    edits: Arc<HeaderMutations>,
    /// None: they stay as they are.
    details: Option<String>,
}

impl std::fmt::Debug for LocalResponsePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalResponsePolicy").field("status", &self.status).finish_non_exhaustive()
    }
}

impl LocalResponsePolicy {
    fn compile(model: &model::LocalResponsePolicy) -> Result<Self, String> {
        Ok(LocalResponsePolicy {
            status: model.status_code,
            body: model.body.as_slice().into(),
            format: model.body_format.as_ref().map(Line::compile).transpose()?,
            edits: Arc::new(HeaderMutations::of_filter(&[], &model.response_headers_to_add)?),
            details: (!model.keeps_details).then(|| model.details.clone()),
        })
    }

    fn body(&self, context: &FilterContext<'_>) -> Vec<u8> {
        let Some(line) = &self.format else { return self.body.to_vec() };
        let occasion = AccessLogType::NotSet;
        let mut format =
            FormatContext::new(context.info, context.connection, occasion, context.now, thread_random);
        format.request_headers = Some(context.request);
        format.response_headers = Some(context.response);
        format.local_reply_body = &self.body;
        let mut body = Vec::new();
        line.write(&format, &mut body);
        body
    }

    fn reply(&self, context: &FilterContext<'_>) -> LocalReply<'static> {
        let details = match &self.details {
            Some(details) => details.clone().into(),
            None => context.info.response_code_details.clone(),
        };
        LocalReply {
            // Envoy's word for a response without a status.
            status: self.status.or(context.info.response_code).unwrap_or(500),
            body: self.body(context).into(),
            details,
            edits: Some(Arc::clone(&self.edits)),
            ..LocalReply::default()
        }
    }
}

impl CustomResponse {
    /// What this level has for a response.
    fn policy(&self, data: &MatchingData<'_>) -> Option<&LocalResponsePolicy> {
        match self.matcher.as_ref()?.find(data, &mut |_| ()) {
            Outcome::Action(place) => self.policies.get(place),
            Outcome::NoMatch | Outcome::InsufficientData => None,
        }
    }
}

impl BuiltInFilter for CustomResponse {
    type Model = model::CustomResponse;
    type State = ();

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let matcher = model.matcher.as_ref().map(MatchTree::compile).transpose()?;
        if let Some(tree) = &matcher {
            tree.open_stats(context.process.registry);
        }
        let policies = model.policies.iter().map(LocalResponsePolicy::compile);
        Ok(CustomResponse { matcher, policies: policies.collect::<Result<_, _>>()? })
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        phase == Phase::ResponseHeaders
            && route.all::<CustomResponse>().chain([self]).any(|level| level.matcher.is_some())
    }

    fn on_response_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let data = MatchingData {
            request_headers: Some(context.request),
            response_headers: Some(context.response),
            local_reply: Some(context.info.response_code_details != "via_upstream"),
            connection: Some(ConnectionData::of_stream(context.connection, context.info)),
            ..MatchingData::default()
        };
        let mut levels = context.route_configs.all::<CustomResponse>().rev().chain([self]);
        match levels.find_map(|level| level.policy(&data)) {
            Some(policy) => Answer::Respond(policy.reply(context)),
            None => Answer::Continue,
        }
    }
}
