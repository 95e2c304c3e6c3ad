//! HTTP filters: what is done with a request on its way to the upstream, and with its response on the way back.
//!
//! Owns: what a filter is and what it sees. Does not own: the list of them (`chain`), what routes say to them
//! (`route_config`), the walk along it (`http_stream`), nor the last filter, which forwards (`router`).
//! Follows Envoy's page "HTTP filters".
//!
//! A filter is called without waiting: it answers at once. Only an answer `Wait` allocates, and only where one is given.
//! A filter is not called for a phase that it has nothing to do in, nor on routes that disable it.
//!
//! Adding a filter is a file here, a line in `built_in`, and its configuration in `model/http_filters` and
//! `ferryman/config/filters/http/`.

use std::fmt::Debug;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use ferryman_codec::HeaderBlock;

use crate::listener::CompileContext;
use crate::local_reply::LocalReply;
use crate::route::{ClusterChoice, Matched};
use crate::stream_info::{ConnectionInfo, StreamInfo};
use crate::worker::Worker;

use body::{BodyAnswer, BodyInput, BodyOutput, Direction, pass_on};

pub mod basic_auth;
pub mod body;
pub mod buffer;
pub mod built_in;
pub mod chain;
pub mod compressor;
pub mod cors;
pub mod csrf;
pub mod decompressor;
pub mod custom_response;
pub mod fault;
mod grpc_call_stats;
pub mod grpc_http1_bridge;
pub mod grpc_stats;
pub mod grpc_web;
pub mod health_check;
pub mod header_mutation;
pub mod header_to_metadata;
pub mod local_ratelimit;
pub mod route_config;
pub mod router;
pub mod set_filter_state;
pub mod set_metadata;
pub mod upstream_http_filters;

pub use built_in::BuiltInFilter;
pub use chain::{ActiveFilter, ActiveFilters, HttpFilters, NamedFilter, TakingPart};
pub use route_config::{PerRoute, RouteConfig, RouteConfigs, RouteFilters};
pub use upstream_http_filters::UpstreamHttpFilters;

/// When a filter is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request's head is there; the first filter of the list comes first.
    RequestHeaders,
    /// More of the body is there, for a filter that stopped the request.
    RequestData,
    /// The response's head is there, from the upstream or a local reply; the last filter comes first.
    ResponseHeaders,
    /// The request's trailers are there; only if there are any.
    RequestTrailers,
    /// The response's trailers are there; only if there are any.
    ResponseTrailers,
}

/// A filter's answer.
pub enum Answer {
    /// On to the next filter.
    Continue,
    /// To a request's head or body: nothing goes on yet. More of the body is read, up to the buffer limit, and
    /// `on_request_data` is called with all of it that is there. A body that has ended is not waited for: there this
    /// means `Continue`. To a response's head: all of the response is read first, up to the buffer limit, and
    /// `on_held_response` is called with it.
    StopIteration,
    /// The client is answered by this proxy; filters further on do not see the request. In the place of a response, it
    /// goes to the client without being seen by other filters.
    Respond(LocalReply<'static>),
    /// To a response's head: it goes nowhere, and the request begins anew, as its head is now, from the route on (Envoy:
    /// `recreateStream`). Where not all of the request has come, this means `Continue`.
    Recreate,
    /// The filter is called again, by `resume`, when this is done. Until then nothing moves.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
}

/// What a filter asks of the walk beside its answer; all of it is off before each call.
#[derive(Debug, Default)]
pub struct Wishes {
    /// The route is looked up again with the head as it is now (Envoy: `clearRouteCache`).
    pub clear_route_cache: bool,
    /// How much of the request's body may be held, in the place of the route's limit or the listener's.
    pub request_body_limit: Option<usize>,
    /// The body of the message whose head this is goes through the filter's `transform_body` (see `body`). Counts when the
    /// filter lets the head go on; one that changes the body's length takes `content-length` out of it.
    pub transform_body: bool,
    /// The filter's `look_at_body` sees the body of the message whose head this is, and changes nothing.
    pub look_at_body: bool,
}

/// What a filter sees of a stream. Whatever it changes goes on.
#[derive(Debug)]
pub struct FilterContext<'a> {
    /// The request's head.
    pub request: &'a mut HeaderBlock,
    /// What is held of the request's body; empty before a filter answers `StopIteration`.
    pub body: &'a mut Vec<u8>,
    /// Whether `body` is all of the request's body.
    pub end_stream: bool,
    /// The response's head; empty before there is one.
    pub response: &'a mut HeaderBlock,
    /// Whether the response ends with its head.
    pub response_end_stream: bool,
    /// What is known of the stream.
    pub info: &'a mut StreamInfo,
    /// What is known of the connection.
    pub connection: &'a ConnectionInfo,
    /// The last time that was asked for.
    pub now: Instant,
    /// The worker: its number for statistics, its clock, its random numbers, its clusters.
    pub worker: &'a Rc<Worker>,
    /// The route, if one takes the request.
    pub route: Option<Matched<'a>>,
    /// The cluster that the route chose, if it forwards.
    pub cluster: Option<&'a ClusterChoice<'a>>,
    /// What the route's levels say to this filter.
    pub route_configs: RouteConfigs<'a>,
    /// What the filter asks for.
    pub wishes: &'a mut Wishes,
}

impl<'a> FilterContext<'a> {
    /// Whether the request has a body, here or still to come.
    #[inline]
    #[must_use]
    pub fn request_has_body(&self) -> bool {
        !self.end_stream || !self.body.is_empty()
    }

    /// What the most specific level says to this filter that says anything to it.
    #[inline]
    #[must_use]
    pub fn route_config<T: PerRoute>(&self) -> Option<&'a T> {
        self.route_configs.most_specific()
    }
}

/// What a filter is compiled with.
#[derive(Debug, Clone, Copy)]
pub struct FilterCompileContext<'a> {
    /// The filter's name in the list; empty for what stands outside of it.
    pub name: &'a str,
    /// Statistics, clusters, logs.
    pub process: &'a CompileContext<'a>,
    /// The connection manager's `stat_prefix`.
    pub stat_prefix: &'a str,
}

impl FilterCompileContext<'_> {
    /// `http.<stat prefix>.<name>.`, where most filters count.
    #[must_use]
    pub fn stats_scope(&self, name: &str) -> String {
        format!("http.{}.{name}.", self.stat_prefix)
    }
}

/// A compiled filter that is not built in, shared by all workers.
pub trait HttpFilter: Debug + Send + Sync {
    /// Whether it has anything to do in a phase.
    fn takes_part_in(&self, phase: Phase) -> bool;

    /// The filter for one stream.
    fn on_stream(&self) -> Box<dyn StreamFilter>;
}

/// Such a filter on one stream. It may keep what it likes between calls.
pub trait StreamFilter {
    /// Called once the request's head is there.
    fn on_request_headers(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when more of a stopped request's body is there.
    fn on_request_data(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called once the response's head is there. An answer `Respond` takes the response's place.
    fn on_response_headers(&mut self, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called with the pieces of a body that it wished to transform; as it is here, the body stays the same.
    fn transform_body(
        &mut self,
        _direction: Direction,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        _context: &mut FilterContext<'_>,
    ) -> BodyAnswer {
        pass_on(input, output)
    }

    /// Called when what it waited for is done.
    fn resume(&mut self, _phase: Phase, _context: &mut FilterContext<'_>) -> Answer {
        Answer::Continue
    }

    /// Called when the stream is over, after all else. `info` says how it went.
    fn on_stream_complete(&mut self, _info: &StreamInfo) {}
}

impl Debug for dyn StreamFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamFilter")
    }
}
