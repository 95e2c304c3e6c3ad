//! The one list of built-in HTTP filters that stand before the router.
//!
//! Owns: what a built-in filter is, and the dispatch to it: by `match`, without a box for a filter or for a stream.
//! Does not own: the order of a configuration's filters (`chain`).

use std::fmt::Debug;

use ferryman_codec::HeaderBlock;

use crate::model::http_filters::HttpFilterConfig;
use crate::model::http_filters::PerRouteConfig as Model;
use crate::stream_info::StreamInfo;

use super::body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};
use super::route_config::{PerRoute, RouteConfig, RouteConfigs};
use super::{Answer, FilterCompileContext, FilterContext, HttpFilter, Phase, StreamFilter};

/// A compiled filter, shared by all workers: it counts under the worker's number. What it keeps of one stream is its
/// `State`, which lies in the stream's own memory.
pub trait BuiltInFilter: Debug + Send + Sync + Sized {
    /// Its configuration.
    type Model;
    /// What one stream keeps between calls; `()` for nothing.
    type State: Debug + Default;

    /// Whether what the route says when the request comes by holds for the response too, also if the stream has another
    /// route by then (`clear_route_cache`).
    const KEEPS_ROUTE: bool = false;

    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String>;

    /// Whether it may have anything to do in a phase, on a route that says this to it.
    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool;

