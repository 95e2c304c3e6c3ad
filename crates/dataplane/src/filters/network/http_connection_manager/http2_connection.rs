//! A downstream connection that carries HTTP/2: many requests at a time.
//!
//! Owns: reading and writing of the connection, its streams while they last, and its end. Does not own: what becomes of a
//! request (`http_stream`), the wire format (`ferryman_codec::http2`), what waits for a stream (`http2_session`).
//! Follows: RFC 9113; Envoy's `Http2ProtocolOptions`, and its page "Draining".
//!
//! One task reads what has come, lets the streams that it concerns run, and writes once what they have queued.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use ferryman_codec::{ErrorCode, HeaderBlock, Http2Error, Http2ErrorKind, RequestHead, RequestKind, Version};
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;

use crate::application_log::{OfConnection, log_at};
use crate::buffer::ReadBuffer;
use crate::drain::{Entered, Phase};
use crate::error::ErrorKind;
use crate::http_codec::{ActiveHttp2, Http2Session, Http2Stream, NewStream, StreamCodec};
use crate::http_stream::{Downstream, Finished, HttpStream, StreamState, StreamTimers};
use crate::stats::{Http2Stat, Http2Stats, HttpStat, LocalScope};
use crate::stream_info::{ConnectionInfo, ResponseFlag};
use crate::timer::LazyTimer;
use crate::transport_sockets::TransportSocket;
use crate::worker::Worker;

use super::connection_timers::{ConnectionTimers, Limit};
use super::{ConnectionFacts, WorkerHttpConnectionManager};

/// The size of what goes before each frame.
const FRAME_HEADER: usize = 9;

/// How the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client is gone.
    Remote,
    /// All was said.
    Drained,
    /// The client broke a rule; it may still read why.
    Refused,
    /// The client has not answered a PING in time.
    Silent,
}

/// What all streams of a connection share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    manager: &'a WorkerHttpConnectionManager,
    worker: &'a Rc<Worker>,
    session: &'a Rc<Http2Session>,
    facts: &'a ConnectionFacts,
    info: &'a ConnectionInfo,
}

/// A stream that is to begin.
struct Arrival {
    new: NewStream,
    /// Its memory; the request's fields are in it.
    state: Box<StreamState>,
    is_last_request: bool,
    /// Why its head cannot be served.
    broken: Option<ErrorKind>,
    now: Instant,
}

/// One connection.
pub(super) struct Http2Connection<'a> {
    pub(super) manager: &'a WorkerHttpConnectionManager,
    pub(super) worker: &'a Rc<Worker>,
    pub(super) socket: &'a mut TransportSocket,
    /// What was received, the preface first.
    pub(super) buffer: &'a mut ReadBuffer,
    /// How many of the bytes that have come are counted.
    pub(super) received: &'a mut u64,
    pub(super) info: &'a ConnectionInfo,
    pub(super) timer: &'a mut LazyTimer,
    pub(super) timers: &'a mut ConnectionTimers,
    pub(super) entered: &'a Entered,
    pub(super) counts: ActiveHttp2<&'a LocalScope<Http2Stats>>,
    pub(super) session: Rc<Http2Session>,
    /// Where heads are read into.
    pub(super) block: HeaderBlock,
    pub(super) requests: u64,
    pub(super) drain: Drain,
    pub(super) end: Option<End>,
    /// Whether streams were open when it ended.
    pub(super) had_streams: bool,
}

/// How far the client was told that no new streams are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// It was not.
    No,
    /// It was, but those on their way are taken.
    Announced,
    /// It knows the last one.
    Final,
}

/// Serves a connection on which the preface, or what there is in its place, has come.
/// Answers how it ended, and whether streams were open then.
pub(super) async fn serve(connection: Http2Connection<'_>, facts: &ConnectionFacts) -> (End, bool) {
    let session = Rc::clone(&connection.session);
    let shared = Shared {
        manager: connection.manager,
        worker: connection.worker,
        session: &session,
        facts,
        info: connection.info,
    };
    let mut connection = connection;
    // A frame other than DATA is read whole.
    let settings = &connection.manager.settings;
    let frame = usize::try_from(settings.http2_options.settings.max_frame_size).unwrap_or(usize::MAX);
    connection.buffer.set_limit(settings.buffer_limit.max(frame.saturating_add(FRAME_HEADER)));
    let mut streams = FuturesUnordered::new();
    poll_fn(|cx| {
        let begin = |arrival| serve_stream(shared, arrival);
        connection.poll(&mut streams, &begin, cx)
    })
    .await
}

