//! So many requests in a time (Envoy: `envoy.filters.http.local_ratelimit`).
//!
//! Owns: which requests take a token, and the answer to those that get none. Does not own: what requests say of themselves
//! and which bucket belongs to it (`rate_limit`); the buckets are shared by all workers, or belong to one connection.
//! Follows Envoy's page "Local rate limit" of the HTTP filters, and draft-ietf-httpapi-ratelimit-headers-03.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use ferryman_codec::{HeaderBlock, HeaderName};

use crate::decimal::Decimal;
use crate::format::{AccessLogType, FormatContext};
use crate::header_mutation::{HeaderMutations, MutationScratch};
use crate::local_reply::LocalReply;
use crate::model::http_filters::local_ratelimit as model;
use crate::model::http_filters::local_ratelimit::VhRateLimits;
use crate::model::metadata::Metadata;
use crate::random::thread_random;
use crate::rate_limit::limiter::{Limiter, LimiterModel, Verdict};
use crate::rate_limit::{Descriptor, RateLimits, RequestFacts};
use crate::route::Action;
use crate::runtime::RuntimeFractionalPercent;
use crate::stats::{HttpRateLimitStat, HttpRateLimitStats, Scope};
use crate::stream_info::ResponseFlag;
use crate::token_bucket::TokenBucket;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// gRPC's word for a limit that was reached (grpc/doc/statuscodes.md).
const RESOURCE_EXHAUSTED: u64 = 8;

/// The filter, or what a route says in its place.
#[derive(Debug)]
pub struct LocalRatelimit {
    /// The buckets of all connections.
    limiter: Limiter,
    /// What every connection gets its own by; none: it has none.
    per_connection: Option<Box<model::LocalRatelimit>>,
    /// What requests say of themselves; where there is nothing, routes and virtual hosts tell.
    rate_limits: RateLimits,
    stage: u32,
    vh_rate_limits: VhRateLimits,
    enabled: Option<RuntimeFractionalPercent>,
    enforced: Option<RuntimeFractionalPercent>,
    status: u16,
    edits: Arc<HeaderMutations>,
    /// Whether responses tell what is left.
    tells: bool,
    names: Names,
    retry_after: bool,
    grpc_status: Option<u64>,
    stats: Scope<HttpRateLimitStats>,
}

#[derive(Debug)]
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

/// What one stream keeps: the bucket of which its response tells.
#[derive(Debug, Default)]
pub struct LocalRatelimitState(Option<Arc<TokenBucket>>);

impl Names {
    fn new() -> Result<Self, String> {
        let name = |text: &str| crate::header_name::parse(text);
        Ok(Names {
            limit: name("x-ratelimit-limit")?,
            remaining: name("x-ratelimit-remaining")?,
            reset: name("x-ratelimit-reset")?,
        })
    }

    fn tell(&self, bucket: &TokenBucket, now: Instant, response: &mut HeaderBlock) {
        for (name, value) in [
            (&self.limit, bucket.max_tokens()),
            (&self.remaining, bucket.remaining(now)),
            (&self.reset, bucket.next_token_s(now)),
        ] {
            response.append_name(name, Decimal::new(value).as_bytes());
        }
    }
}

fn limiter(model: &model::LocalRatelimit) -> Result<Limiter, String> {
    Limiter::compile(LimiterModel {
        token_bucket: model.token_bucket.as_ref(),
        descriptors: &model.descriptors,
        always_default: model.always_consume_default_token_bucket,
        max_dynamic: model.max_dynamic_descriptors,
    })
}

/// What the configuration says of the cluster that the route chose.
fn cluster_metadata(context: &FilterContext<'_>) -> Option<Arc<Metadata>> {
    let choice = context.cluster?;
    let snapshot = context.worker.snapshot();
    let slot = choice.slot.or_else(|| snapshot.snapshot().slot(&choice.name))?;
    snapshot.cluster(slot)?.cluster.metadata.clone()
}

impl LocalRatelimit {
    /// Takes the request's tokens.
    fn take(&self, context: &FilterContext<'_>) -> Verdict {
        let described = self.limiter.has_descriptors();
        let metadata = if described { cluster_metadata(context) } else { None };
        let descriptors = if described { self.descriptors(context, metadata.as_deref()) } else { Vec::new() };
        let Some(model) = &self.per_connection else { return self.limiter.take(&descriptors, context.now) };
        // As in Envoy, the first such filter or route that a connection meets makes the buckets of all.
        let own = &context.connection.rate_limit;
        match own.get() {
            Some(limiter) => limiter.take(&descriptors, context.now),
            None => match limiter(model) {
                Ok(made) => own.get_or_init(|| Rc::new(made)).take(&descriptors, context.now),
                Err(_) => self.limiter.take(&descriptors, context.now),
            },
        }
    }

