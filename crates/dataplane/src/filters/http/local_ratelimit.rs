//! So many requests in a time (Envoy: `envoy.filters.http.local_ratelimit`).
//!
//! Owns: which requests take a token, and the answer to those that get none. Does not own: the bucket (`token_bucket`),
//! which all workers share, or the streams of one connection. Descriptors are not built.
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
use crate::random::thread_random;
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
    bucket: Option<Arc<TokenBucket>>,
    /// What every connection gets a bucket by, where they have their own; `Some(None)`: none.
    per_connection: Option<Option<crate::model::listener_filter::TokenBucket>>,
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

/// A bucket that a token was asked of.
#[derive(Debug, Clone)]
enum Asked {
    Shared(Arc<TokenBucket>),
    OfConnection(Rc<TokenBucket>),
}

/// What one stream keeps: the bucket of which its response tells.
#[derive(Debug, Default)]
pub struct LocalRatelimitState(Option<Asked>);

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

impl LocalRatelimit {
    /// The bucket that is asked for a token; none: there is no limit.
    fn bucket<'a>(&'a self, context: &'a FilterContext<'_>) -> Option<BucketRef<'a>> {
        let Some(model) = &self.per_connection else { return self.bucket.as_ref().map(BucketRef::Shared) };
        // As in Envoy, the first such filter or route that a connection meets makes the bucket of all.
        let make = || Some(Rc::new(TokenBucket::compile(model.as_ref()?).ok()?));
        context.connection.rate_limit.get_or_init(make).as_ref().map(BucketRef::OfConnection)
    }

    fn limited(&self, bucket: Option<BucketRef<'_>>, now: Instant) -> Answer {
        let bucket = bucket.filter(|_| self.retry_after);
        Answer::Respond(LocalReply {
            status: self.status,
            body: b"local_rate_limited".into(),
            details: "local_rate_limited".into(),
            edits: Some(Arc::clone(&self.edits)),
            retry_after_s: bucket.map(|bucket| bucket.get().next_token_s(now).max(1)),
            grpc_status: self.grpc_status,
            ..LocalReply::default()
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum BucketRef<'a> {
    Shared(&'a Arc<TokenBucket>),
    OfConnection(&'a Rc<TokenBucket>),
}

impl BucketRef<'_> {
    fn get(&self) -> &TokenBucket {
        match self {
            BucketRef::Shared(bucket) => bucket,
            BucketRef::OfConnection(bucket) => bucket,
        }
    }

    fn keep(self) -> Asked {
        match self {
            BucketRef::Shared(bucket) => Asked::Shared(Arc::clone(bucket)),
            BucketRef::OfConnection(bucket) => Asked::OfConnection(Rc::clone(bucket)),
        }
    }
}

impl BuiltInFilter for LocalRatelimit {
    type Model = model::LocalRatelimit;
    type State = LocalRatelimitState;
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let bucket = model.token_bucket.as_ref().map(TokenBucket::compile).transpose()?;
        let fraction = |model: &Option<_>| model.as_ref().map(RuntimeFractionalPercent::from);
        let to_request = &model.request_headers_to_add_when_not_enforced;
        Ok(LocalRatelimit {
            bucket: bucket.filter(|_| !model.per_connection).map(Arc::new),
            per_connection: model.per_connection.then(|| model.token_bucket.clone()),
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
            && (phase == Phase::RequestHeaders || (phase == Phase::ResponseHeaders && limit.tells))
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
        let Some(bucket) = limit.bucket(context) else {
            count(HttpRateLimitStat::Ok);
            return Answer::Continue;
        };
        // As in Envoy, a bucket that never holds anything is not told of.
        let is_told = bucket.get().max_tokens() > 0;
        if limit.tells && is_told {
            state.0 = Some(bucket.keep());
        }
        if bucket.get().take(context.now) {
            count(HttpRateLimitStat::Ok);
            return Answer::Continue;
        }
        count(HttpRateLimitStat::RateLimited);
        if happens(limit.enforced) {
            count(HttpRateLimitStat::Enforced);
            let answer = limit.limited(is_told.then_some(bucket), context.now);
            context.info.response_flags.insert(ResponseFlag::RateLimited);
            return answer;
        }
        let now = context.now;
        let format =
            FormatContext::new(context.info, context.connection, AccessLogType::NotSet, now, thread_random);
        limit.edits.apply_to_request(context.request, &format, &mut MutationScratch::default());
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut Self::State, context: &mut FilterContext<'_>) -> Answer {
        let bucket: &TokenBucket = match &state.0 {
            Some(Asked::Shared(bucket)) => bucket,
            Some(Asked::OfConnection(bucket)) => bucket,
            None => return Answer::Continue,
        };
        self.names.tell(bucket, context.now, context.response);
        Answer::Continue
    }
}
