//! One request sent, one response received: bodies copied in both directions at once.
//!
//! Owns: the one poll of both directions, back-pressure, and whether the upstream connection is fit for another request.
//! Does not own: connecting (`connection_pool`), heads' edits (`http_stream`, `filters::http::router`).
//! Follows: RFC 9112 section 9; Envoy's page "Flow control".
//!
//! Bytes are read from one side only when all that was read before has been taken by the other: what is buffered is one
//! block a direction.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::{
    BodyFraming, ErrorKind as CodecError, HeaderBlock, Http1Settings, ResponseHead, Version,
};

use crate::connection_pool::Upstream;
use crate::error::{Error, ErrorKind};
use crate::filters::http::Phase;
use crate::http_codec::{BodyReader, Http1Codec, ReadError, UpstreamCodec};
use crate::stream_info::TimePoint;

use super::HttpStream;
use super::request_framing::request_framing;
use super::transformed_body::transformed_framing;

/// How far the request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// What follows its head is another protocol's, and the upstream has not agreed to that yet.
    Held,
    /// Its body is on the way.
    Copying,
    /// All of it has been read; some of it still waits to be written.
    Flushing,
    /// All of it has been written.
    Done,
    /// The upstream takes no more of it. It may have answered before.
    Refused,
}

/// What the bytes of the exchange are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// A request and a response.
    Messages,
    /// Those of another protocol, both ways; the end of either connection is the end of all.
    Tunnel,
    /// To and from the host those of a TCP connection, with the client those of a request and a response.
    Payload,
}

/// A stream's exchange over one upstream connection.
#[derive(Debug)]
pub struct Exchange<'c> {
    pub(super) codec: UpstreamCodec<'c>,
    settings: &'c Http1Settings,
    request: Request,
    content: Content,
    /// Whether the host has ended the connection.
    closed_by_host: bool,
    /// How much of the held body has been written.
    held_sent: usize,
    /// Whether the response says that the connection goes on after it.
    keep_alive: bool,
}

impl<'c> Exchange<'c> {
    /// Queues the request's head.
    ///
    /// # Errors
    /// A filter or an edit made the head unwritable.
    pub fn start(
        stream: &mut HttpStream<'_>,
        connection: &'c mut Upstream,
        settings: &'c Http1Settings,
    ) -> Result<Self, Error> {
        let is_whole = stream.connection.codec.is_ended();
        let state = &mut *stream.state;
        let held = state.held_body.len();
        let (request, framing) = if stream.endless {
            (Request::Held, BodyFraming::None)
        } else {
            let framing = transformed_framing(&state.request, &state.request_body)
                .unwrap_or_else(|| request_framing(&state.request, stream.head.framing, held, is_whole));
            (Request::Copying, framing)
        };
        let mut codec = connection.codec();
        codec
            .start_request(&state.request, framing, (settings, stream.endless), &mut state.request_memory)
            .map_err(|error| Error::from(ErrorKind::DownstreamCodec(error.kind)))?;
        state.info.mark(TimePoint::FirstUpstreamTxByte, stream.now);
        Ok(Exchange {
            codec,
            settings,
            request,
            content: Content::Messages,
            closed_by_host: false,
            held_sent: 0,
            keep_alive: false,
        })
    }

    /// An exchange whose request's body is the payload of a TCP connection, and the response's what the host sends on it.
    pub fn of_payload(
        stream: &mut HttpStream<'_>,
        codec: &'c mut Http1Codec,
        settings: &'c Http1Settings,
    ) -> Self {
        let mut codec = UpstreamCodec::Http1(codec);
        codec.begin_tunnel();
        if stream.endless {
            stream.open_tunnel();
        }
        Exchange {
            codec,
            settings,
            request: Request::Copying,
            content: Content::Payload,
            closed_by_host: false,
            held_sent: 0,
            keep_alive: false,
        }
    }

    /// The upstream has agreed to change the protocol: bytes go both ways until one side ends.
    pub fn open_tunnel(&mut self, stream: &mut HttpStream<'_>) {
        stream.open_tunnel();
        self.codec.begin_tunnel();
        self.content = Content::Tunnel;
        // One whose head could not be written takes no more either.
        if self.request == Request::Held {
            self.request = Request::Copying;
        }
    }

