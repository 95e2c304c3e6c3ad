//! The HTTP filters of one connection manager, in their order, and those of one stream.
//!
//! Owns: the compiled list, which filters a route turns on, and the calls to a stream's filters. Does not own: what a
//! filter does, nor who waits for it (`http_stream`).
//! Follows Envoy's page "HTTP filters", section "Filter ordering".

use std::sync::Arc;

use ferryman_codec::HeaderBlock;

use crate::access_loggers::AccessLogSet;
use crate::model::http_filters::{HttpFilter as HttpFilterModel, HttpFilterConfig, Router};
use crate::stream_info::StreamInfo;

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction};
use super::built_in::{Compiled, State};
use super::route_config::{FilterOverrides, NamedOverrides, RouteConfig, RouteConfigs, RouteFilters};
use super::upstream_http_filters::UpstreamHttpFilters;
use super::{Answer, FilterCompileContext, FilterContext, HttpFilter, Phase};

/// One filter of the list.
#[derive(Debug)]
pub struct NamedFilter {
    pub(super) name: Box<str>,
    /// Whether it is off but on routes that turn it on.
    pub(super) disabled: bool,
    compiled: Compiled,
}

impl NamedFilter {
    pub(super) fn new(name: &str, disabled: bool, compiled: Compiled) -> Self {
        NamedFilter { name: name.into(), disabled, compiled }
    }

    /// A filter that is not built in.
    #[must_use]
    pub fn custom(name: &str, disabled: bool, filter: Box<dyn HttpFilter>) -> Self {
        NamedFilter::new(name, disabled, Compiled::Custom(filter))
    }

    fn compile(model: &HttpFilterModel, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let context = &FilterCompileContext { name: &model.name, ..*context };
        let compiled = Compiled::compile(&model.config, context)
            .map_err(|text| format!("http_filters: '{}': {text}", model.name))?;
        Ok(NamedFilter::new(&model.name, model.disabled, compiled))
    }
}

/// The HTTP filters of one connection manager.
#[derive(Debug)]
pub struct HttpFilters {
    filters: Vec<NamedFilter>,
    /// The settings of the router, which ends the list.
    pub router: Router,
    /// Where upstream requests are logged.
    pub upstream_log: AccessLogSet,
    /// The filters between router and upstream, where the cluster has none of its own.
    pub upstream: Option<Arc<UpstreamHttpFilters>>,
    /// What holds where no route takes the request.
    pub without_route: RouteFilters,
}

/// Which filters of a list are on for a route: bit n stands for filter n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActiveFilters(u64);

impl ActiveFilters {
    /// Whether there are none: the request goes straight to the router.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which filters of a list have anything to do in which phase: bit n stands for filter n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakingPart([u64; 4]);

impl TakingPart {
    const PHASES: [Phase; 4] =
        [Phase::RequestHeaders, Phase::ResponseHeaders, Phase::RequestTrailers, Phase::ResponseTrailers];

    /// Whether the filter at a place of the list is called for a phase. Who stopped a request sees its body.
    #[inline]
    #[must_use]
    pub fn has(&self, index: usize, phase: Phase) -> bool {
        let [request_headers, response_headers, request_trailers, response_trailers] = self.0;
        let filters = match phase {
            Phase::RequestHeaders => request_headers,
            Phase::RequestData => u64::MAX,
            Phase::ResponseHeaders => response_headers,
            Phase::RequestTrailers => request_trailers,
            Phase::ResponseTrailers => response_trailers,
        };
        filters & (1 << index) != 0
    }
}

impl HttpFilters {
    /// Compiles the list. The router comes last, and nowhere else.
    ///
    /// # Errors
    /// What is wrong with a filter, or with the list.
    pub fn compile(models: &[HttpFilterModel], context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let Some((last, before)) = models.split_last() else {
            return Err("http_filters is empty; it must end with the router".to_owned());
        };
        let HttpFilterConfig::Router(router) = &last.config else {
            return Err(format!("http_filters: '{}' comes last, where the router must be", last.name));
        };
        let filters = before.iter().map(|model| NamedFilter::compile(model, context));
        let mut list = HttpFilters::new(filters.collect::<Result<_, _>>()?, router.clone())?;
        list.upstream_log = AccessLogSet::open(&router.upstream_log, context.process.logs)?
            .with_events(&router.upstream_log_events);
        list.upstream = UpstreamHttpFilters::compile(router.upstream_http_filters.as_deref())?;
        Ok(list)
    }