    /// Called once the request's head is there.
    fn on_request_headers(&self, _state: &mut Self::State, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when more of a stopped request's body is there.
    fn on_request_data(&self, _state: &mut Self::State, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called once the response's head is there. An answer `Respond` takes the response's place.
    fn on_response_headers(&self, _state: &mut Self::State, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called with the request's trailers, if there are any.
    fn on_request_trailers(
        &self,
        _state: &mut Self::State,
        _trailers: &mut HeaderBlock,
        _context: &mut FilterContext<'_>,
    ) {
    }

    /// Called with the response's trailers, if there are any.
    fn on_response_trailers(
        &self,
        _state: &mut Self::State,
        _trailers: &mut HeaderBlock,
        _context: &mut FilterContext<'_>,
    ) {
    }

    /// Called with a response that it stopped, once all of it is there. What it changes goes on, and nobody further on has
    /// seen any of it.
    fn on_held_response(
        &self,
        _state: &mut Self::State,
        _body: &mut Vec<u8>,
        _trailers: &mut HeaderBlock,
        _context: &mut FilterContext<'_>,
    ) {
    }

    /// Called with the pieces of a body that it wished to look at.
    fn look_at_body(
        &self,
        _state: &mut Self::State,
        _direction: Direction,
        _data: &[u8],
        _context: &mut FilterContext<'_>,
    ) {
    }

    /// Called with the pieces of a body that it wished to transform; as it is here, the body stays the same, and is looked
    /// at.
    fn transform_body(
        &self,
        state: &mut Self::State,
        direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        let data = if let BodyInput::Data(data) = &input { *data } else { b"" };
        let answer = pass_on(input, output);
        if let BodyAnswer::Took(count @ 1..) = answer {
            self.look_at_body(state, direction, data.get(..count).unwrap_or_default(), context);
        }
        answer
    }

    /// Called when what it waited for is done.
    fn resume(&self, _state: &mut Self::State, _phase: Phase, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when the stream is over, after all else. `info` says how it went.
    fn on_stream_complete(&self, _state: &mut Self::State, _worker: usize, _info: &StreamInfo) {}
}

macro_rules! built_in_filters {
    ($($name:ident in $module:ident,)*) => {
        /// A compiled filter.
        #[derive(Debug)]
        pub(super) enum Compiled {
            $($name(super::$module::$name),)*
            Custom(Box<dyn HttpFilter>),
        }

        /// What one stream keeps of a filter.
        #[derive(Debug)]
        #[allow(clippy::enum_variant_names, reason = "they are the names of filters")]
        pub(super) enum State {
            $($name(<super::$module::$name as BuiltInFilter>::State),)*
            Custom(Box<dyn StreamFilter>),
        }

        impl Compiled {
            /// Compiles any filter but the router.
            pub(super) fn compile(
                model: &HttpFilterConfig,
                context: &FilterCompileContext<'_>,
            ) -> Result<Self, String> {
                match model {
                    $(HttpFilterConfig::$name(model) => {
                        super::$module::$name::compile(model, context).map(Compiled::$name)
                    })*
                    HttpFilterConfig::Router(_) => Err("it must come last".to_owned()),
                }
            }

            pub(super) fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
                match self {
                    $(Compiled::$name(filter) => filter.takes_part_in(phase, route),)*
                    Compiled::Custom(filter) => filter.takes_part_in(phase),
                }
            }

            pub(super) fn keeps_route(&self) -> bool {
                match self {
                    $(Compiled::$name(_) => <super::$module::$name as BuiltInFilter>::KEEPS_ROUTE,)*
                    Compiled::Custom(_) => false,
                }
            }

            /// What a new stream keeps of it.
            pub(super) fn begin(&self) -> State {
                match self {
                    $(Compiled::$name(_) => State::$name(Default::default()),)*
                    Compiled::Custom(filter) => State::Custom(filter.on_stream()),
                }
            }

            /// Calls it for a phase; `resumed` after an answer `Wait`.
            pub(super) fn call(
                &self,
                state: &mut State,
                phase: Phase,
                resumed: bool,
                context: &mut FilterContext<'_>,
            ) -> Answer {
                match (self, state) {
                    $((Compiled::$name(filter), State::$name(state)) => match phase {
                        _ if resumed => filter.resume(state, phase, context),
                        Phase::RequestHeaders => filter.on_request_headers(state, context),
                        Phase::RequestData => filter.on_request_data(state, context),
                        Phase::ResponseHeaders => filter.on_response_headers(state, context),
                        // They have a call of their own.
                        Phase::RequestTrailers | Phase::ResponseTrailers => Answer::Continue,
                    },)*
                    (Compiled::Custom(_), State::Custom(filter)) => match phase {
                        _ if resumed => filter.resume(phase, context),
                        Phase::RequestHeaders => filter.on_request_headers(context),
                        Phase::RequestData => filter.on_request_data(context),
                        Phase::ResponseHeaders => filter.on_response_headers(context),
                        Phase::RequestTrailers | Phase::ResponseTrailers => Answer::Continue,
                    },
                    // Not reached: a state is used with the filter that made it.
                    _ => Answer::Continue,
                }
            }

            /// Shows it trailers.
            pub(super) fn on_trailers(
                &self,
                state: &mut State,
                phase: Phase,
                trailers: &mut HeaderBlock,
                context: &mut FilterContext<'_>,
            ) {
                match (self, state, phase) {
                    $((Compiled::$name(filter), State::$name(state), Phase::RequestTrailers) => {
                        filter.on_request_trailers(state, trailers, context);
                    }
                    (Compiled::$name(filter), State::$name(state), Phase::ResponseTrailers) => {
                        filter.on_response_trailers(state, trailers, context);
                    })*
                    _ => {}
                }
            }

            /// Hands it a piece of a body that it transforms.
            pub(super) fn transform_body(
                &self,
                state: &mut State,
                direction: Direction,
                input: BodyInput<'_>,
                output: &mut BodyOutput,
                context: &mut FilterContext<'_>,
            ) -> BodyAnswer {
                match (self, state) {
                    $((Compiled::$name(filter), State::$name(state)) => {
                        filter.transform_body(state, direction, input, output, context)
                    })*
                    (Compiled::Custom(_), State::Custom(filter)) => {
                        filter.transform_body(direction, input, output, context)
                    }
                    _ => BodyAnswer::Done,
                }
            }

            /// Shows it a piece of a body that goes by.
            pub(super) fn look_at_body(
                &self,
                state: &mut State,
                direction: Direction,
                data: &[u8],
                context: &mut FilterContext<'_>,
            ) {
                match (self, state) {
                    $((Compiled::$name(filter), State::$name(state)) => {
                        filter.look_at_body(state, direction, data, context);
                    })*
                    _ => {}
                }
            }

            /// Hands it the response that it stopped.
            pub(super) fn on_held_response(
                &self,
                state: &mut State,
                body: &mut Vec<u8>,
                trailers: &mut HeaderBlock,
                context: &mut FilterContext<'_>,
            ) {
                match (self, state) {
                    $((Compiled::$name(filter), State::$name(state)) => {
                        filter.on_held_response(state, body, trailers, context);
                    })*
                    _ => {}
                }
            }

            /// Tells it that the stream is over.
            pub(super) fn complete(&self, state: &mut State, worker: usize, info: &StreamInfo) {
                match (self, state) {
                    $((Compiled::$name(filter), State::$name(state)) => {
                        filter.on_stream_complete(state, worker, info);
                    })*
                    (Compiled::Custom(_), State::Custom(filter)) => filter.on_stream_complete(info),
                    _ => {}
                }
            }
        }
    };
}

built_in_filters! {
    Buffer in buffer,
    BasicAuth in basic_auth,
    Compressor in compressor,
    Cors in cors,
    Csrf in csrf,
    Decompressor in decompressor,
    CustomResponse in custom_response,
    Fault in fault,
    GrpcHttp1Bridge in grpc_http1_bridge,
    GrpcStats in grpc_stats,
    GrpcWeb in grpc_web,
    HealthCheck in health_check,
    HeaderMutation in header_mutation,
    HeaderToMetadata in header_to_metadata,
    LocalRatelimit in local_ratelimit,
    SetFilterState in set_filter_state,
    SetMetadata in set_metadata,
}

macro_rules! per_route {
    ($($type:ty,)*) => { $(impl PerRoute for $type {})* };
}

per_route! {
    super::buffer::BufferPerRoute,
    super::basic_auth::Users,
    super::compressor::CompressorPerRoute,
    super::cors::CorsPolicy,
    super::csrf::CsrfPolicy,
    super::custom_response::CustomResponse,
    super::fault::FaultSettings,
    super::header_mutation::Mutations,
    super::header_to_metadata::HeaderToMetadata,
    super::set_filter_state::SetFilterState,
    super::local_ratelimit::LocalRatelimit,
}

/// The one list of what routes say to filters.
pub(super) fn compile_per_route(
    model: &Model,
    context: &FilterCompileContext<'_>,
) -> Result<RouteConfig, String> {
    Ok(match model {
        Model::Buffer(model) => RouteConfig::new(super::buffer::BufferPerRoute::new(model)),
        Model::BasicAuth(model) => {
            RouteConfig::new(super::basic_auth::Users::new(&model.users, model.realm.as_deref()))
        }
        Model::Compressor(model) => RouteConfig::new(super::compressor::CompressorPerRoute::new(model)),
        Model::Cors(model) => RouteConfig::new(super::cors::CorsPolicy::compile(model)?),
        Model::Csrf(model) => RouteConfig::new(super::csrf::CsrfPolicy::compile(model)?),
        Model::CustomResponse(model) => {
            // As in Envoy, such a level counts under no connection manager.
            RouteConfig::new(super::custom_response::CustomResponse::new(model, context, "")?)
        }
        Model::Fault(model) => RouteConfig::new(super::fault::FaultSettings::compile(model)?),
        Model::HeaderMutation(model) => {
            RouteConfig::new(super::header_mutation::Mutations::compile(&model.mutations)?)
        }
        Model::HeaderToMetadata(model) => RouteConfig::new(super::header_to_metadata::HeaderToMetadata::new(
            model,
            context.process.registry,
        )?),
        Model::SetFilterState(model) => {
            RouteConfig::new(super::set_filter_state::SetFilterState::compile(model, context)?)
        }
        Model::LocalRatelimit(model) => {
            RouteConfig::new(super::local_ratelimit::LocalRatelimit::compile(model, context)?)
        }
    })
}