impl Http2Connection<'_> {
    /// Reads, runs the streams, writes, until there is nothing to do.
    fn poll<F: Future<Output = Finished>>(
        &mut self,
        streams: &mut FuturesUnordered<F>,
        begin: &impl Fn(Arrival) -> F,
        cx: &mut Context<'_>,
    ) -> Poll<(End, bool)> {
        loop {
            let has_read =
                self.end.is_none() && self.poll_read(&mut |arrival| streams.push(begin(arrival)), cx);
            if self.end.is_none() && self.session.poll_keepalive(cx) {
                self.counts.keepalive_timeout();
                self.give_up(End::Silent);
            }
            while let Poll::Ready(Some(finished)) = Pin::new(&mut *streams).poll_next(cx) {
                self.stream_ended(finished);
            }
            if let Poll::Ready(Err(_)) = self.poll_write(cx) {
                self.give_up(End::Remote);
            }
            self.session.wake_writers();
            self.counts.update(&self.session);
            if !has_read {
                break;
            }
        }
        match self.end {
            // All streams see that it is over, and are logged.
            Some(end) if streams.is_empty() => return Poll::Ready((end, self.had_streams)),
            Some(_) => return Poll::Pending,
            None => {}
        }
        if self.drain == Drain::Final && streams.is_empty() && !self.session.has_pending() {
            return Poll::Ready((End::Drained, false));
        }
        self.poll_limits(cx);
        Poll::Pending
    }

    /// Reads once and hands out all that came. Answers whether there may be more.
    fn poll_read(&mut self, begin: &mut dyn FnMut(Arrival), cx: &mut Context<'_>) -> bool {
        // What was read to find out that this is HTTP/2 is there already.
        if self.buffer.is_empty() || self.requests > 0 || self.counts.has_begun() {
            match self.buffer.poll_fill(self.socket, cx, &self.worker.blocks, usize::MAX) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.give_up(End::Remote);
                    return true;
                }
                Poll::Pending => return false,
            }
        }
        self.count_received();
        self.counts.begin(Http2Stat::Nghttp2DownstreamConnections);
        let now = Instant::now();
        self.session.note_received(now);
        let since = now.saturating_duration_since(self.info.start).as_millis();
        self.session.set_now(u64::try_from(since).unwrap_or(u64::MAX));
        if let Err(error) = self.hand_out(begin, now) {
            self.refuse(error, begin, now);
        }
        true
    }

    /// While it lasts, which may be for days.
    fn count_received(&mut self) {
        let received = self.buffer.received_bytes();
        self.manager.http.add(HttpStat::DownstreamCxRxBytesTotal, received.saturating_sub(*self.received));
        *self.received = received;
    }

    fn hand_out(&mut self, begin: &mut dyn FnMut(Arrival), now: Instant) -> Result<(), Http2Error> {
        loop {
            let out = self.session.receive(self.buffer.readable(), &mut self.block)?;
            self.buffer.consume(out.consumed, &self.worker.blocks);
            if let Some(new) = out.new_stream {
                self.arrive(new, None, begin, now);
            } else if let Some((new, reset)) = out.malformed {
                self.arrive(new, Some(ErrorKind::of_downstream_reset(reset)), begin, now);
            } else {
                return Ok(());
            }
        }
    }

    fn arrive(
        &mut self,
        new: NewStream,
        broken: Option<ErrorKind>,
        begin: &mut dyn FnMut(Arrival),
        now: Instant,
    ) {
        self.requests += 1;
        let is_last_request = self.manager.settings.max_requests.is_some_and(|most| self.requests >= most);
        if is_last_request && self.drain != Drain::Final {
            // As in Envoy, it is told so at once.
            self.drain = Drain::Final;
            self.session.goaway(ErrorCode::NoError);
        }
        let mut state = self.worker.take_stream(now);
        std::mem::swap(&mut state.request, &mut self.block);
        begin(Arrival { new, state, is_last_request, broken, now });
    }

    /// The client broke a rule that ends the connection, and with it all streams.
    fn refuse(&mut self, error: Http2Error, begin: &mut dyn FnMut(Arrival), now: Instant) {
        log_at!(Http2, Debug, "{} {error}", OfConnection(self.info.id));
        self.manager.http.inc(HttpStat::DownstreamCxProtocolError);
        if error.kind.is_malformed_message() {
            self.arrive(NewStream::broken(0), Some(ErrorKind::DownstreamHttp2(error.kind)), begin, now);
            self.had_streams = true;
        }
        self.give_up(End::Refused);
    }

    /// Nothing comes any more for any stream.
    fn give_up(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.had_streams |= self.session.open_streams() > 0;
            let is_silent = end == End::Silent;
            self.session.end(is_silent.then_some(Http2ErrorKind::KeepaliveTimeout));
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.has_pending() {
            let socket = &mut *self.socket;
            let mut blocked = false;
            let sent = self.session.send(|bytes| match socket.poll_write(cx, &[IoSlice::new(bytes)]) {
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => written,
                Poll::Pending => {
                    blocked = true;
                    Ok(0)
                }
            })?;
            if blocked {
                return Poll::Pending;
            }
            let sent = u64::try_from(sent).unwrap_or(u64::MAX);
            self.manager.http.add(HttpStat::DownstreamCxTxBytesTotal, sent);
        }
        Poll::Ready(Ok(()))
    }

    fn stream_ended(&mut self, finished: Finished) {
        let now = Instant::now();
        if self.timers.idle_from(now) {
            self.manager.http.inc(HttpStat::DownstreamCxMaxDurationReached);
            self.announce_end();
        }
        if matches!(finished, Finished::Close | Finished::CloseAfterLinger) {
            self.timers.drain_from(now);
            self.announce_end();
        }
    }

    fn announce_end(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Announced;
            self.session.announce_goaway();
        }
    }

    /// The timers of the connection, and the end of the process.
    fn poll_limits(&mut self, cx: &mut Context<'_>) {
        if self.worker.process.drain.phase() == Phase::Ending && self.drain != Drain::Final {
            self.manager.http.inc(HttpStat::DownstreamCxDrainClose);
            self.close(cx);
        }
        self.entered.watch(cx);
        while self.drain != Drain::Final && self.timer.poll_at(cx, self.timers.next()).is_ready() {
            let now = Instant::now();
            if self.session.open_streams() > 0 && self.timers.idle_from(now) {
                self.manager.http.inc(HttpStat::DownstreamCxMaxDurationReached);
                self.announce_end();
            }
            match self.timers.reached(now) {
                None => {}
                Some(Limit::Drain) => self.close(cx),
                Some(limit) => {
                    let idle = limit == Limit::Idle;
                    self.manager.http.inc(if idle {
                        HttpStat::DownstreamCxIdleTimeout
                    } else {
                        HttpStat::DownstreamCxMaxDurationReached
                    });
                    self.announce_end();
                    cx.waker().wake_by_ref();
                }
            }
        }
    }

    fn close(&mut self, cx: &Context<'_>) {
        self.drain = Drain::Final;
        self.session.goaway(ErrorCode::NoError);
        // What was queued is to be written.
        cx.waker().wake_by_ref();
    }
}

