//! The walk of a stream along its HTTP filters.
//!
//! Owns: the order, waiting, holding a request back, and local replies of filters. Does not own: what a filter is
//! (`filters::http`).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use ferryman_codec::HeaderBlock;

use crate::error::{Error, ErrorKind};
use crate::filters::http::{Answer, FilterContext, Phase, UpstreamHttpFilters, Wishes};
use crate::local_reply::LocalReply;
use crate::stats::HttpStat;

use super::HttpStream;
use super::exchange::downstream_error;

/// What becomes of a response whose head the filters have seen.
pub(crate) enum Walked {
    /// It goes to the client.
    OnItsWay,
    /// Another one goes in its place.
    Replaced(LocalReply<'static>),
    /// None: the request begins anew.
    Recreated,
    /// It waits until all of it is there, for the filter at this place of the stream's list.
    Held(usize),
}

/// What a filter sees of a stream, beside the filter itself: a macro, for each field is borrowed on its own.
macro_rules! filter_context {
    ($stream:ident, $state:ident, $configs:expr, $ends:expr, $wishes:expr) => {{
        let (end_stream, response_end_stream) = $ends;
        FilterContext {
            request: &mut $state.request,
            body: &mut $state.held_body,
            end_stream,
            response: &mut $state.response,
            response_end_stream,
            info: &mut $state.info,
            connection: $stream.connection.info,
            now: $stream.now,
            worker: $stream.worker,
            route: $stream.matched,
            cluster: $stream.choice.as_ref(),
            route_configs: $configs,
            wishes: $wishes,
        }
    }};
}
pub(super) use filter_context;

impl HttpStream<'_> {
    /// Makes the stream's filters: those that are on for the route that it has now. As in Envoy, another route that it
    /// may get later changes what they are told, but not which they are.
    pub(super) fn begin_filters(&mut self) {
        if !std::mem::replace(&mut self.filters_begun, true) && !self.route_filters.active.is_empty() {
            self.filters.begin(self.route_filters.active, &mut self.state.filters);
        }
    }

    /// Walks towards the upstream. Answers whether the request goes on; if not, the client has its answer.
    pub(super) async fn walk_request_filters(&mut self) -> Result<bool, Error> {
        self.begin_filters();
        self.walk_request(0).await
    }

    /// Walks from the filter at a place on.
    async fn walk_request(&mut self, first: usize) -> Result<bool, Error> {
        for index in first..self.state.filters.len() {
            let mut phase = Phase::RequestHeaders;
            let mut replays = self.replays_body;
            loop {
                let answer = match self.call_filter(index, phase, false, false) {
                    Answer::Wait(done) => Box::pin(self.wait_for(index, phase, false, done)).await?,
                    answer => answer,
                };
                match answer {
                    Answer::Respond(reply) => {
                        self.reply(reply).await?;
                        return Ok(false);
                    }
                    Answer::StopIteration if std::mem::take(&mut replays) => {}
                    Answer::StopIteration if !self.request_body_is_ended() => self.hold_more().await?,
                    _ => break,
                }
                phase = Phase::RequestData;
            }
        }
        Ok(true)
    }

    /// Walks along the filters between router and upstream, where there are any. Answers as `walk_request_filters`.
    #[inline]
    pub(crate) async fn walk_to_upstream(
        &mut self,
        own: Option<&Arc<UpstreamHttpFilters>>,
    ) -> Result<bool, Error> {
        let Some(list) = own.or(self.filters.upstream.as_ref()) else { return Ok(true) };
        if self.upstream_filters_from.is_some() {
            return Ok(true);
        }
        let first = self.state.filters.len();
        self.upstream_filters_from = Some(first);
        list.begin(self.route_filters, &mut self.state.filters);
        Box::pin(self.walk_request(first)).await
    }

    /// Shows them the response's head as it came.
    #[inline]
    pub(crate) fn walk_from_upstream(&mut self, end_stream: bool) {
        let Some(first) = self.upstream_filters_from else { return };
        for index in (first..self.state.filters.len()).rev() {
            // None of those that may stand here waits or answers by itself.
            self.call_filter(index, Phase::ResponseHeaders, end_stream, false);
        }
    }

    /// Walks back with the response's head; `end_stream`: nothing follows it.
    #[inline]
    pub(crate) async fn walk_response_filters(&mut self, end_stream: bool) -> Result<Walked, Error> {
        // Filters that saw another head before wished for its body.
        self.state.response_body.clear();
        let count = self.upstream_filters_from.unwrap_or(self.state.filters.len());
        self.walk_response_from(count, end_stream).await
    }

    /// The same, from before a place of the stream's list on.
    pub(super) async fn walk_response_from(
        &mut self,
        count: usize,
        end_stream: bool,
    ) -> Result<Walked, Error> {
        for index in (0..count).rev() {
            let phase = Phase::ResponseHeaders;
            let answer = match self.call_filter(index, phase, end_stream, false) {
                Answer::Wait(done) => Box::pin(self.wait_for(index, phase, end_stream, done)).await?,
                answer => answer,
            };
            match answer {
                Answer::Respond(reply) => return Ok(Walked::Replaced(reply)),
                Answer::StopIteration if !end_stream => return Ok(Walked::Held(index)),
                Answer::Recreate if self.request_is_complete() => {
                    self.recreate();
                    return Ok(Walked::Recreated);
                }
                _ => {}
            }
        }
        Ok(Walked::OnItsWay)
    }

