//! A downstream connection that carries HTTP/1.1: one request after the other.
//!
//! Owns: waiting for requests, reading their heads, and the end of the connection. Does not own: what becomes of a request
//! (`http_stream`).
//! Follows: RFC 9112 section 9; Envoy's `HttpProtocolOptions` and `delayed_close_timeout`.
//!
//! A connection that waits for a request holds no buffer and no stream.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::HeaderBlock;
use tokio::io::ReadBuf;

use crate::application_log::{OfConnection, log_at};
use crate::drain::{Entered, Phase};
use crate::error::ErrorKind;
use crate::http_codec::{ActiveHttp2, Disturbance, Http1Codec, Http2Session, ReadError, StreamCodec};
use crate::http_stream::{Downstream, Finished, HttpStream, StreamState, StreamTimers};
use crate::model::http_connection_manager::CodecType;
use crate::stats::HttpStat;
use crate::stream_info::{ConnectionInfo, Protocol, TimePoint};
use crate::timer::LazyTimer;
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

use super::connection_counts::Counted;
use super::connection_timers::{ConnectionTimers, Limit};
use super::http2_connection::{self, Drain, End, Http2Connection};
use super::{ConnectionFacts, WorkerHttpConnectionManager};

/// How much a client may still send after our last response before the connection is cut.
const MOST_LINGERING_BYTES: usize = 1 << 20;
/// How HTTP/2 begins (RFC 9113 section 3.4), as much of it as Envoy looks at.
const PREFACE: &[u8] = b"PRI * HTTP/2";
/// Envoy's words for a connection whose client broke a rule of the protocol.
const CODEC_ERROR: &str = "codec_error";
/// Envoy's words for a connection that is closed when its last stream is over.
const DRAINED: &str = "deferred_close_on_drained_connection";
/// A client that does not answer PING.
const PING_TIMEOUT: &str = "http2_ping_timeout";

/// Serves a connection until its end.
pub(super) async fn serve(
    manager: &WorkerHttpConnectionManager,
    worker: &Rc<Worker>,
    socket: TransportSocket,
    info: &mut ConnectionInfo,
) {
    let is_tls = info.tls.is_some();
    let mut connection = Http1Connection {
        manager,
        worker,
        codec: Http1Codec::new(socket, manager.settings.buffer_limit),
        timer: LazyTimer::new(),
        facts: manager.settings.request_headers.connection(info, is_tls),
        entered: worker.connections.enter(),
        timers: ConnectionTimers::new(&manager.settings.timeouts, info.start, &worker.random),
        requests: 0,
        received: 0,
        info,
        counted: Counted::new(manager, is_tls),
    };
    connection.codec.writer.set_style(&manager.settings.http1_settings);
    if connection.run().await == Next::Http2 {
        // Boxed: it is larger than what serves HTTP/1.
        Box::pin(connection.run_http2()).await;
    }
}

/// Counts a connection that is not served.
pub(super) fn refuse(manager: &WorkerHttpConnectionManager, is_tls: bool) {
    drop(Counted::new(manager, is_tls));
}

struct Http1Connection<'a> {
    manager: &'a WorkerHttpConnectionManager,
    worker: &'a Rc<Worker>,
    codec: Http1Codec,
    timer: LazyTimer,
    facts: ConnectionFacts,
    entered: Entered,
    timers: ConnectionTimers,
    requests: u64,
    /// How many of the received bytes have been counted.
    received: u64,
    info: &'a mut ConnectionInfo,
    counted: Counted<'a>,
}

/// What comes after HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The end of the connection.
    End,
    /// HTTP/2, whose first bytes were received.
    Http2,
}

/// What ends the wait for a request.
enum Waited {
    /// Bytes are there.
    Bytes,
    /// The connection is to be closed.
    Close,
}

impl Drop for Http1Connection<'_> {
    /// What came after the last request, or of one that the end of the process cuts short, is counted too.
    fn drop(&mut self) {
        self.count_received();
        if let Some(stopped) = self.info.note_filter_close() {
            self.manager.http.add(HttpStat::DownstreamCxRxBytesTotal, stopped);
            self.counted.closed_by_remote = false;
        }
    }
}