/// Serves one stream until its response is written.
async fn serve_stream(shared: Shared<'_>, arrival: Arrival) -> Finished {
    let finished = Cell::new(Finished::Abort);
    let served = pin!(async { finished.set(run_stream(shared, arrival).await) });
    shared.worker.contain_panic(served).await;
    finished.get()
}

async fn run_stream(shared: Shared<'_>, arrival: Arrival) -> Finished {
    let Arrival { new, mut state, is_last_request, broken, now } = arrival;
    let Shared { manager, worker, session, facts, info } = shared;
    let timeouts = &manager.settings.timeouts;
    let mut head = head_of(&new);
    let asks_for_tunnel = head.upgrade || head.kind == RequestKind::Connect;
    let mut codec = Http2Stream::begin(session, new);
    let mut timer = LazyTimer::new();
    let mut timers = StreamTimers::new(now, timeouts.stream_idle, None, timeouts.request);
    let mut is_again = false;
    let finished = loop {
        let connection = Downstream {
            codec: StreamCodec::Http2(&mut codec),
            timer: &mut timer,
            info,
            facts,
            is_last_request,
            closes_from: None,
        };
        let mut stream = HttpStream::new(manager, worker, connection, &mut state, head, timers);
        let finished = match broken {
            Some(kind) => stream.refuse(&kind.into()).await,
            None if is_again => stream.run_again().await,
            None => stream.run().await,
        };
        if finished != Finished::GoesOn {
            break finished;
        }
        head = stream.head();
        drop(stream);
        state.begin_again();
        is_again = true;
        timers = StreamTimers::new(Instant::now(), timeouts.stream_idle, None, None);
    };
    if finished == Finished::Abort {
        // RFC 9113 section 8.5: the tunnel's other connection is what failed. All upgrades of HTTP/2 are CONNECT.
        let is_gone = state.info.response_flags.contains(ResponseFlag::UpstreamConnectionTermination);
        let is_tunnel_error = asks_for_tunnel && is_gone;
        codec.reset_with(if is_tunnel_error { ErrorCode::ConnectError } else { ErrorCode::InternalError });
    }
    drop(codec);
    worker.give_stream(state);
    finished
}

/// The request's head in the words that all versions share.
fn head_of(new: &NewStream) -> RequestHead {
    let head = new.head;
    RequestHead {
        consumed: 0,
        version: Version::Http2,
        framing: head.framing,
        keep_alive: true,
        expect_continue: head.expect_continue,
        upgrade: head.upgrade,
        field_bytes: head.field_bytes,
        dropped_fields: usize::try_from(head.dropped_fields).unwrap_or(usize::MAX),
        absolute_form: false,
        kind: head.kind,
    }
}