    /// Calls a filter for a phase, if it takes part; `resumed` after an answer `Wait`. What it wishes is done at once.
    #[inline]
    fn call_filter(
        &mut self,
        index: usize,
        phase: Phase,
        response_end_stream: bool,
        resumed: bool,
    ) -> Answer {
        let Some(filter) = self.state.filters.get_mut(index) else { return Answer::Continue };
        if phase == Phase::RequestHeaders {
            filter.meets_route(self.earlier_routes.len());
        }
        let route_filters = filter.route_of(&self.earlier_routes).unwrap_or(self.route_filters);
        let Some(route_configs) = filter.told_by(route_filters, phase) else { return Answer::Continue };
        let filters = self.filters;
        let replays = self.replays_body && phase == Phase::RequestHeaders;
        let end_stream = !replays && self.request_body_is_ended();
        let state = &mut *self.state;
        let Some(filter) = state.filters.get_mut(index) else { return Answer::Continue };
        let mut wishes = Wishes::default();
        let flags = (end_stream, response_end_stream);
        let mut context = filter_context!(self, state, route_configs, flags, &mut wishes);
        let filter_index = (!filter.is_upstream()).then(|| filter.index());
        let answer = filter.call(filters, phase, resumed, &mut context);
        if wishes.clear_route_cache {
            self.find_route_again();
        }
        if let Some(limit) = wishes.request_body_limit {
            self.request_body_limit = Some(limit);
        }
        if wishes.transform_body && matches!(answer, Answer::Continue) {
            self.transform_body(index, phase);
        }
        if wishes.look_at_body && matches!(answer, Answer::Continue) {
            self.look_at_body(index, phase);
        }
        if matches!(answer, Answer::StopIteration | Answer::Respond(_) | Answer::Recreate) {
            self.state.info.decisions.filter = filter_index;
        }
        answer
    }

    /// Waits for what a filter waits for, until it knows what it wants.
    async fn wait_for(
        &mut self,
        index: usize,
        phase: Phase,
        response_end_stream: bool,
        mut done: Pin<Box<dyn Future<Output = ()>>>,
    ) -> Result<Answer, Error> {
        loop {
            self.watching(done).await?;
            match self.call_filter(index, phase, response_end_stream, true) {
                Answer::Wait(again) => done = again,
                answer => return Ok(answer),
            }
        }
    }

    /// Shows trailers to the filters that take part: the request's in the order of the list, the response's in the other.
    pub(super) fn walk_trailers(&mut self, phase: Phase, trailers: &mut HeaderBlock) {
        if phase == Phase::ResponseTrailers {
            return self.walk_response_trailers(0, trailers);
        }
        for index in 0..self.state.filters.len() {
            self.show_trailers(index, phase, trailers);
        }
    }

    /// Shows the response's trailers to the filters from a place on, but not to those that have seen them.
    pub(super) fn walk_response_trailers(&mut self, from: usize, trailers: &mut HeaderBlock) {
        for index in (from..self.trailers_seen_from.min(self.state.filters.len())).rev() {
            self.show_trailers(index, Phase::ResponseTrailers, trailers);
        }
        self.trailers_seen_from = from.min(self.trailers_seen_from);
    }

    fn show_trailers(&mut self, index: usize, phase: Phase, trailers: &mut HeaderBlock) {
        let filters = self.filters;
        let state = &mut *self.state;
        let Some(filter) = state.filters.get_mut(index) else { return };
        let route_filters = filter.route_of(&self.earlier_routes).unwrap_or(self.route_filters);
        let Some(route_configs) = filter.told_by(route_filters, phase) else { return };
        let mut wishes = Wishes::default();
        let mut context = filter_context!(self, state, route_configs, (true, true), &mut wishes);
        filter.on_trailers(filters, phase, trailers, &mut context);
    }

    /// Reads more of the body into memory, within the limit of the filter, of the route or of the listener.
    async fn hold_more(&mut self) -> Result<(), Error> {
        let of_route = || {
            let bytes = self.matched?.route.request_body_buffer_limit_bytes?;
            Some(usize::try_from(bytes).unwrap_or(usize::MAX))
        };
        let limit = self.request_body_limit.or_else(of_route).unwrap_or(self.settings().buffer_limit);
        poll_fn(|cx| {
            self.poll_deadlines(cx)?;
            match self.poll_request_data(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(downstream_error(error))),
                Poll::Pending => return Poll::Pending,
            }
            if !self.hold_request_data(limit) {
                // As in Envoy, which counts what the filters of the stream itself hold.
                if self.upstream_filters_from.is_none() {
                    self.manager.http.inc(HttpStat::DownstreamRqTooLarge);
                }
                return Poll::Ready(Err(ErrorKind::RequestTooLarge.into()));
            }
            self.timers.active_at = Instant::now();
            Poll::Ready(Ok(()))
        })
        .await
    }
}