    /// What a request says of itself.
    fn descriptors<'a>(
        &'a self,
        context: &'a FilterContext<'_>,
        cluster_metadata: Option<&'a Metadata>,
    ) -> Vec<Descriptor<'a>> {
        let mut found = Vec::new();
        let facts = RequestFacts {
            request: context.request,
            stream: context.info,
            connection: context.connection,
            now: context.now,
            node_cluster: &context.worker.process.node_cluster,
            cluster: context.cluster.map(|choice| &*choice.name),
            cluster_metadata,
            route_metadata: context.route.map(|route| route.metadata()).unwrap_or_default(),
        };
        self.describe(context, &facts, &mut found);
        found
    }

    fn describe<'a>(
        &'a self,
        context: &'a FilterContext<'_>,
        facts: &RequestFacts<'a>,
        found: &mut Vec<Descriptor<'a>>,
    ) {
        if !self.rate_limits.is_empty() {
            return self.rate_limits.describe(0, facts, found);
        }
        let Some(route) = context.route else { return };
        let Action::Forward(action) = &route.route.action else { return };
        action.rate_limits.describe(self.stage, facts, found);
        let of_host = match self.vh_rate_limits {
            _ if action.include_vh_rate_limits => true,
            VhRateLimits::Include => true,
            VhRateLimits::Ignore => false,
            VhRateLimits::Override => action.rate_limits.is_empty(),
        };
        if of_host {
            route.virtual_host.rate_limits.describe(self.stage, facts, found);
        }
    }

    fn limited(&self, bucket: Option<&TokenBucket>, now: Instant) -> Answer {
        let bucket = bucket.filter(|_| self.retry_after);
        Answer::Respond(LocalReply {
            status: self.status,
            body: b"local_rate_limited".into(),
            details: "local_rate_limited".into(),
            edits: Some(Arc::clone(&self.edits)),
            retry_after_s: bucket.map(|bucket| bucket.next_token_s(now).max(1)),
            grpc_status: self.grpc_status,
            ..LocalReply::default()
        })
    }
}

impl BuiltInFilter for LocalRatelimit {
    type Model = model::LocalRatelimit;
    type State = LocalRatelimitState;
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let fraction = |model: &Option<_>| model.as_ref().map(RuntimeFractionalPercent::from);
        let to_request = &model.request_headers_to_add_when_not_enforced;
        Ok(LocalRatelimit {
            limiter: limiter(model)?,
            per_connection: model.per_connection.then(|| Box::new(model.clone())),
            rate_limits: RateLimits::compile(&model.rate_limits)?,
            stage: model.stage,
            vh_rate_limits: model.vh_rate_limits,
            enabled: fraction(&model.filter_enabled),
            enforced: fraction(&model.filter_enforced),
            status: model.status,
            edits: Arc::new(HeaderMutations::of_filter(to_request, &model.response_headers_to_add)?),
            tells: model.x_ratelimit_headers,
            names: Names::new()?,
            retry_after: model.retry_after_header,
            grpc_status: model.resource_exhausted.then_some(RESOURCE_EXHAUSTED),
            stats: context.process.registry.http_rate_limit(&model.stat_prefix),
        })
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        let limit = route.most_specific().unwrap_or(self);
        limit.enabled.is_some()
            && match phase {
                Phase::RequestHeaders => true,
                // A descriptor may say that its bucket is told of.
                Phase::ResponseHeaders => limit.tells || limit.limiter.has_descriptors(),
                _ => false,
            }
    }

    fn on_request_headers(&self, state: &mut Self::State, context: &mut FilterContext<'_>) -> Answer {
        let limit = context.route_config().unwrap_or(self);
        let happens = |fraction: Option<RuntimeFractionalPercent>| {
            fraction.is_some_and(|fraction| fraction.holds(context.worker.random.next()))
        };
        if !happens(limit.enabled) {
            return Answer::Continue;
        }
        let count = |stat| limit.stats.inc_on(context.worker.index, stat);
        count(HttpRateLimitStat::Enabled);
        let verdict = limit.take(context);
        // As in Envoy, a bucket that never holds anything is not told of.
        let bucket = verdict.bucket.filter(|bucket| bucket.max_tokens() > 0);
        if verdict.tells.unwrap_or(limit.tells) {
            state.0.clone_from(&bucket);
        }
        if verdict.allowed && verdict.shadowed {
            count(HttpRateLimitStat::RateLimited);
            count(HttpRateLimitStat::ShadowMode);
            return Answer::Continue;
        }
        if verdict.allowed {
            count(HttpRateLimitStat::Ok);
            return Answer::Continue;
        }
        count(HttpRateLimitStat::RateLimited);
        if happens(limit.enforced) {
            count(HttpRateLimitStat::Enforced);
            context.info.response_flags.insert(ResponseFlag::RateLimited);
            return limit.limited(bucket.as_deref(), context.now);
        }
        let now = context.now;
        let format =
            FormatContext::new(context.info, context.connection, AccessLogType::NotSet, now, thread_random);
        limit.edits.apply_to_request(context.request, &format, &mut MutationScratch::default());
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut Self::State, context: &mut FilterContext<'_>) -> Answer {
        if let Some(bucket) = &state.0 {
            self.names.tell(bucket, context.now, context.response);
        }
        Answer::Continue
    }
}
