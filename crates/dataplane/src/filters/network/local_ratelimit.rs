//! `envoy.filters.network.local_ratelimit`: so many connections in a time through one filter.
//!
//! Owns: the decision and its statistics. Does not own: the bucket (`token_bucket`), which all workers share, nor closing
//! (`read_filters`). Follows Envoy's page "Local rate limit" of the network filters.

use std::sync::Arc;
use std::time::Instant;

use super::read_filters::Refusal;
use crate::listener::CompileContext;
use crate::model::network_filter::LocalRatelimit as Model;
use crate::runtime::RuntimeFeatureFlag;
use crate::stats::{LocalScope, NetworkRateLimitStat, NetworkRateLimitStats, Scope};
use crate::stream_info::ResponseFlag;
use crate::token_bucket::TokenBucket;

/// The filter, compiled.
#[derive(Debug)]
pub struct LocalRateLimit {
    enabled: RuntimeFeatureFlag,
    bucket: Arc<TokenBucket>,
    stats: Scope<NetworkRateLimitStats>,
}

impl LocalRateLimit {
    /// Compiles the filter.
    ///
    /// # Errors
    /// A bucket that cannot be.
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Result<Self, String> {
        Ok(LocalRateLimit {
            enabled: RuntimeFeatureFlag::from(&model.enabled),
            bucket: context.shared_buckets.bucket(&model.share_key, &model.token_bucket)?,
            stats: context.registry.network_rate_limit(&model.stat_prefix),
        })
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerLocalRateLimit {
    filter: Arc<LocalRateLimit>,
    stats: LocalScope<NetworkRateLimitStats>,
}

impl WorkerLocalRateLimit {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<LocalRateLimit>, worker: usize) -> Self {
        WorkerLocalRateLimit { filter: Arc::clone(filter), stats: filter.stats.local(worker) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none.
    pub fn admit(&self) -> Result<(), Refusal> {
        if !self.filter.enabled.is_on() || self.filter.bucket.take(Instant::now()) {
            return Ok(());
        }
        self.stats.inc(NetworkRateLimitStat::RateLimited);
        let flag = Some(ResponseFlag::UpstreamRetryLimitExceeded);
        Err(Refusal { reason: "local_ratelimit_close_over_limit", flag, delay: None })
    }
}