impl Http1Connection<'_> {
    async fn run(&mut self) -> Next {
        loop {
            if let Waited::Close = self.wait().await {
                return Next::End;
            }
            if self.requests == 0 && self.begins_http2() {
                return Next::Http2;
            }
            let now = Instant::now();
            let mut state = self.worker.take_stream(now);
            self.codec.writer.lend(std::mem::take(&mut state.response_memory));
            let finished = self.serve_request(&mut state, now).await;
            let lasted = state.info.timing.get(TimePoint::RequestComplete).unwrap_or_default();
            if self.timers.idle_from(now + lasted) {
                self.manager.http.inc(HttpStat::DownstreamCxMaxDurationReached);
                self.note_soft_drain();
            }
            if let Some(stream) = &mut self.info.stream {
                stream.bytes_sent += self.codec.writer.wire_bytes();
            }
            state.response_memory = self.codec.writer.give_back();
            self.worker.give_stream(state);
            match finished {
                Finished::KeepAlive | Finished::GoesOn => {}
                Finished::Close | Finished::Abort => {
                    self.close_for(DRAINED);
                    return Next::End;
                }
                Finished::CloseAfterLinger => {
                    self.close_for(DRAINED);
                    self.linger().await;
                    return Next::End;
                }
                Finished::Disconnected => {
                    self.counted.active_request = true;
                    return Next::End;
                }
            }
        }
    }

    /// Whether what has come is to be read as HTTP/2. As in Envoy, the beginning of the preface must have come at once.
    fn begins_http2(&self) -> bool {
        match self.manager.settings.codec_type {
            CodecType::Auto => self.codec.reader.received().starts_with(PREFACE),
            CodecType::Http1 => false,
            CodecType::Http2 => true,
        }
    }

    async fn run_http2(&mut self) {
        self.counted.begin(Protocol::Http2);
        if let Some(stream) = &mut self.info.stream {
            stream.protocol = Some(Protocol::Http2);
        }
        let Http1Codec { socket, reader, .. } = &mut self.codec;
        let connection = Http2Connection {
            manager: self.manager,
            worker: self.worker,
            socket,
            buffer: reader.buffer_mut(),
            received: &mut self.received,
            info: self.info,
            timer: &mut self.timer,
            timers: &mut self.timers,
            entered: &self.entered,
            counts: ActiveHttp2::new(self.manager.http2()),
            session: Rc::new(Http2Session::server(&self.manager.settings.http2_options)),
            block: HeaderBlock::new(),
            requests: 0,
            drain: Drain::No,
            end: None,
            had_streams: false,
        };
        let (end, had_streams) = http2_connection::serve(connection, &self.facts).await;
        self.count_received();
        self.counted.active_request = had_streams;
        match end {
            End::Remote => self.counted.closed_by_remote = true,
            End::Drained => self.close_for(DRAINED),
            End::Silent => {
                self.counted.was_silent = true;
                self.close_for(PING_TIMEOUT);
            }
            End::Refused => {
                self.close_for(CODEC_ERROR);
                self.linger().await;
            }
        }
    }

    /// Waits for the first byte of a request.
    async fn wait(&mut self) -> Waited {
        if self.codec.has_unread() {
            return Waited::Bytes;
        }
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        // Bytes, not readiness: a socket that was just accepted says that it is ready before anything has come.
        match self.codec.poll_disturbed(cx, &self.worker.blocks) {
            Poll::Ready(Disturbance::Data) => return Poll::Ready(Waited::Bytes),
            Poll::Ready(Disturbance::Ended | Disturbance::Failed(_) | Disturbance::Reset(_)) => {
                self.counted.closed_by_remote = true;
                return Poll::Ready(Waited::Close);
            }
            Poll::Pending => {}
        }
        if self.worker.process.drain.phase() == Phase::Ending {
            self.manager.http.inc(HttpStat::DownstreamCxDrainClose);
            return Poll::Ready(Waited::Close);
        }
        self.entered.watch(cx);
        loop {
            if self.timer.poll_at(cx, self.timers.next()).is_pending() {
                return Poll::Pending;
            }
            if let Some(limit) = self.timers.reached(Instant::now()) {
                if self.is_closed_by(limit) {
                    return Poll::Ready(Waited::Close);
                }
            }
        }
    }

    /// A connection that has brought a request is drained before it is closed.
    fn is_closed_by(&mut self, limit: Limit) -> bool {
        let (stat, reason) = match limit {
            Limit::Idle => (HttpStat::DownstreamCxIdleTimeout, "on_idle_timeout"),
            Limit::Duration => (HttpStat::DownstreamCxMaxDurationReached, "duration_timeout"),
            Limit::Drain => {
                self.close_for(DRAINED);
                return true;
            }
        };
        log_at!(Connection, Debug, "{} {reason}", OfConnection(self.info.id));
        self.manager.http.inc(stat);
        if self.counted.has_begun() {
            self.note_soft_drain();
            return false;
        }
        self.close_for(reason);
        true
    }

    /// Counts the connection among those that wait for their last request, if it does.
    fn note_soft_drain(&mut self) {
        if self.timers.is_waiting_for_last_request() && !self.counted.is_soft_drained {
            self.counted.is_soft_drained = true;
            self.manager.http.inc(HttpStat::DownstreamCxHttp1SoftDrain);
        }
    }

    fn close_for(&mut self, reason: &'static str) {
        self.info.local_close_reason = reason.into();
    }

    async fn serve_request(&mut self, state: &mut StreamState, now: Instant) -> Finished {
        let (head, timers) = self.read_head(state, now).await;
        let is_last_request = self.count_request();
        if !matches!(head, Err(None)) {
            self.counted.begin(Protocol::Http11);
            if let Some(stream) = &mut self.info.stream {
                stream.protocol = Some(Protocol::Http11);
            }
        }
        let (head, error) = match head {
            Ok(head) => (head, None),
            Err(None) => {
                self.counted.closed_by_remote = true;
                return Finished::Close;
            }
            Err(Some(kind)) => (unread_head(), Some(kind)),
        };
        let (manager, worker) = (self.manager, self.worker);
        let connection = self.downstream(is_last_request);
        let mut stream = HttpStream::new(manager, worker, connection, state, head, timers);
        let finished = match error {
            None => stream.run().await,
            Some(kind) => match stream.refuse(&kind.into()).await {
                finished @ (Finished::Abort | Finished::Disconnected) => finished,
                _ => Finished::CloseAfterLinger,
            },
        };
        let head = stream.head();
        drop(stream);
        let finished = match finished {
            // Boxed: few requests go on at another place.
            Finished::GoesOn => Box::pin(self.go_on(state, head)).await,
            finished => finished,
        };
        self.count_received();
        self.counted.closed_by_remote = finished == Finished::Disconnected;
        finished
    }

    fn downstream(&mut self, is_last_request: bool) -> Downstream<'_> {
        Downstream {
            codec: StreamCodec::Http1(&mut self.codec),
            timer: &mut self.timer,
            info: self.info,
            facts: &self.facts,
            is_last_request,
            closes_from: self.timers.closes_from(),
        }
    }

    /// One more request. Answers whether it is the last that the connection may carry.
    fn count_request(&mut self) -> bool {
        self.requests += 1;
        self.manager.settings.max_requests.is_some_and(|most| self.requests >= most)
    }

    /// Serves a request again and again, until it does not go on at another place.
    async fn go_on(&mut self, state: &mut StreamState, mut head: ferryman_codec::RequestHead) -> Finished {
        let stream_idle = self.manager.settings.timeouts.stream_idle;
        loop {
            state.begin_again();
            let is_last_request = self.count_request();
            let timers = StreamTimers::new(Instant::now(), stream_idle, None, None);
            let (manager, worker) = (self.manager, self.worker);
            let connection = self.downstream(is_last_request);
            let mut stream = HttpStream::new(manager, worker, connection, state, head, timers);
            match stream.run_again().await {
                Finished::GoesOn => head = stream.head(),
                finished => return finished,
            }
        }
    }

    fn count_received(&mut self) {
        let received = self.codec.reader.received_bytes();
        if received != self.received {
            self.manager.http.add(HttpStat::DownstreamCxRxBytesTotal, received - self.received);
            self.received = received;
        }
        if let Some(stream) = &mut self.info.stream {
            stream.bytes_received = received;
        }
    }

    /// The head; the error that it is to be refused with; or neither, when the client is gone before it began a request. And
    /// the stream's deadlines: made here, so that they have no second place in the memory of a connection.
    async fn read_head(
        &mut self,
        state: &mut StreamState,
        now: Instant,
    ) -> (Result<ferryman_codec::RequestHead, Option<ErrorKind>>, StreamTimers) {
        let timeouts = &self.manager.settings.timeouts;
        let mut timers =
            StreamTimers::new(now, timeouts.stream_idle, timeouts.request_headers, timeouts.request);
        let settings = &self.manager.settings.http1_settings;
        let blocks = &self.worker.blocks;
        let head =
            poll_fn(|cx| match self.codec.poll_request_head(cx, blocks, settings, &mut state.request) {
                Poll::Ready(Ok(head)) => Poll::Ready(Ok(head)),
                Poll::Ready(Err(ReadError::Codec(error))) => {
                    Poll::Ready(Err(Some(ErrorKind::DownstreamCodec(error.kind))))
                }
                Poll::Ready(Err(ReadError::Ended { clean: true })) => Poll::Ready(Err(None)),
                Poll::Ready(Err(ReadError::Io(_))) if !self.codec.has_unread() => Poll::Ready(Err(None)),
                Poll::Ready(Err(_)) => Poll::Ready(Err(Some(ErrorKind::DownstreamDisconnect))),
                Poll::Pending => {
                    if self.timer.poll_at(cx, timers.next()).is_pending() {
                        return Poll::Pending;
                    }
                    let missed = timers.missed(Instant::now()).unwrap_or(ErrorKind::RequestHeadersTimeout);
                    Poll::Ready(Err(Some(missed)))
                }
            })
            .await;
        timers.headers_by = None;
        (head, timers)
    }

    /// Lets the client read our last words and close: what it still sends is dropped, for a while.
    async fn linger(&mut self) {
        let Some(timeout) = self.manager.settings.timeouts.delayed_close else { return };
        let deadline = Some(Instant::now() + timeout);
        self.codec.reader.release(&self.worker.blocks);
        let mut dropped = 0;
        poll_fn(|cx| {
            while dropped < MOST_LINGERING_BYTES {
                let mut block = [0; 4096];
                let mut into = ReadBuf::new(&mut block);
                match self.codec.socket.poll_read(cx, &mut into) {
                    Poll::Ready(Ok(())) if !into.filled().is_empty() => dropped += into.filled().len(),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => {
                        if self.timer.poll_at(cx, deadline).is_pending() {
                            return Poll::Pending;
                        }
                        log_at!(Connection, Debug, "{} delayed close timeout", OfConnection(self.info.id));
                        self.manager.http.inc(HttpStat::DownstreamCxDelayedCloseTimeout);
                        self.info.local_close_reason = "triggered_delayed_close_timeout".into();
                        return Poll::Ready(());
                    }
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// What is assumed of a request whose head could not be read.
fn unread_head() -> ferryman_codec::RequestHead {
    ferryman_codec::RequestHead {
        consumed: 0,
        version: ferryman_codec::Version::Http11,
        framing: ferryman_codec::BodyFraming::None,
        keep_alive: false,
        expect_continue: false,
        upgrade: false,
        field_bytes: 0,
        dropped_fields: 0,
        absolute_form: false,
        kind: ferryman_codec::RequestKind::Other,
    }
}
