//! What a cluster counts only if that is asked for: sizes of messages, and how much of its time a request used.
//!
//! Owns these histograms. Does not own when a request begins and ends (`filters::http::router`). Follows Envoy's
//! `track_cluster_stats`.

use std::sync::Arc;
use std::time::Duration;

use ferryman_codec::HeaderBlock;

use super::Host;
use crate::model::cluster::ClusterTracking;
use crate::stats::{
    ClusterBudgetHistogram, ClusterBudgetStats, ClusterSizeHistogram, ClusterSizeStats, ListedEndpoint,
    ListedEndpoints, LocalScope, Registry, Scope,
};

/// The histograms of a cluster.
#[derive(Debug)]
pub struct Tracking {
    sizes: Option<Scope<ClusterSizeStats>>,
    budgets: Option<Scope<ClusterBudgetStats>>,
    /// Listed as long as it is here.
    _endpoints: Option<Arc<ListedEndpoints>>,
}

impl Tracking {
    /// What is asked for; none if that is nothing.
    pub(super) fn compile(
        model: ClusterTracking,
        stat_name: &str,
        hosts: &[Host],
        registry: &Registry,
    ) -> Option<Box<Self>> {
        let wanted = model != ClusterTracking::default();
        wanted.then(|| {
            Box::new(Tracking {
                sizes: model.request_response_sizes.then(|| registry.cluster_sizes(stat_name)),
                budgets: model.timeout_budgets.then(|| registry.cluster_budgets(stat_name)),
                _endpoints: model
                    .endpoints
                    .then(|| registry.list_endpoints(stat_name, hosts.iter().map(listed).collect())),
            })
        })
    }
}

fn listed(host: &Host) -> ListedEndpoint {
    ListedEndpoint {
        address: host.address.to_string(),
        hostname: Arc::clone(&host.hostname),
        is_healthy: host.health_flags().is_empty(),
        stats: host.stats.clone(),
    }
}

/// The same on one worker.
#[derive(Debug)]
pub struct WorkerTracking {
    sizes: Option<LocalScope<ClusterSizeStats>>,
    budgets: Option<LocalScope<ClusterBudgetStats>>,
}

/// The part of a limit that was used, in percent; 0 where there is no limit.
fn percent(used: Duration, limit: Option<Duration>) -> u64 {
    let limit = limit.map_or(0, |limit| limit.as_millis());
    let percent = (used.as_millis() * 100).checked_div(limit).unwrap_or(0);
    u64::try_from(percent).unwrap_or(u64::MAX)
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl WorkerTracking {
    pub(super) fn new(tracking: &Tracking, worker: usize) -> Self {
        WorkerTracking {
            sizes: tracking.sizes.as_ref().map(|scope| scope.local(worker)),
            budgets: tracking.budgets.as_ref().map(|scope| scope.local(worker)),
        }
    }

    /// An attempt is over, for which this was sent.
    pub(crate) fn request(&self, head: &HeaderBlock, body_bytes: u64) {
        if let Some(sizes) = &self.sizes {
            sizes.record(ClusterSizeHistogram::UpstreamRqHeadersSize, number(head.byte_size()));
            sizes.record(ClusterSizeHistogram::UpstreamRqHeadersCount, number(head.iter_all().count()));
            sizes.record(ClusterSizeHistogram::UpstreamRqBodySize, body_bytes);
        }
    }

    /// The head of the response is here, as the host sent it.
    pub(crate) fn response_head(&self, head: &HeaderBlock) {
        if let Some(sizes) = &self.sizes {
            sizes.record(ClusterSizeHistogram::UpstreamRsHeadersSize, number(head.byte_size()));
            sizes.record(ClusterSizeHistogram::UpstreamRsHeadersCount, number(head.iter_all().count()));
        }
    }

    /// The response is over, whole or not.
    pub(crate) fn response_body(&self, bytes: u64) {
        if let Some(sizes) = &self.sizes {
            sizes.record(ClusterSizeHistogram::UpstreamRsBodySize, bytes);
        }
    }

    /// A request is over, or its time is.
    pub(crate) fn request_time(&self, used: Duration, limit: Option<Duration>) {
        if let Some(budgets) = &self.budgets {
            let used = percent(used, limit);
            budgets.record(ClusterBudgetHistogram::UpstreamRqTimeoutBudgetPercentUsed, used);
        }
    }

    /// An attempt is over.
    pub(crate) fn attempt_time(&self, used: Duration, limit: Option<Duration>) {
        if let Some(budgets) = &self.budgets {
            let used = percent(used, limit);
            budgets.record(ClusterBudgetHistogram::UpstreamRqTimeoutBudgetPerTryPercentUsed, used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_limit() {
        let ms = Duration::from_millis;
        assert_eq!(percent(ms(302), Some(ms(7000))), 4);
        assert_eq!(percent(ms(250), Some(ms(200))), 125);
        assert_eq!(percent(ms(250), None), 0);
        assert_eq!(percent(ms(250), Some(Duration::ZERO)), 0);
    }
}
