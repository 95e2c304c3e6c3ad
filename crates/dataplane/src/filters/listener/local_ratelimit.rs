//! `envoy.filters.listener.local_ratelimit`: so many connections in a time, before anything is read of them.
//!
//! Owns: the decision and its statistics. Does not own: the bucket (`token_bucket`), which all workers share.
//! Follows Envoy's page "Local rate limit listener filter".

use std::sync::Arc;
use std::time::Instant;

use super::Verdict;
use crate::listener::CompileContext;
use crate::model::listener_filter::LocalRatelimit as Model;
use crate::runtime::RuntimeFeatureFlag;
use crate::stats::{ListenerRateLimitStat, ListenerRateLimitStats, LocalScope, Scope};
use crate::token_bucket::TokenBucket;

/// The filter, compiled.
#[derive(Debug)]
pub struct LocalRateLimit {
    enabled: RuntimeFeatureFlag,
    bucket: TokenBucket,
    stats: Scope<ListenerRateLimitStats>,
}

impl LocalRateLimit {
    /// Compiles the filter.
    ///
    /// # Errors
    /// A bucket that cannot be.
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Result<Self, String> {
        Ok(LocalRateLimit {
            enabled: RuntimeFeatureFlag::from(&model.enabled),
            bucket: TokenBucket::compile(&model.token_bucket)?,
            stats: context.registry.listener_rate_limit(&model.stat_prefix),
        })
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerLocalRateLimit {
    filter: Arc<LocalRateLimit>,
    stats: LocalScope<ListenerRateLimitStats>,
}

impl WorkerLocalRateLimit {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<LocalRateLimit>, worker: usize) -> Self {
        WorkerLocalRateLimit { filter: Arc::clone(filter), stats: filter.stats.local(worker) }
    }

    /// Takes a token, or closes the connection.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        if !self.filter.enabled.is_on() || self.filter.bucket.take(Instant::now()) {
            return Verdict::Continue { taken: 0 };
        }
        self.stats.inc(ListenerRateLimitStat::RateLimited);
        Verdict::Close
    }
}
