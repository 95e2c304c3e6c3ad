//! Delays and aborts requests, and slows responses, on purpose (Envoy: `envoy.filters.http.fault`).
//!
//! Owns: which requests get a fault, and which. Does not own: waiting (`http_stream`). Follows Envoy's page "Fault Injection".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal;
use crate::local_reply::LocalReply;
use crate::matcher::HeaderMatcher;
use crate::model::http_filters::fault as model;
use crate::model::metadata::Struct;
use crate::runtime::{RuntimeFractionalPercent, RuntimeKey};
use crate::stats::{FaultStat, FaultStats, Scope};
use crate::stream_info::{ResponseFlag, StreamInfo};

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

mod response_rate_limit;

use response_rate_limit::ResponseRateLimit;

/// The filter.
#[derive(Debug)]
pub struct Fault {
    /// Boxed, for it is far larger than other filters.
    settings: Box<FaultSettings>,
    /// The filter's name, under which its metadata stands.
    name: Box<str>,
    /// Faults that are under way, on all workers.
    active: Arc<AtomicU64>,
    stats: Scope<FaultStats>,
}

/// What is injected, and into which requests; a route may have its own.
#[derive(Debug)]
pub struct FaultSettings {
    delay: Option<Delay>,
    abort: Option<Abort>,
    rate_limit: Option<RateLimit>,
    /// What is set as dynamic metadata of a request that is delayed or aborted.
    metadata: Option<Struct>,
    upstream_cluster: Box<str>,
    headers: Vec<HeaderMatcher>,
    downstream_nodes: Vec<Box<[u8]>>,
    max_active_faults: u64,
    max_active_faults_key: RuntimeKey,
}

/// A percentage, which a header may lower.
#[derive(Debug)]
struct Percentage {
    configured: RuntimeFractionalPercent,
    model: crate::model::runtime::FractionalPercent,
    key: RuntimeKey,
    header: Option<&'static [u8]>,
}

#[derive(Debug)]
struct Delay {
    /// None: a header says it.
    fixed_ms: Option<u64>,
    duration: RuntimeKey,
    percentage: Percentage,
}

#[derive(Debug)]
struct Abort {
    /// None: a header says it, or the status is one of gRPC.
    status: Option<u64>,
    status_key: RuntimeKey,
    grpc_status: Option<u64>,
    grpc_status_key: RuntimeKey,
    body: Box<[u8]>,
    percentage: Percentage,
}

#[derive(Debug)]
struct RateLimit {
    /// None: a header says it.
    limit_kbps: Option<u64>,
    percentage: Percentage,
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct FaultState {
    /// Whether its fault counts as one under way.
    is_active: bool,
    /// What slows its response.
    rate_limit: Option<ResponseRateLimit>,
}

fn number(request: &HeaderBlock, name: &[u8]) -> Option<u64> {
    request.get_bytes(name).and_then(decimal::parse)
}

impl Percentage {
    fn compile(model: &model::Percentage, header: &'static [u8]) -> Self {
        let key = RuntimeKey::new(&model.percentage.runtime_key);
        let percent = model.percentage.default_value;
        Percentage {
            configured: RuntimeFractionalPercent::new(percent.numerator, percent.denominator, key),
            model: percent,
            key,
            header: model.by_header.then_some(header),
        }
    }

