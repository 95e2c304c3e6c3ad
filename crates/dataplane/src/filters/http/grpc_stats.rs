//! Counts gRPC calls and their messages (Envoy: `envoy.filters.http.grpc_stats`).
//!
//! Owns: which calls are counted under which method, and what of them. Does not own: the names (`stats`), where messages
//! begin (`grpc`). Follows Envoy's page "gRPC statistics".

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::grpc::{MessageBorders, is_grpc_request, is_grpc_response};
use crate::model::http_filters::grpc as model;
use crate::stats::{GrpcCallHistogram, GrpcCallStat, GrpcCallStats, Scope};
use crate::stream_info::filter_state::{SharedWithUpstream, TypedForm};
use crate::stream_info::{FilterStateObject, StreamInfo, TimePoint};

use super::body::Direction;
use super::grpc_call_stats::{GrpcCalls, count_status, method_of};
use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// Where others find how many messages went by.
const FILTER_STATE: &str = "envoy.filters.http.grpc_stats";

/// The filter.
#[derive(Debug)]
pub struct GrpcStats {
    emit_filter_state: bool,
    /// The methods that are counted one by one; none: all are.
    methods: Option<HashSet<Box<str>>>,
    enable_upstream_stats: bool,
    replaces_dots: bool,
    calls: GrpcCalls,
}

/// What one stream keeps.
#[derive(Debug, Default)]
pub struct GrpcStatsState {
    is_call: bool,
    is_answer: bool,
    /// Where the call is counted; none: nowhere.
    scope: Option<Scope<GrpcCallStats>>,
    request: MessageBorders,
    response: MessageBorders,
    shown: Option<Rc<MessageCounts>>,
}

/// How many messages went by, for others to see.
#[derive(Debug, Default)]
struct MessageCounts {
    request: Cell<u64>,
    response: Cell<u64>,
}

impl FilterStateObject for MessageCounts {
    fn serialize(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Owned(format!("{},{}", self.request.get(), self.response.get()).into_bytes()))
    }

    fn typed(&self) -> Option<TypedForm<'_>> {
        let fields = [("requestMessageCount", &self.request), ("responseMessageCount", &self.response)];
        let fields = fields.iter().filter(|(_, count)| count.get() > 0);
        let fields: Vec<_> = fields.map(|(name, count)| format!("\"{name}\":\"{}\"", count.get())).collect();
        Some(TypedForm::Json(Cow::Owned(format!("{{{}}}", fields.join(",")).into_bytes())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl GrpcStats {
    /// Where a call is counted.
    fn scope(&self, context: &FilterContext<'_>) -> Option<Scope<GrpcCallStats>> {
        let path = context.request.get(KnownName::Path).unwrap_or_default();
        let method = method_of(path)?;
        let Some(listed) = &self.methods else {
            return self.calls.of(context, Some(method), self.replaces_dots);
        };
        let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
        let is_listed = std::str::from_utf8(path).is_ok_and(|path| listed.contains(path));
        self.calls.of(context, is_listed.then_some(method), false)
    }

    /// Shows others the counts. What comes before the first message is not worth an object.
    fn show(state: &mut GrpcStatsState, context: &mut FilterContext<'_>) {
        let shown = state.shown.get_or_insert_with(|| {
            let shown = Rc::<MessageCounts>::default();
            // Where there is no room for it, nobody sees it.
            let object: Rc<dyn FilterStateObject> = Rc::<MessageCounts>::clone(&shown);
            let _set: bool = context.info.filter_state.set(FILTER_STATE, object, SharedWithUpstream::None);
            shown
        });
        shown.request.set(state.request.count);
        shown.response.set(state.response.count);
    }
}

impl BuiltInFilter for GrpcStats {
    type Model = model::GrpcStats;
    type State = GrpcStatsState;

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let path = |(service, method): &(String, String)| format!("/{service}/{method}").into_boxed_str();
        Ok(GrpcStats {
            emit_filter_state: model.emit_filter_state,
            methods: model.methods.as_ref().map(|methods| methods.iter().map(path).collect()),
            enable_upstream_stats: model.enable_upstream_stats,
            replaces_dots: model.replace_dots_in_service_name,
            calls: GrpcCalls::new(context.process.registry, "grpc"),
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders | Phase::ResponseTrailers)
    }

    fn on_request_headers(&self, state: &mut GrpcStatsState, context: &mut FilterContext<'_>) -> Answer {
        state.is_call = is_grpc_request(context.request);
        if state.is_call {
            state.scope = self.scope(context);
            context.wishes.look_at_body = context.request_has_body();
        }
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut GrpcStatsState, context: &mut FilterContext<'_>) -> Answer {
        state.is_answer = is_grpc_response(context.response, context.response_end_stream);
        context.wishes.look_at_body = state.is_answer && !context.response_end_stream;
        if let Some(scope) = &state.scope {
            count_status(scope, context.worker.index, context.response.get(KnownName::GrpcStatus));
        }
        Answer::Continue
    }

    fn on_response_trailers(
        &self,
        state: &mut GrpcStatsState,
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        if let Some(scope) = &state.scope {
            count_status(scope, context.worker.index, trailers.get(KnownName::GrpcStatus));
        }
    }

    fn look_at_body(
        &self,
        state: &mut GrpcStatsState,
        direction: Direction,
        data: &[u8],
        context: &mut FilterContext<'_>,
    ) {
        let (borders, stat) = match direction {
            Direction::Request => (&mut state.request, GrpcCallStat::RequestMessageCount),
            Direction::Response => (&mut state.response, GrpcCallStat::ResponseMessageCount),
        };
        let begun = borders.pass(data);
        if begun == 0 {
            return;
        }
        if let Some(scope) = &state.scope {
            scope.add_on(context.worker.index, stat, begun);
        }
        if self.emit_filter_state {
            Self::show(state, context);
        }
    }

    fn on_stream_complete(&self, state: &mut GrpcStatsState, worker: usize, info: &StreamInfo) {
        let Some(scope) = state.scope.as_ref().filter(|_| self.enable_upstream_stats) else { return };
        let at = |point| info.timing.get(point);
        if let (Some(sent), Some(received)) =
            (at(TimePoint::LastUpstreamTxByte), at(TimePoint::LastUpstreamRxByte))
        {
            let took = u64::try_from(received.saturating_sub(sent).as_millis()).unwrap_or(u64::MAX);
            scope.local(worker).record(GrpcCallHistogram::UpstreamRqTime, took);
        }
    }
}