    /// A list of filters that are compiled already.
    ///
    /// # Errors
    /// There are more than 64 filters.
    pub fn new(filters: Vec<NamedFilter>, router: Router) -> Result<Self, String> {
        if filters.len() > 64 {
            return Err(format!("there are {} HTTP filters; at most 64 are supported", filters.len()));
        }
        let upstream_log = AccessLogSet::default();
        let without_route = RouteFilters::default();
        let mut list = HttpFilters { filters, router, upstream_log, upstream: None, without_route };
        list.without_route = list.for_route(&[]);
        Ok(list)
    }

    /// The name of a filter by its place in the list.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&str> {
        self.filters.get(index).map(|filter| &*filter.name)
    }

    /// What levels of the configuration, the least specific first, say of each filter together.
    #[must_use]
    pub fn for_route(&self, levels: &[&FilterOverrides]) -> RouteFilters {
        let mut active = 0;
        for (index, filter) in self.filters.iter().enumerate() {
            let said = levels.iter().rev().find_map(|level| level.disabled(&filter.name));
            if !said.unwrap_or(filter.disabled) {
                active |= 1 << index;
            }
        }
        let configs_of = |filter: &NamedFilter| {
            levels.iter().filter_map(|level| level.config(&filter.name)).collect::<Box<[RouteConfig]>>()
        };
        let configs: Box<[_]> = if levels.iter().all(|level| !level.has_config()) {
            Box::default()
        } else {
            self.filters.iter().map(configs_of).collect()
        };
        let (active, named) = (ActiveFilters(active), NamedOverrides::new(levels));
        let mut route = RouteFilters { active, taking_part: TakingPart::default(), configs, named };
        route.taking_part = self.taking_part(&route);
        route
    }

    fn taking_part(&self, route: &RouteFilters) -> TakingPart {
        let in_phase = |phase| {
            let takes_part = |(index, filter): (usize, &NamedFilter)| {
                u64::from(filter.compiled.takes_part_in(phase, route.of(index))) << index
            };
            self.filters.iter().enumerate().map(takes_part).fold(0, |filters, filter| filters | filter)
        };
        TakingPart(TakingPart::PHASES.map(in_phase))
    }

    /// Makes the filters of one stream, in the order of the list.
    pub fn begin(&self, active: ActiveFilters, stream: &mut Vec<ActiveFilter>) {
        stream.clear();
        for (index, named) in self.filters.iter().enumerate() {
            if active.0 & (1 << index) != 0 {
                let keeps_route = named.compiled.keeps_route();
                let state = named.compiled.begin();
                stream.push(ActiveFilter { index, keeps_route, met: None, upstream: None, state });
            }
        }
    }
}

/// A filter of one stream: its place in the list, and what the stream keeps of it.
#[derive(Debug)]
pub struct ActiveFilter {
    index: usize,
    keeps_route: bool,
    /// How many routes the stream had had before when its request came by, if that matters.
    met: Option<usize>,
    /// The list that it is of where it stands between router and upstream; none: it stands before the router.
    upstream: Option<Arc<UpstreamHttpFilters>>,
    state: State,
}

