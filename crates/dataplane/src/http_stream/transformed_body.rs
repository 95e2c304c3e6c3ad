//! Bodies that filters transform on their way.
//!
//! Owns: what a body's stages are fed with (the client, the upstream, an answer of our own), the calls to their filters, and
//! how a message is framed whose length is not known any more. Does not own: the order of the stages (`body_pipeline`), what
//! a filter does (`filters::http::body`), the copying (`exchange`).
//! Follows: RFC 9112 section 6; Envoy's page "HTTP filters".

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName, RequestKind};

use crate::buffer::BlockPool;
use crate::decimal;
use crate::error::{Error, ErrorKind};
use crate::filters::http::body::{BodyAnswer, BodyInput, BodyOutput, Direction};
use crate::filters::http::{ActiveFilter, FilterContext, HttpFilters, Phase, RouteFilters, Wishes};
use crate::http_codec::{BodyReader, ReadError, UpstreamCodec};
use crate::route::{ClusterChoice, Matched};
use crate::stream_info::{ConnectionInfo, StreamInfo};
use crate::worker::Worker;

use super::HttpStream;
use super::body_pipeline::{BodyPipeline, BodySource, CallFilter};

/// A body that a peer sends.
struct FromPeer<'a, R> {
    codec: &'a mut R,
    blocks: &'a BlockPool,
    taken: usize,
}

impl<R: BodyReader> BodySource for FromPeer<'_, R> {
    type Error = ReadError;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        self.codec.poll_data(cx, self.blocks)
    }

    fn data(&self) -> &[u8] {
        self.codec.data()
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        self.codec.consume(count, self.blocks);
    }

    fn trailers(&self) -> Option<&HeaderBlock> {
        Some(self.codec.trailers())
    }
}

/// A body of our own, all of which is there.
struct Whole<'a> {
    rest: &'a [u8],
}

impl BodySource for Whole<'_> {
    type Error = Error;

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn data(&self) -> &[u8] {
        self.rest
    }

    fn consume(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn trailers(&self) -> Option<&HeaderBlock> {
        None
    }
}

/// The stream as its filters see it while a body passes.
struct StreamFilters<'s> {
    direction: Direction,
    active: &'s mut [ActiveFilter],
    filters: &'s HttpFilters,
    request: &'s mut HeaderBlock,
    held_body: &'s mut Vec<u8>,
    response: &'s mut HeaderBlock,
    info: &'s mut StreamInfo,
    connection: &'s ConnectionInfo,
    now: Instant,
    worker: &'s Rc<Worker>,
    route: Option<Matched<'s>>,
    cluster: Option<&'s ClusterChoice<'s>>,
    route_filters: &'s RouteFilters,
    /// From which place on filters have seen the response's trailers.
    trailers_seen_from: &'s mut usize,
}

/// What a filter sees of the stream while a body passes: a macro, for each field is borrowed on its own.
macro_rules! context_of {
    ($filters:ident, $configs:expr, $end_stream:expr, $wishes:expr) => {
        FilterContext {
            request: $filters.request,
            body: $filters.held_body,
            end_stream: $end_stream,
            response: $filters.response,
            response_end_stream: false,
            info: $filters.info,
            connection: $filters.connection,
            now: $filters.now,
            worker: $filters.worker,
            route: $filters.route,
            cluster: $filters.cluster,
            route_configs: $configs,
            wishes: $wishes,
        }
    };
}

impl StreamFilters<'_> {
    /// A filter that may take the trailers away comes behind those that are nearer to the upstream.
    fn show_trailers_before(&mut self, filter: usize, trailers: &mut HeaderBlock) {
        let from = (filter + 1).min(self.active.len());
        let until = (*self.trailers_seen_from).clamp(from, self.active.len());
        for active in self.active.get_mut(from..until).into_iter().flatten().rev() {
            let Some(configs) = active.told_by(self.route_filters, Phase::ResponseTrailers) else { continue };
            let wishes = &mut Wishes::default();
            let mut context = context_of!(self, configs, true, wishes);
            active.on_trailers(self.filters, Phase::ResponseTrailers, trailers, &mut context);
        }
        *self.trailers_seen_from = from.min(*self.trailers_seen_from);
    }
}

