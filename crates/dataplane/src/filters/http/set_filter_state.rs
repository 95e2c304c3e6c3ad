//! Leaves objects of a stream for others, under names (Envoy: `envoy.filters.http.set_filter_state`).
//!
//! Owns: the order of the levels. Does not own: how objects are made (`filters::filter_state_values`).
//! Follows Envoy's page "Set-Filter-State Filter": the filter's own objects come first, then those of the levels, the most
//! specific last.

use crate::filters::filter_state_values::FilterStateValues;
use crate::format::{AccessLogType, FormatContext};
use crate::model::http_filters::set_filter_state as model;
use crate::random::thread_random;

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter, or what a route says to it.
#[derive(Debug)]
pub struct SetFilterState {
    values: FilterStateValues,
    clear_route_cache: bool,
}

impl SetFilterState {
    fn apply(&self, context: &mut FilterContext<'_>) {
        for place in 0..self.values.len() {
            let occasion = AccessLogType::NotSet;
            let mut format =
                FormatContext::new(context.info, context.connection, occasion, context.now, thread_random);
            format.request_headers = Some(context.request);
            if let Some(route) = &context.route {
                format.route_metadata = route.metadata();
            }
            if let Some(set) = self.values.set(place, &format, Some(&context.connection.filter_state)) {
                set(&mut context.info.filter_state);
            }
        }
    }
}

impl BuiltInFilter for SetFilterState {
    type Model = model::SetFilterState;
    type State = ();

    fn compile(model: &Self::Model, _context: &FilterCompileContext<'_>) -> Result<Self, String> {
        let values = FilterStateValues::compile(&model.on_request_headers)?;
        Ok(SetFilterState { values, clear_route_cache: model.clear_route_cache })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        phase == Phase::RequestHeaders
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        self.apply(context);
        for level in context.route_configs.all::<SetFilterState>() {
            level.apply(context);
        }
        context.wishes.clear_route_cache = self.clear_route_cache;
        Answer::Continue
    }
}