impl ActiveFilter {
    /// A filter of one upstream request.
    pub(super) fn towards_upstream(
        list: &Arc<UpstreamHttpFilters>,
        index: usize,
        named: &NamedFilter,
    ) -> Self {
        let state = named.compiled.begin();
        ActiveFilter { index, keeps_route: false, met: None, upstream: Some(Arc::clone(list)), state }
    }

    /// Its place in the list.
    #[inline]
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The request comes by on a stream that had so many routes before.
    #[inline]
    pub fn meets_route(&mut self, earlier_routes: usize) {
        self.met = self.keeps_route.then_some(earlier_routes);
    }

    /// The route that tells it what to do, if that is an earlier one than the stream's last.
    #[inline]
    #[must_use]
    pub fn route_of<'a>(&self, earlier_routes: &[&'a RouteFilters]) -> Option<&'a RouteFilters> {
        earlier_routes.get(self.met?).copied()
    }

    /// Whether it stands between router and upstream.
    #[inline]
    #[must_use]
    pub fn is_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// What a route says to it; `None`: it has nothing to do in this phase there.
    #[inline]
    #[must_use]
    pub fn told_by<'r>(&self, route: &'r RouteFilters, phase: Phase) -> Option<RouteConfigs<'r>> {
        match &self.upstream {
            None => route.taking_part.has(self.index, phase).then(|| route.of(self.index)),
            Some(upstream) => {
                let named = upstream.filters.get(self.index)?;
                let said = route.named.of(&named.name);
                named.compiled.takes_part_in(phase, said).then_some(said)
            }
        }
    }

    /// Calls it for a phase; `resumed` after an answer `Wait`.
    pub fn call(
        &mut self,
        filters: &HttpFilters,
        phase: Phase,
        resumed: bool,
        context: &mut FilterContext<'_>,
    ) -> Answer {
        match of_list(&self.upstream, filters, self.index) {
            Some(named) => named.compiled.call(&mut self.state, phase, resumed, context),
            None => Answer::Continue,
        }
    }

    /// Shows it trailers.
    pub fn on_trailers(
        &mut self,
        filters: &HttpFilters,
        phase: Phase,
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        if let Some(named) = of_list(&self.upstream, filters, self.index) {
            named.compiled.on_trailers(&mut self.state, phase, trailers, context);
        }
    }

    /// Hands it a piece of a body that it transforms.
    pub fn transform_body(
        &mut self,
        filters: &HttpFilters,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        match of_list(&self.upstream, filters, self.index) {
            Some(named) => named.compiled.transform_body(&mut self.state, direction, input, output, context),
            None => BodyAnswer::Done,
        }
    }

    /// Shows it a piece of a body that goes by.
    pub fn look_at_body(
        &mut self,
        filters: &HttpFilters,
        direction: Direction,
        data: &[u8],
        context: &mut FilterContext<'_>,
    ) {
        if let Some(named) = of_list(&self.upstream, filters, self.index) {
            named.compiled.look_at_body(&mut self.state, direction, data, context);
        }
    }

    /// Hands it the response that it stopped.
    pub fn on_held_response(
        &mut self,
        filters: &HttpFilters,
        body: &mut Vec<u8>,
        trailers: &mut HeaderBlock,
        context: &mut FilterContext<'_>,
    ) {
        if let Some(named) = of_list(&self.upstream, filters, self.index) {
            named.compiled.on_held_response(&mut self.state, body, trailers, context);
        }
    }

    /// Tells it that the stream is over.
    pub fn complete(&mut self, filters: &HttpFilters, worker: usize, info: &StreamInfo) {
        if let Some(named) = of_list(&self.upstream, filters, self.index) {
            named.compiled.complete(&mut self.state, worker, info);
        }
    }
}

fn of_list<'f>(
    upstream: &'f Option<Arc<UpstreamHttpFilters>>,
    filters: &'f HttpFilters,
    index: usize,
) -> Option<&'f NamedFilter> {
    match upstream {
        None => filters.filters.get(index),
        Some(upstream) => upstream.filters.get(index),
    }
}