    fn holds(&self, request: &HeaderBlock, random: u64) -> bool {
        match self.header.and_then(|header| number(request, header)) {
            None => self.configured.holds(random),
            Some(asked) => {
                let asked = u32::try_from(asked).unwrap_or(u32::MAX).min(self.model.numerator);
                RuntimeFractionalPercent::new(asked, self.model.denominator, self.key).holds(random)
            }
        }
    }
}

impl Abort {
    /// The status, and that for a gRPC call; none: the request asks for none.
    fn statuses(&self, request: &HeaderBlock) -> Option<(u16, Option<u64>)> {
        let by_header = self.status.is_none() && self.grpc_status.is_none();
        let asked = |name: &[u8]| number(request, name).filter(|_| by_header);
        let asked_status =
            || asked(b"x-envoy-fault-abort-request").filter(|status| (200..600).contains(status));
        if let Some(status) = self.status.or_else(asked_status) {
            return Some((u16::try_from(self.status_key.integer(status)).unwrap_or(500), None));
        }
        let grpc_status = self.grpc_status.or_else(|| asked(b"x-envoy-fault-abort-grpc-request"))?;
        // As in Envoy, whoever does not call over gRPC gets an answer that looks well.
        Some((200, Some(self.grpc_status_key.integer(grpc_status))))
    }
}

impl FaultSettings {
    pub(super) fn compile(model: &model::Fault) -> Result<Self, String> {
        let delay = |model: &model::Delay| Delay {
            fixed_ms: model.fixed_delay_ms,
            duration: RuntimeKey::new(&model.duration_runtime),
            percentage: Percentage::compile(&model.percentage, b"x-envoy-fault-delay-request-percentage"),
        };
        let abort = |model: &model::Abort| Abort {
            status: model.http_status.map(u64::from),
            status_key: RuntimeKey::new(&model.status_runtime),
            grpc_status: model.grpc_status.map(u64::from),
            grpc_status_key: RuntimeKey::new(&model.grpc_status_runtime),
            body: model.response_body.as_bytes().into(),
            percentage: Percentage::compile(&model.percentage, b"x-envoy-fault-abort-request-percentage"),
        };
        let rate_limit = |model: &model::RateLimit| RateLimit {
            limit_kbps: model.limit_kbps,
            percentage: Percentage::compile(
                &model.percentage,
                b"x-envoy-fault-throughput-response-percentage",
            ),
        };
        Ok(FaultSettings {
            delay: model.delay.as_ref().map(delay),
            abort: model.abort.as_ref().map(abort),
            rate_limit: model.response_rate_limit.as_ref().map(rate_limit),
            metadata: model.filter_metadata.clone(),
            upstream_cluster: model.upstream_cluster.as_str().into(),
            headers: model.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?,
            downstream_nodes: model.downstream_nodes.iter().map(|node| node.as_bytes().into()).collect(),
            max_active_faults: model.max_active_faults.map_or(u64::MAX, u64::from),
            max_active_faults_key: RuntimeKey::new(&model.max_active_faults_runtime),
        })
    }

    fn is_for(&self, context: &FilterContext<'_>) -> bool {
        let cluster = context.cluster.map(|cluster| &*cluster.name);
        let node = context.request.get(KnownName::XEnvoyDownstreamServiceNode);
        (self.upstream_cluster.is_empty() || cluster == Some(&*self.upstream_cluster))
            && (self.downstream_nodes.is_empty()
                || node.is_some_and(|node| self.downstream_nodes.iter().any(|known| **known == *node)))
            && self.headers.iter().all(|header| header.matches(context.request))
    }
}

impl Fault {
    /// Counts a fault as under way, unless there are too many; one stream counts once.
    fn begin(&self, settings: &FaultSettings, state: &mut FaultState, context: &FilterContext<'_>) -> bool {
        if state.is_active {
            return true;
        }
        let most = settings.max_active_faults_key.integer(settings.max_active_faults);
        if self.active.load(Ordering::Relaxed) >= most {
            self.stats.inc_on(context.worker.index, FaultStat::FaultsOverflow);
            return false;
        }
        self.active.fetch_add(1, Ordering::Relaxed);
        self.stats.add_on(context.worker.index, FaultStat::ActiveFaults, 1);
        state.is_active = true;
        true
    }

    fn delay(
        &self,
        settings: &FaultSettings,
        state: &mut FaultState,
        context: &mut FilterContext<'_>,
    ) -> Option<Answer> {
        let delay = settings.delay.as_ref()?;
        if !delay.percentage.holds(context.request, context.worker.random.next()) {
            return None;
        }
        let asked = || number(context.request, b"x-envoy-fault-delay-request");
        let milliseconds = delay.duration.integer(delay.fixed_ms.or_else(asked)?);
        if milliseconds == 0 || !self.begin(settings, state, context) {
            return None;
        }
        self.stats.inc_on(context.worker.index, FaultStat::DelaysInjected);
        self.set_metadata(settings, context);
        context.info.response_flags.insert(ResponseFlag::DelayInjected);
        Some(Answer::Wait(Box::pin(tokio::time::sleep(Duration::from_millis(milliseconds)))))
    }

