//! Answers the health checks that others make of this proxy (Envoy: `envoy.filters.http.health_check`).
//!
//! Owns: which requests are health checks, and the answer. Does not own: whether this proxy is healthy (`drain`), nor the
//! health of clusters. Follows Envoy's page "Health check". Answers of an upstream are not cached.

use ferryman_codec::KnownName;

use crate::local_reply::LocalReply;
use crate::matcher::HeaderMatcher;
use crate::model::http_filters::health_check as model;
use crate::stats::{ClusterStat, HealthCheckStat, HealthCheckStats, Scope, TracingStat, TracingStats};
use crate::stream_info::ResponseFlag;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct HealthCheck {
    pass_through: bool,
    headers: Vec<HeaderMatcher>,
    /// Of each cluster, the percentage of its endpoints that must be healthy.
    clusters: Vec<(Box<str>, f64)>,
    stats: Scope<HealthCheckStats>,
    tracing: Scope<TracingStats>,
}

/// What one stream keeps: whether it is a health check.
#[derive(Debug, Default)]
pub struct HealthCheckState {
    is_health_check: bool,
}

/// Why a health check fails, and what counts it beside the failures.
type Failure = (&'static str, Option<HealthCheckStat>);

impl HealthCheck {
    /// The details of the answer.
    fn judge(&self, context: &mut FilterContext<'_>) -> Result<&'static str, Failure> {
        if context.worker.process.drain.health_check_failed() {
            return Err(("health_check_failed", None));
        }
        if self.clusters.is_empty() {
            return Ok("health_check_ok");
        }
        let snapshot = context.worker.snapshot();
        for (name, percentage) in &self.clusters {
            let Some(cluster) = snapshot.snapshot().cluster_by_name(name) else {
                let stat = HealthCheckStat::FailedClusterNotFound;
                return Err(("health_check_failed_no_cluster_found", Some(stat)));
            };
            let count = |stat| u32::try_from(cluster.stats.value(stat)).map_or(f64::MAX, f64::from);
            let total = count(ClusterStat::MembershipTotal);
            if total == 0.0 {
                if *percentage > 0.0 {
                    let stat = HealthCheckStat::FailedClusterEmpty;
                    return Err(("health_check_failed_cluster_empty", Some(stat)));
                }
                continue;
            }
            let serving = count(ClusterStat::MembershipHealthy) + count(ClusterStat::MembershipDegraded);
            if 100.0 * serving < total * percentage {
                let stat = HealthCheckStat::FailedClusterUnhealthy;
                return Err(("health_check_failed_cluster_unhealthy", Some(stat)));
            }
        }
        Ok("health_check_ok_cluster_healthy")
    }

    fn answer(&self, context: &mut FilterContext<'_>) -> Answer {
        self.stats.inc_on(context.worker.index, HealthCheckStat::RequestTotal);
        let (status, details) = match self.judge(context) {
            Ok(details) => {
                self.stats.inc_on(context.worker.index, HealthCheckStat::Ok);
                (200, details)
            }
            Err((details, stat)) => {
                context.info.response_flags.insert(ResponseFlag::FailedLocalHealthCheck);
                self.stats.inc_on(context.worker.index, HealthCheckStat::Failed);
                stat.into_iter().for_each(|stat| self.stats.inc_on(context.worker.index, stat));
                (503, details)
            }
        };
        Answer::Respond(LocalReply { status, details: details.into(), ..LocalReply::default() })
    }
}

impl BuiltInFilter for HealthCheck {
    type Model = model::HealthCheck;
    type State = HealthCheckState;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let clusters = model.cluster_min_healthy_percentages.iter();
        Ok(HealthCheck {
            pass_through: model.pass_through_mode,
            stats: context.process.registry.filter(&context.stats_scope("health_check")),
            tracing: context.process.registry.tracing(context.stat_prefix),
            headers: model.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?,
            clusters: clusters.map(|(name, percentage)| (name.as_str().into(), *percentage)).collect(),
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders)
    }

    fn on_request_headers(&self, state: &mut HealthCheckState, context: &mut FilterContext<'_>) -> Answer {
        state.is_health_check = self.headers.iter().all(|header| header.matches(context.request));
        if !state.is_health_check {
            return Answer::Continue;
        }
        context.info.health_check = true;
        self.tracing.inc_on(context.worker.index, TracingStat::TracingHealthCheck);
        if self.pass_through && !context.worker.process.drain.health_check_failed() {
            return Answer::Continue;
        }
        // As in Envoy, the answer waits for the end of the request.
        if context.end_stream { self.answer(context) } else { Answer::StopIteration }
    }

    fn on_request_data(&self, _state: &mut HealthCheckState, context: &mut FilterContext<'_>) -> Answer {
        if context.end_stream { self.answer(context) } else { Answer::StopIteration }
    }

    fn on_response_headers(&self, state: &mut HealthCheckState, context: &mut FilterContext<'_>) -> Answer {
        if state.is_health_check {
            let cluster = context.worker.process.node_cluster.as_bytes();
            context.response.set(KnownName::XEnvoyUpstreamHealthcheckedCluster, cluster);
        }
        if context.worker.process.drain.health_check_failed() {
            context.response.set(KnownName::XEnvoyImmediateHealthCheckFail, b"true");
        }
        Answer::Continue
    }
}
