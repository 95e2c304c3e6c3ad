//! The HTTP filters of one connection manager, in their order, and those of one stream.
//!
//! Owns: the compiled list, which filters a route turns on, and the calls to a stream's filters. Does not own: what a
//! filter does, nor who waits for it (`http_stream`).
//! Follows Envoy's page "HTTP filters", section "Filter ordering".

use ferryman_codec::HeaderBlock;

use crate::model::http_filters::{HttpFilter as HttpFilterModel, HttpFilterConfig, Router};
use crate::stream_info::StreamInfo;

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction};
use super::built_in::{Compiled, State};
use super::route_config::{FilterOverrides, RouteConfig, RouteFilters};
use super::{Answer, FilterCompileContext, FilterContext, HttpFilter, Phase};

/// One filter of the list.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "one a phase")]
pub struct NamedFilter {
    name: Box<str>,
    /// Whether it is off but on routes that turn it on.
    disabled: bool,
    compiled: Compiled,
    request_headers: bool,
    response_headers: bool,
    request_trailers: bool,
    response_trailers: bool,
}

impl NamedFilter {
    fn new(name: &str, disabled: bool, compiled: Compiled) -> Self {
        NamedFilter {
            name: name.into(),
            disabled,
            request_headers: compiled.takes_part_in(Phase::RequestHeaders),
            response_headers: compiled.takes_part_in(Phase::ResponseHeaders),
            request_trailers: compiled.takes_part_in(Phase::RequestTrailers),
            response_trailers: compiled.takes_part_in(Phase::ResponseTrailers),
            compiled,
        }
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
        HttpFilters::new(filters.collect::<Result<_, _>>()?, router.clone())
    }

    /// A list of filters that are compiled already.
    ///
    /// # Errors
    /// There are more than 64 filters.
    pub fn new(filters: Vec<NamedFilter>, router: Router) -> Result<Self, String> {
        if filters.len() > 64 {
            return Err(format!("there are {} HTTP filters; at most 64 are supported", filters.len()));
        }
        let mut list = HttpFilters { filters, router, without_route: RouteFilters::default() };
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
        RouteFilters { active: ActiveFilters(active), configs }
    }

    /// Makes the filters of one stream, in the order of the list.
    pub fn begin(&self, active: ActiveFilters, stream: &mut Vec<ActiveFilter>) {
        stream.clear();
        for (index, named) in self.filters.iter().enumerate() {
            if active.0 & (1 << index) != 0 {
                stream.push(ActiveFilter { index, state: named.compiled.begin() });
            }
        }
    }
}

/// A filter of one stream: its place in the list, and what the stream keeps of it.
#[derive(Debug)]
pub struct ActiveFilter {
    index: usize,
    state: State,
}

impl ActiveFilter {
    /// Its place in the list.
    #[inline]
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it is called for a phase.
    #[inline]
    #[must_use]
    pub fn takes_part_in(&self, phase: Phase, filters: &HttpFilters) -> bool {
        filters.filters.get(self.index).is_some_and(|named| match phase {
            Phase::RequestHeaders => named.request_headers,
            Phase::RequestData => true,
            Phase::ResponseHeaders => named.response_headers,
            Phase::RequestTrailers => named.request_trailers,
            Phase::ResponseTrailers => named.response_trailers,
        })
    }

    /// Calls it for a phase; `resumed` after an answer `Wait`.
    pub fn call(
        &mut self,
        filters: &HttpFilters,
        phase: Phase,
        resumed: bool,
        context: &mut FilterContext<'_>,
    ) -> Answer {
        match filters.filters.get(self.index) {
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
        if let Some(named) = filters.filters.get(self.index) {
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
        match filters.filters.get(self.index) {
            Some(named) => named.compiled.transform_body(&mut self.state, direction, input, output, context),
            None => BodyAnswer::Done,
        }
    }

    /// Tells it that the stream is over.
    pub fn complete(&mut self, filters: &HttpFilters, worker: usize, info: &StreamInfo) {
        if let Some(named) = filters.filters.get(self.index) {
            named.compiled.complete(&mut self.state, worker, info);
        }
    }
}