impl CallFilter for StreamFilters<'_> {
    fn call(&mut self, filter: usize, mut input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer {
        if let (BodyInput::End(trailers), Direction::Response) = (&mut input, self.direction) {
            if !trailers.is_empty() {
                self.show_trailers_before(filter, trailers);
            }
        }
        let Some(active) = self.active.get_mut(filter) else { return BodyAnswer::Done };
        let end_stream = matches!(input, BodyInput::End(_));
        let wishes = &mut Wishes::default();
        let mut context = context_of!(self, self.route_filters.of(active.index()), end_stream, wishes);
        active.transform_body(self.filters, self.direction, input, output, &mut context)
    }

    fn show(&mut self, filter: usize, data: &[u8]) {
        let Some(active) = self.active.get_mut(filter) else { return };
        let wishes = &mut Wishes::default();
        let mut context = context_of!(self, self.route_filters.of(active.index()), false, wishes);
        active.look_at_body(self.filters, self.direction, data, &mut context);
    }
}

/// What the filters of a stream need, beside the pipeline of a body and what it is fed with.
macro_rules! stream_filters {
    ($stream:ident, $direction:expr) => {
        StreamFilters {
            direction: $direction,
            active: &mut $stream.state.filters,
            filters: $stream.filters,
            request: &mut $stream.state.request,
            held_body: &mut $stream.state.held_body,
            response: &mut $stream.state.response,
            info: &mut $stream.state.info,
            connection: $stream.connection.info,
            now: $stream.now,
            worker: $stream.worker,
            route: $stream.matched,
            cluster: $stream.choice.as_ref(),
            route_filters: $stream.route_filters,
            trailers_seen_from: &mut $stream.trailers_seen_from,
        }
    };
}

