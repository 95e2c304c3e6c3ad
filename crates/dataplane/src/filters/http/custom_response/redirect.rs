//! Responses of other routes in the place of others.
//!
//! Owns: where the request goes on, what is changed of it, and what of the response that it gets there. Does not own: which
//! responses it takes the place of (`custom_response`), nor how a request begins anew (`http_stream/internal_redirect.rs`).
//! Follows Envoy's `RedirectPolicy`: what the other route answers is the response, whatever it is, so that nothing goes on
//! for ever.

use std::any::Any;
use std::borrow::Cow;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use ferryman_codec::KnownName;

use crate::format::{AccessLogType, FormatContext};
use crate::header_mutation::{HeaderMutations, MutationScratch};
use crate::local_reply::set_status;
use crate::model::http_filters::custom_response as model;
use crate::random::thread_random;
use crate::route::{Redirect, Target};
use crate::stats::{Scope, stats_group};
use crate::stream_info::FilterStateObject;
use crate::stream_info::filter_state::SharedWithUpstream;

use super::super::{Answer, FilterContext};

/// The name under which a request carries what replaces its next response.
const KEY: &str = "envoy.filters.http.custom_response";

stats_group! {
    /// Of this policy: `http.<stat prefix>.`
    RedirectPolicyStats (Http)
    RedirectPolicyStat {
        NoRoute counter "custom_response_redirect_no_route",
        InvalidUri counter "custom_response_invalid_uri",
    }
}

#[derive(Debug)]
pub(super) struct RedirectPolicy {
    destination: Destination,
    status: Option<u16>,
    edits: HeaderMutations,
    stats: Scope<RedirectPolicyStats>,
}

#[derive(Debug)]
enum Destination {
    Uri(Box<[u8]>),
    Action(Box<Redirect>),
}

/// A request that was sent elsewhere.
#[derive(Debug)]
struct Redirected {
    policy: Arc<RedirectPolicy>,
    /// The status of the response that did not go to the client.
    status: u16,
}

impl FilterStateObject for Redirected {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn outlives_redirects(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What is to be undone where no route takes the request.
#[derive(Debug)]
pub struct Attempt {
    policy: Arc<RedirectPolicy>,
    status: u16,
    former: [Option<Box<[u8]>>; 3],
}

/// The parts of the request that say where it goes.
const TARGET: [KnownName; 3] = [KnownName::Scheme, KnownName::Authority, KnownName::Path];

impl RedirectPolicy {
    pub(super) fn compile(
        model: &model::RedirectPolicy,
        stats: Scope<RedirectPolicyStats>,
    ) -> Result<Self, String> {
        Ok(RedirectPolicy {
            destination: match &model.target {
                model::RedirectTarget::Uri { uri } => {
                    Target::parse(uri.as_bytes()).ok_or_else(|| format!("'{uri}' is no whole URL"))?;
                    Destination::Uri(uri.as_bytes().into())
                }
                model::RedirectTarget::Redirect(action) => {
                    Destination::Action(Box::new(Redirect::compile(action)?))
                }
            },
            status: model.status_code,
            edits: HeaderMutations::of_filter(&model.request_headers_to_add, &model.response_headers_to_add)?,
            stats,
        })
    }

    /// Sends the request elsewhere: the first half, which asks for the route.
    pub(super) fn begin(
        self: &Arc<Self>,
        state: &mut Option<Box<Attempt>>,
        context: &mut FilterContext<'_>,
    ) -> Answer {
        let uri = match &self.destination {
            Destination::Uri(uri) => Cow::Borrowed(&**uri),
            Destination::Action(redirect) => {
                let mut request = context.request.clone();
                Cow::Owned(redirect.url(&mut request, &format_context(context), 0, false))
            }
        };
        let Some(target) = Target::parse(&uri) else {
            self.stats.inc_on(context.worker.index, RedirectPolicyStat::InvalidUri);
            return Answer::Continue;
        };
        let former = TARGET.map(|name| context.request.get(name).map(Box::from));
        for (name, value) in TARGET.into_iter().zip([target.scheme, target.host, target.path]) {
            context.request.set(name, value);
        }
        let status = context.info.response_code.unwrap_or_default();
        *state = Some(Box::new(Attempt { policy: Arc::clone(self), status, former }));
        context.wishes.clear_route_cache = true;
        Answer::Wait(Box::pin(ready(())))
    }
}

impl Attempt {
    /// The second half: the request begins anew if there is a route for it.
    pub(super) fn end(self, context: &mut FilterContext<'_>) -> Answer {
        let request = &mut *context.request;
        if context.route.is_none() {
            self.policy.stats.inc_on(context.worker.index, RedirectPolicyStat::NoRoute);
            for (name, value) in TARGET.into_iter().zip(&self.former) {
                match value {
                    Some(value) => drop(request.set(name, value)),
                    None => drop(request.remove(name)),
                }
            }
            return Answer::Continue;
        }
        // A client that asked for a head alone gets no body (docs/differences_from_envoy.md, `custom-response-to-head`).
        if request.get(KnownName::Method) != Some(b"HEAD") {
            request.set(KnownName::Method, b"GET");
        }
        request.remove(KnownName::ContentLength);
        let mut request = std::mem::take(context.request);
        let edits = &self.policy.edits;
        edits.apply_to_request(&mut request, &format_context(context), &mut MutationScratch::default());
        *context.request = request;
        let object = Rc::new(Redirected { policy: self.policy, status: self.status });
        let _set: bool = context.info.filter_state.set(KEY, object, SharedWithUpstream::None);
        Answer::Recreate
    }
}

/// Makes the response that it is of one that a request got elsewhere. Answers whether it is such a request.
pub(super) fn finish(context: &mut FilterContext<'_>) -> bool {
    let Some(redirected) = context.info.filter_state.get::<Redirected>(KEY) else { return false };
    let (policy, status) = (Arc::clone(&redirected.policy), redirected.status);
    let mut response = std::mem::take(context.response);
    let mut format = format_context(context);
    format.request_headers = Some(context.request);
    policy.edits.apply_to_response(&mut response, &format, &mut MutationScratch::default());
    let status = policy.status.unwrap_or(status);
    set_status(&mut response, status);
    *context.response = response;
    context.info.response_code = Some(status);
    true
}

fn format_context<'a>(context: &'a FilterContext<'_>) -> FormatContext<'a> {
    FormatContext::new(context.info, context.connection, AccessLogType::NotSet, context.now, thread_random)
}