    /// Slows the response down, if it is this one's turn.
    fn limit_rate(&self, settings: &FaultSettings, state: &mut FaultState, context: &FilterContext<'_>) {
        let Some(limit) = &settings.rate_limit else { return };
        let asked = || number(context.request, b"x-envoy-fault-throughput-response");
        let Some(limit_kbps @ 1..) = limit.limit_kbps.or_else(asked) else { return };
        if !limit.percentage.holds(context.request, context.worker.random.next())
            || !self.begin(settings, state, context)
        {
            return;
        }
        self.stats.inc_on(context.worker.index, FaultStat::ResponseRlInjected);
        state.rate_limit = Some(ResponseRateLimit::new(limit_kbps));
    }

    fn set_metadata(&self, settings: &FaultSettings, context: &mut FilterContext<'_>) {
        if let Some(metadata) = &settings.metadata {
            context.info.dynamic_metadata.set(&self.name, metadata.clone());
        }
    }

    fn abort(&self, state: &mut FaultState, context: &mut FilterContext<'_>) -> Answer {
        let settings = context.route_config::<FaultSettings>().unwrap_or(&self.settings);
        let Some(abort) = &settings.abort else { return Answer::Continue };
        if !abort.percentage.holds(context.request, context.worker.random.next()) {
            return Answer::Continue;
        }
        let Some((status, grpc_status)) = abort.statuses(context.request) else { return Answer::Continue };
        if !self.begin(settings, state, context) {
            return Answer::Continue;
        }
        self.stats.inc_on(context.worker.index, FaultStat::AbortsInjected);
        self.set_metadata(settings, context);
        context.info.response_flags.insert(ResponseFlag::FaultInjected);
        Answer::Respond(LocalReply {
            status,
            grpc_status,
            body: abort.body.to_vec().into(),
            details: "fault_filter_abort".into(),
            // As in Envoy, a bad request ends its connection.
            close: status == 400,
            ..LocalReply::default()
        })
    }
}

impl BuiltInFilter for Fault {
    type Model = model::Fault;
    type State = FaultState;
    const KEEPS_ROUTE: bool = true;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(Fault {
            settings: Box::new(FaultSettings::compile(model)?),
            name: context.name.into(),
            active: Arc::default(),
            stats: context.process.registry.filter(&context.stats_scope("fault")),
        })
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        let settings = route.most_specific::<FaultSettings>().unwrap_or(&self.settings);
        phase == Phase::RequestHeaders || (phase == Phase::ResponseHeaders && settings.rate_limit.is_some())
    }

    fn on_request_headers(&self, state: &mut FaultState, context: &mut FilterContext<'_>) -> Answer {
        let settings = context.route_config::<FaultSettings>().unwrap_or(&self.settings);
        if !settings.is_for(context) {
            return Answer::Continue;
        }
        self.limit_rate(settings, state, context);
        self.delay(settings, state, context).unwrap_or_else(|| self.abort(state, context))
    }

    fn on_response_headers(&self, state: &mut FaultState, context: &mut FilterContext<'_>) -> Answer {
        context.wishes.transform_body = state.rate_limit.is_some() && !context.response_end_stream;
        Answer::Continue
    }

    fn transform_body(
        &self,
        state: &mut FaultState,
        _direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        match &mut state.rate_limit {
            Some(limit) => limit.transform(input, output, context.now),
            None => pass_on(input, output),
        }
    }

    fn resume(&self, state: &mut FaultState, _phase: Phase, context: &mut FilterContext<'_>) -> Answer {
        self.abort(state, context)
    }

    fn on_stream_complete(&self, state: &mut FaultState, worker: usize, _info: &StreamInfo) {
        if std::mem::take(&mut state.is_active) {
            self.active.fetch_sub(1, Ordering::Relaxed);
            self.stats.local(worker).dec(FaultStat::ActiveFaults);
        }
    }
}