impl HttpStream<'_> {
    /// Ready once there are bytes of the request's body, as the filters so far leave it, or it is complete.
    #[inline]
    pub(super) fn poll_request_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        if self.state.request_body.is_active() {
            return self.poll_transformed_request(cx);
        }
        self.connection.codec.poll_data(cx, &self.worker.blocks)
    }

    fn poll_transformed_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        self.now = Instant::now();
        let mut pipeline = std::mem::take(&mut self.state.request_body);
        let mut filters = stream_filters!(self, Direction::Request);
        let mut source =
            FromPeer { codec: &mut self.connection.codec, blocks: &self.worker.blocks, taken: 0 };
        let polled = pipeline.poll(cx, &mut source, &mut filters);
        self.state.info.bytes_received += u64::try_from(source.taken).unwrap_or(u64::MAX);
        if source.taken > 0 {
            self.timers.active_at = self.now;
        }
        self.state.request_body = pipeline;
        polled
    }

    /// Takes the first bytes of the request's body away.
    #[inline]
    pub(super) fn consume_request_data(&mut self, count: usize) {
        if !self.state.request_body.is_active() {
            self.state.info.bytes_received += u64::try_from(count).unwrap_or(u64::MAX);
        }
        if !self.state.request_body.onlookers().is_empty() {
            let pipeline = std::mem::take(&mut self.state.request_body);
            let mut filters = stream_filters!(self, Direction::Request);
            let data = self.connection.codec.data().get(..count).unwrap_or_default();
            pipeline.onlookers().iter().for_each(|&onlooker| filters.show(onlooker, data));
            self.state.request_body = pipeline;
        }
        self.state.request_body.consume(count, &mut self.connection.codec, &self.worker.blocks);
    }

    /// Takes the first bytes of the response's body away.
    #[inline]
    pub(super) fn consume_response_data(&mut self, count: usize, codec: &mut UpstreamCodec<'_>) {
        if !self.state.response_body.onlookers().is_empty() {
            let pipeline = std::mem::take(&mut self.state.response_body);
            let mut filters = stream_filters!(self, Direction::Response);
            let data = codec.data().get(..count).unwrap_or_default();
            pipeline.onlookers().iter().for_each(|&onlooker| filters.show(onlooker, data));
            self.state.response_body = pipeline;
        }
        self.state.response_body.consume(count, codec, &self.worker.blocks);
    }

    /// From now on a filter looks at the body of the message, by its place in the stream's list.
    pub(super) fn look_at_body(&mut self, filter: usize, phase: Phase) {
        let state = &mut *self.state;
        if phase == Phase::ResponseHeaders {
            state.response_body.add_onlooker(filter, Vec::new());
        } else if !self.endless {
            state.request_body.add_onlooker(filter, std::mem::take(&mut state.held_body));
        }
    }

    /// Moves what there is of the request's body to what is held. Answers whether it is within the limit.
    pub(super) fn hold_request_data(&mut self, limit: usize) -> bool {
        let state = &mut *self.state;
        let data = state.request_body.data(&self.connection.codec);
        let count = data.len();
        if state.held_body.len().saturating_add(count) > limit {
            if !state.request_body.is_active() {
                // What came is counted, but stays: the request is not over for the connection.
                state.info.bytes_received += u64::try_from(count).unwrap_or(u64::MAX);
            }
            return false;
        }
        state.held_body.extend_from_slice(data);
        self.consume_request_data(count);
        true
    }

    /// From now on the body of the message goes through a filter, by its place in the stream's list.
    pub(super) fn transform_body(&mut self, filter: usize, phase: Phase) {
        let state = &mut *self.state;
        if phase == Phase::ResponseHeaders {
            state.response_body.add(filter, Vec::new());
        } else if !self.endless {
            // Another filter may have held some of it; this one comes behind that.
            state.request_body.add(filter, std::mem::take(&mut state.held_body));
        }
    }

    /// Whether all of the request's body was consumed, as the filters so far leave it.
    #[inline]
    pub(super) fn request_body_is_ended(&self) -> bool {
        self.state.request_body.is_ended(&self.connection.codec)
    }

    /// Ready once there are bytes of the response's body, as the filters leave it, or it is complete.
    #[inline]
    pub(super) fn poll_response_data(
        &mut self,
        codec: &mut UpstreamCodec<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReadError>> {
        if !self.state.response_body.is_active() {
            return codec.poll_data(cx, &self.worker.blocks);
        }
        let source = FromPeer { codec, blocks: &self.worker.blocks, taken: 0 };
        self.poll_transformed_response(source, cx)
    }

    fn poll_transformed_response(
        &mut self,
        mut source: FromPeer<'_, UpstreamCodec<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReadError>> {
        self.now = Instant::now();
        let mut pipeline = std::mem::take(&mut self.state.response_body);
        let polled = pipeline.poll(cx, &mut source, &mut stream_filters!(self, Direction::Response));
        if source.taken > 0 {
            self.timers.active_at = self.now;
        }
        self.state.response_body = pipeline;
        polled
    }

    /// Sends an answer of our own whose body filters transform.
    pub(super) async fn send_transformed(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut source = Whole { rest: body };
        let gone = |_| Error::from(ErrorKind::DownstreamDisconnect);
        poll_fn(|cx| {
            self.poll_deadlines(cx)?;
            self.now = Instant::now();
            loop {
                let mut pipeline = std::mem::take(&mut self.state.response_body);
                let polled = pipeline.poll(cx, &mut source, &mut stream_filters!(self, Direction::Response));
                self.state.response_body = pipeline;
                let codec = &mut self.connection.codec;
                if polled?.is_pending() {
                    // Nothing is to wait here for what comes later.
                    let _flushed: Poll<()> = codec.poll_flush(cx).map_err(gone)?;
                    self.poll_client(cx)?;
                    return Poll::Pending;
                }
                let data = self.state.response_body.output();
                if data.is_empty() {
                    break;
                }
                let Poll::Ready(taken) = codec.poll_write(cx, data).map_err(gone)? else {
                    return Poll::Pending;
                };
                self.state.response_body.consume_output(taken);
                self.state.info.bytes_sent += u64::try_from(taken).unwrap_or(u64::MAX);
                self.timers.active_at = Instant::now();
            }
            let with_trailers = self.sends_trailers();
            let codec = &mut self.connection.codec;
            if !codec.is_finished() {
                let trailers = self.state.response_body.take_trailers().filter(|_| with_trailers);
                codec.finish(trailers.as_ref());
            }
            codec.poll_flush(cx).map_err(gone)
        })
        .await
    }

    /// A response to HEAD and some others have no body (RFC 9110 section 6.4.1).
    pub(super) fn drop_impossible_body(&mut self) {
        if !self.state.response_body.is_active() {
            return;
        }
        let status = self.state.response.get(KnownName::Status);
        if self.head.kind == RequestKind::Head || matches!(status, Some(b"204" | b"304")) {
            self.state.response_body.clear();
        }
    }
}

/// How a message is framed whose body is transformed: its head says how long it will be, or nobody knows.
pub(super) fn transformed_framing(head: &HeaderBlock, pipeline: &BodyPipeline) -> Option<BodyFraming> {
    if !pipeline.is_active() {
        return None;
    }
    let length = head.get(KnownName::ContentLength).and_then(decimal::parse);
    Some(length.map_or(BodyFraming::Chunked, BodyFraming::Length))
}