    /// Whether the host has ended the connection.
    #[must_use]
    pub fn is_closed_by_host(&self) -> bool {
        self.closed_by_host
    }

    /// Waits for the response's head, or an informational one, sending the request meanwhile. The head is in the stream's
    /// state.
    pub async fn response_head(&mut self, stream: &mut HttpStream<'_>) -> Result<ResponseHead, Error> {
        let head = poll_fn(|cx| {
            // A request that is complete now begins its deadlines now.
            self.poll_request(stream, cx)?;
            self.poll_deadlines(stream, cx)?;
            self.poll_response_head(stream, cx)
        })
        .await?;
        if head.informational {
            return Ok(head);
        }
        self.keep_alive = head.keep_alive && head.framing != BodyFraming::UntilClose;
        stream.now = Instant::now();
        stream.timers.active_at = stream.now;
        stream.state.info.mark(TimePoint::FirstUpstreamRxByte, stream.now);
        Ok(head)
    }

    /// Copies the response's body, and what is left of the request's.
    pub async fn response_body(&mut self, stream: &mut HttpStream<'_>) -> Result<(), Error> {
        poll_fn(|cx| {
            // A request that is complete now begins its deadlines now.
            self.poll_request(stream, cx)?;
            self.poll_deadlines(stream, cx)?;
            self.poll_response_body(stream, cx)
        })
        .await
    }

