//! Responses in the place of others (Envoy: `envoy.filters.http.custom_response`).
//!
//! Owns: which responses are replaced. Does not own: the tree that decides it (`matcher::tree`), nor what they are replaced by
//! (`local_response`, `redirect`).
//! Follows Envoy's page "Custom Response Filter": the most specific level that has a policy for a response counts.

use std::sync::Arc;

use crate::matcher::input::MatchingData;
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::http_filters::custom_response as model;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod local_response;
mod redirect;

use local_response::LocalResponsePolicy;
pub use redirect::Attempt;
use redirect::RedirectPolicy;

/// The filter, or what a route says to it.
#[derive(Debug)]
pub struct CustomResponse {
    matcher: Option<MatchTree>,
    policies: Vec<Policy>,
}

#[derive(Debug)]
enum Policy {
    LocalResponse(LocalResponsePolicy),
    Redirect(Arc<RedirectPolicy>),
}

impl CustomResponse {
    /// Compiles it; `stats_scope`: where it counts.
    pub(super) fn new(
        model: &model::CustomResponse,
        context: &FilterCompileContext<'_>,
        stats_scope: &str,
    ) -> Result<Self, String> {
        let matcher = model.matcher.as_ref().map(MatchTree::compile).transpose()?;
        if let Some(tree) = &matcher {
            tree.open_stats(context.process.registry);
        }
        let compile = |policy: &model::Policy| match policy {
            model::Policy::LocalResponse(policy) => {
                LocalResponsePolicy::compile(policy).map(Policy::LocalResponse)
            }
            model::Policy::Redirect(policy) => {
                let stats = context.process.registry.filter(stats_scope);
                RedirectPolicy::compile(policy, stats).map(|policy| Policy::Redirect(Arc::new(policy)))
            }
        };
        let policies = model.policies.iter().map(compile).collect::<Result<_, String>>()?;
        Ok(CustomResponse { matcher, policies })
    }

    /// What this level has for a response.
    fn policy(&self, data: &MatchingData<'_>) -> Option<&Policy> {
        match self.matcher.as_ref()?.find(data, &mut |_| ()) {
            Outcome::Action(place) => self.policies.get(place),
            Outcome::NoMatch | Outcome::InsufficientData => None,
        }
    }
}

impl BuiltInFilter for CustomResponse {
    type Model = model::CustomResponse;
    type State = Option<Box<Attempt>>;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        CustomResponse::new(model, context, &format!("http.{}.", context.stat_prefix))
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        // What it began on another route ends here, also where nothing is said to it.
        phase == Phase::ResponseHeaders
    }

    fn on_response_headers(&self, state: &mut Self::State, context: &mut FilterContext<'_>) -> Answer {
        if redirect::finish(context) {
            return Answer::Continue;
        }
        let data = MatchingData {
            response_headers: Some(context.response),
            local_reply: Some(context.info.response_code_details != "via_upstream"),
            ..MatchingData::of_stream(context.request, context.connection, context.info)
        };
        let mut levels = context.route_configs.all::<CustomResponse>().rev().chain([self]);
        match levels.find_map(|level| level.policy(&data)) {
            Some(Policy::LocalResponse(policy)) => Answer::Respond(policy.reply(context)),
            Some(Policy::Redirect(policy)) => policy.begin(state, context),
            None => Answer::Continue,
        }
    }

    fn resume(&self, state: &mut Self::State, _phase: Phase, context: &mut FilterContext<'_>) -> Answer {
        state.take().map_or(Answer::Continue, |attempt| attempt.end(context))
    }
}