    /// Whether the connection may carry another request, now that the response is over.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        let codec = &self.codec;
        let is_over = self.request == Request::Done && codec.is_ended();
        is_over && self.keep_alive && !codec.has_unread() && !codec.is_closed()
    }

    /// Whether the upstream got all of it.
    pub fn request_is_sent(&self) -> bool {
        self.request == Request::Done
    }

    pub(super) fn poll_deadlines(
        &self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        if !stream.timers.has_lines() {
            return stream.poll_deadlines(cx);
        }
        // A line that is due tells the bytes as they stand now; they are counted at the end.
        let counted = stream.state.info.upstream.bytes;
        self.note_bytes(stream);
        let passed = stream.poll_deadlines(cx);
        stream.state.info.upstream.bytes = counted;
        passed
    }

    /// Adds what has gone over the connection for this stream.
    pub(crate) fn note_bytes(&self, stream: &mut HttpStream<'_>) {
        let state = &mut *stream.state;
        let bytes = &mut state.info.upstream.bytes;
        let (received, received_body) = self.codec.received_bytes();
        let (sent, sent_fields, sent_body) = self.codec.sent_bytes();
        bytes.receive_head(received, 0);
        bytes.send_head(sent, sent_fields);
        stream.note_upstream_bodies(received_body, sent_body);
    }

    pub(super) fn poll_request(
        &mut self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        loop {
            match self.request {
                Request::Held => {
                    stream.refuse_early_data()?;
                    if let Poll::Ready(Err(_)) = self.codec.poll_flush(cx) {
                        self.request = Request::Refused;
                    }
                    return Ok(());
                }
                Request::Copying => match self.poll_request_body(stream, cx)? {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Ok(()),
                },
                Request::Flushing => {
                    match self.codec.poll_flush(cx) {
                        // The host of a payload sees its end.
                        Poll::Ready(Ok(()))
                            if self.content == Content::Payload
                                && self.codec.poll_shutdown(cx).is_pending() =>
                        {
                            return Ok(());
                        }
                        Poll::Ready(Ok(())) => {
                            stream.state.info.mark(TimePoint::LastUpstreamTxByte, stream.now);
                            self.request = Request::Done;
                        }
                        Poll::Ready(Err(_)) => self.request = Request::Refused,
                        Poll::Pending => return Ok(()),
                    }
                }
                Request::Done | Request::Refused => return Ok(()),
            }
        }
    }

    fn poll_request_body(
        &mut self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Error> {
        let state = &mut *stream.state;
        if let Some(held @ [_, ..]) = state.held_body.get(self.held_sent..) {
            return match self.codec.poll_write(cx, held) {
                Poll::Ready(Ok(taken)) => {
                    self.held_sent += taken;
                    Ok(Poll::Ready(()))
                }
                Poll::Ready(Err(_)) => {
                    self.request = Request::Refused;
                    Ok(Poll::Pending)
                }
                Poll::Pending => Ok(Poll::Pending),
            };
        }
        if state.request_body.data(&stream.connection.codec).is_empty() {
            if stream.request_body_is_ended() {
                // With HTTP/2 a client may end its half and go on reading; a host of HTTP/1.1 is not told, as in Envoy.
                if stream.endless && stream.head.version != Version::Http2 {
                    // What it sent last still goes on.
                    if self.codec.poll_flush(cx).is_pending() {
                        return Ok(Poll::Pending);
                    }
                    return Err(ErrorKind::DownstreamDisconnect.into());
                }
                stream.endless = false;
                stream.settle_kept_body();
                end_request(stream, &mut self.codec, self.settings.enable_trailers);
                stream.complete_request();
                stream.begin_try();
                self.request = Request::Flushing;
                return Ok(Poll::Ready(()));
            }
            return match stream.poll_request_data(cx) {
                Poll::Ready(Ok(())) => {
                    stream.timers.active_at = Instant::now();
                    Ok(Poll::Ready(()))
                }
                Poll::Ready(Err(error)) => Err(downstream_error(error)),
                Poll::Pending => {
                    if let Poll::Ready(Err(_)) = self.codec.poll_flush(cx) {
                        self.request = Request::Refused;
                    }
                    Ok(Poll::Pending)
                }
            };
        }
        let data = stream.state.request_body.data(&stream.connection.codec);
        match self.codec.poll_write(cx, data) {
            Poll::Ready(Ok(taken)) => {
                self.held_sent += stream.keep_sent(taken);
                stream.consume_request_data(taken);
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Err(_)) => {
                self.request = Request::Refused;
                Ok(Poll::Pending)
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    fn poll_response_head(
        &mut self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Error>> {
        let response = &mut stream.state.response;
        let blocks = &stream.worker.blocks;
        let kind = stream.head.kind;
        match self.codec.poll_response_head(cx, blocks, self.settings, kind, response) {
            Poll::Ready(Ok(head)) => Poll::Ready(Ok(head)),
            // Envoy does not tell apart how a head breaks off.
            Poll::Ready(Err(ReadError::Io(_))) if self.codec.has_unread() => {
                Poll::Ready(Err(self.upstream_error(ReadError::Ended { clean: false })))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.upstream_error(error))),
            Poll::Pending => {
                self.flush_and_watch(stream, cx)?;
                Poll::Pending
            }
        }
    }

    fn poll_response_body(
        &mut self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            let codec = &mut self.codec;
            let gone = |_| Error::from(ErrorKind::DownstreamDisconnect);
            if stream.state.response_body.data(codec).is_empty() {
                if stream.state.response_body.is_ended(codec) {
                    if self.content == Content::Tunnel && !codec.is_multiplexed() {
                        return Poll::Ready(Err(self.upstream_error(ReadError::Ended { clean: true })));
                    }
                    // As in Envoy, a tunnel that ends here is ended by us.
                    self.closed_by_host |= self.request == Request::Done && self.content == Content::Payload;
                    if !stream.connection.codec.is_finished() {
                        end_response(stream, codec);
                    }
                    if stream.connection.codec.poll_flush(cx).map_err(gone)?.is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    stream.wait_for_window(cx);
                    self.watch(stream, cx)?;
                    return Poll::Pending;
                }
                match stream.poll_response_data(codec, cx) {
                    Poll::Ready(Ok(())) => stream.timers.active_at = Instant::now(),
                    // Envoy does not tell apart how a body breaks off.
                    Poll::Ready(Err(ReadError::Io(_))) if self.content == Content::Messages => {
                        let ended = ReadError::Ended { clean: false };
                        return Poll::Ready(Err(self.upstream_error(ended)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(self.upstream_error(error))),
                    Poll::Pending => {
                        self.flush_and_watch(stream, cx)?;
                        return Poll::Pending;
                    }
                }
                continue;
            }
            let state = &mut *stream.state;
            state.info.mark(TimePoint::FirstUpstreamRxBodyByte, stream.timers.active_at);
            let data = state.response_body.data(codec);
            match stream.connection.codec.poll_write(cx, data).map_err(gone)? {
                Poll::Ready(taken) => {
                    state.info.bytes_sent += u64::try_from(taken).unwrap_or(u64::MAX);
                    stream.consume_response_data(taken, codec);
                }
                Poll::Pending => {
                    if state.response_body.is_whole(codec) {
                        stream.wait_for_window(cx);
                    }
                    self.watch(stream, cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// While the upstream is waited for, the client gets what there is, and is noticed if it leaves.
    pub(super) fn flush_and_watch(
        &self,
        stream: &mut HttpStream<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        let codec = &mut stream.connection.codec;
        if codec.has_pending() {
            if let Poll::Ready(Err(_)) = codec.poll_flush(cx) {
                return Err(ErrorKind::DownstreamDisconnect.into());
            }
        }
        self.watch(stream, cx)
    }

    /// Notices that the client leaves, also while it takes nothing. A body is watched by reading it.
    fn watch(&self, stream: &mut HttpStream<'_>, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.request == Request::Copying { Ok(()) } else { stream.poll_client(cx) }
    }

    pub(super) fn upstream_error(&mut self, error: ReadError) -> Error {
        match error {
            ReadError::Codec(error) => ErrorKind::UpstreamCodec(error.kind).into(),
            ReadError::Reset(reset) => ErrorKind::of_upstream_reset(reset).into(),
            ReadError::Ended { clean: false } => {
                self.closed_by_host = true;
                ErrorKind::UpstreamCodec(CodecError::PrematureClose).into()
            }
            ReadError::Ended { clean: true } | ReadError::Io(_) => {
                self.closed_by_host = true;
                ErrorKind::UpstreamTermination.into()
            }
            ReadError::Refused(refusal) => ErrorKind::BodyRefused(refusal).into(),
        }
    }
}

/// What trailers count of the header bytes that were received: as fields of a head do, names, values and three bytes each.
pub(super) fn received_bytes(trailers: &HeaderBlock) -> u64 {
    trailers.iter().map(|(name, value)| to_u64(name.len() + value.len() + 3)).sum()
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// All of the request has come: its trailers go on, as the filters leave them.
fn end_request(stream: &mut HttpStream<'_>, upstream: &mut UpstreamCodec<'_>, with_trailers: bool) {
    let mut transformed = stream.state.request_body.take_trailers();
    if !stream.state.filters.is_empty() {
        let trailers = transformed.as_mut().unwrap_or(stream.connection.codec.trailers_mut());
        if !trailers.is_empty() {
            let mut taken = std::mem::take(trailers);
            stream.walk_trailers(Phase::RequestTrailers, &mut taken);
            *transformed.as_mut().unwrap_or(stream.connection.codec.trailers_mut()) = taken;
        }
    }
    let trailers = transformed.as_ref().unwrap_or(stream.connection.codec.trailers());
    upstream.finish(trailers, with_trailers);
}

/// All of the response has come: its trailers go on, as the filters leave them.
fn end_response(stream: &mut HttpStream<'_>, upstream: &mut UpstreamCodec<'_>) {
    if !stream.response_was_held {
        note_end(stream, upstream);
    }
    let mut transformed = stream.state.response_body.take_trailers();
    let trailers = transformed.as_mut().unwrap_or(upstream.trailers_mut());
    if !stream.state.filters.is_empty() && !trailers.is_empty() {
        stream.walk_trailers(Phase::ResponseTrailers, trailers);
    }
    let with_trailers = stream.sends_trailers();
    let state = &mut *stream.state;
    stream.connection.codec.finish(with_trailers.then_some(&*trailers));
    if !trailers.is_empty() {
        state.response_trailers.clone_from(trailers);
    }
}

/// All of the response has come.
pub(super) fn note_end(stream: &mut HttpStream<'_>, upstream: &UpstreamCodec<'_>) {
    stream.note_last_of_upstream(upstream.framing());
    // As they came, whatever filters make of them.
    stream.state.info.upstream.bytes.header_bytes_received += received_bytes(upstream.trailers());
}

pub(super) fn downstream_error(error: ReadError) -> Error {
    match error {
        ReadError::Codec(error) => ErrorKind::DownstreamCodec(error.kind).into(),
        ReadError::Reset(reset) => ErrorKind::of_downstream_reset(reset).into(),
        ReadError::Ended { .. } | ReadError::Io(_) => ErrorKind::DownstreamDisconnect.into(),
        ReadError::Refused(refusal) => ErrorKind::BodyRefused(refusal).into(),
    }
}
