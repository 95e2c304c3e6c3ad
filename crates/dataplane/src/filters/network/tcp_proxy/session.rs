//! One session of a TCP proxy: a client, and the host that it is connected to.
//!
//! Owns: the time limits, what is counted and remembered on the way, and the end of both connections. Does not own: the
//! configuration (`tcp_proxy`), the attempts to connect (`session::connecting`), moving the bytes (`relay`).
//! Follows Envoy's pages "TCP proxy" and "Access logging".

use std::borrow::Cow;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::TcpProxy;
use super::counted::Counted;
use super::early_data::EarlyData;
use super::tunnel;
use crate::application_log::{OfConnection, log_at};
use crate::cluster::WorkerCluster;
use crate::connection_pool::TcpUpstream;
use crate::error::ErrorKind;
use crate::format::{AccessLogType, FormatContext};
use crate::random::thread_random;
use crate::relay::{End, Relay, Side, Sides};
use crate::stats::{ClusterStat, LocalScope, TcpStat, TcpStats};
use crate::stream_info::FilterState;
use crate::stream_info::filter_state_objects::{MillisecondsObject, TCP_PROXY_IDLE_TIMEOUT};
use crate::stream_info::{Cause, ConnectionInfo, DetectedCloseType, ResponseFlag, StreamInfo, TimePoint};
use crate::timer::{LazyTimer, earliest};
use crate::transport_sockets::TransportSocket;
use crate::uuid;
use crate::worker::Worker;

mod connecting;
mod outcome;
mod remember;
mod tunnel_attempt;
mod upstream;

use outcome::{GivenUp, Outcome, TimeLimit, reset};
pub(super) use upstream::SessionUpstream;

/// As `%DOWNSTREAM_LOCAL_CLOSE_REASON%` tells of a drain.
const DRAINED: &str = "tcp_proxy_drain_close";

/// Dropping it writes the access log and remembers a failure: also of a session that the end of the process cuts short.
pub(super) struct Session<'a> {
    proxy: &'a TcpProxy,
    stats: &'a LocalScope<TcpStats>,
    worker: &'a Rc<Worker>,
    info: &'a mut ConnectionInfo,
    stream: StreamInfo,
    early: Option<EarlyData>,
    timer: LazyTimer,
    max_at: Option<Instant>,
    /// The proxy's, or what a filter has said of this connection.
    idle_timeout: Option<Duration>,
    idle_at: Option<Instant>,
    /// When the next line is due in the access log.
    log_at: Option<Instant>,
    /// The one that was chosen last.
    cluster: Option<Rc<WorkerCluster>>,
    /// The name of one that is not there.
    missing_cluster: Box<str>,
    /// Whether its end was seen.
    is_over: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        proxy: &'a TcpProxy,
        stats: &'a LocalScope<TcpStats>,
        worker: &'a Rc<Worker>,
        info: &'a mut ConnectionInfo,
    ) -> Self {
        let idle_timeout = info.filter_state.get::<MillisecondsObject>(TCP_PROXY_IDLE_TIMEOUT);
        // As in Envoy, 0 is not for ever: such a session ends at once.
        let idle_timeout = idle_timeout.map_or(proxy.idle_timeout, |asked| Some(asked.duration));
        Session {
            proxy,
            stats,
            worker,
            idle_timeout,
            stream: StreamInfo::new(info.start, info.start_time),
            early: EarlyData::new(&proxy.early_data),
            timer: LazyTimer::new(),
            max_at: proxy.max_duration(&worker.random).and_then(|duration| info.start.checked_add(duration)),
            idle_at: idle_timeout.and_then(|timeout| info.start.checked_add(timeout)),
            log_at: None,
            cluster: None,
            missing_cluster: Box::default(),
            is_over: false,
            info,
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<TimeLimit> {
        loop {
            let deadline = earliest([self.idle_at, self.max_at, self.log_at]);
            ready!(self.timer.poll_at(cx, deadline));
            if deadline == self.idle_at {
                return Poll::Ready(TimeLimit::Idle);
            }
            if deadline == self.max_at {
                return Poll::Ready(TimeLimit::MaxDuration);
            }
            self.plan_line();
            self.log(AccessLogType::TcpPeriodic, Instant::now());
        }
    }

    /// Logs the start of the session where that is asked for.
    pub(super) fn log_start(&mut self) {
        self.plan_line();
        if self.proxy.access_log.on_start() {
            self.log(AccessLogType::TcpConnectionStart, Instant::now());
        }
    }

    fn plan_line(&mut self) {
        let interval = self.proxy.access_log.interval();
        self.log_at = interval.and_then(|interval| Instant::now().checked_add(interval));
    }

    /// Ends a session that another filter has refused.
    pub(super) fn refuse(mut self, flag: Option<ResponseFlag>) {
        // What is to be told of it is told by who refuses.
        self.is_over = true;
        if let Some(flag) = flag {
            self.stream.set_flag(flag);
        }
    }

    /// Ends a session that has not come to a host; the client's connection closes when its socket is dropped.
    pub(super) fn give_up(mut self, reason: GivenUp) {
        log_at!(Filter, Debug, "{} no TCP session: {reason:?}", OfConnection(self.info.id));
        if let GivenUp::OutOfTime(limit) = reason {
            self.note_time_limit(limit);
        }
        if let Some(early) = &mut self.early {
            let received = u64::try_from(early.buffer.len()).unwrap_or(u64::MAX);
            if received > 0 {
                self.stats.add(TcpStat::DownstreamCxRxBytesTotal, received);
            }
            self.stream.bytes_received = received;
            self.stream.downstream.wire_bytes_received = received;
            early.buffer.release(&self.worker.blocks);
        }
        let cause = if self.info.note_filter_close().is_some() {
            Cause::LocalReply
        } else {
            self.info.local_close_reason = Cow::Borrowed(reason.close_reason());
            reason.cause(self.stream.decisions.pool)
        };
        self.fail(cause);
    }

    fn note_time_limit(&mut self, limit: TimeLimit) {
        log_at!(Filter, Debug, "{} session timed out: {limit:?}", OfConnection(self.info.id));
        match limit {
            TimeLimit::Idle => self.stats.inc(TcpStat::IdleTimeout),
            TimeLimit::MaxDuration => {
                self.stats.inc(TcpStat::MaxDownstreamConnectionDuration);
                self.stream.set_flag(ResponseFlag::DurationTimeout);
            }
        }
    }

    /// Moves bytes until both sides have ended, one breaks, or time is up.
    pub(super) async fn relay(mut self, downstream: &mut TransportSocket, mut upstream: SessionUpstream) {
        // As in Envoy, where it is the connection's and known when that stands.
        self.stream.upstream.filter_state =
            FilterState::for_upstream(&self.info.filter_state, &self.stream.filter_state);
        if let SessionUpstream::Tcp(upstream) = &mut upstream {
            self.send_proxy_header(upstream).await;
        }
        if self.proxy.access_log.on_connected() {
            self.log(AccessLogType::TcpUpstreamConnected, Instant::now());
        }
        let cluster = Rc::clone(upstream.cluster());
        let mut relay = Relay::new(cluster.buffer_limit(), self.proxy.buffer_limit);
        if let Some(early) = self.early.take() {
            relay.begin_with(early.buffer, early.ended);
        }
        let mut counted = Counted::new(self.stats, &cluster, upstream.is_tunnel());
        let mut sides = Sides { downstream: &mut *downstream, upstream: &mut upstream };
        self.touch();
        let (worker, drained_by) = (self.worker, self.info.drained_by);
        let outcome = poll_fn(|cx| {
            let read_before = counted.to_upstream.read;
            let polled = relay.poll(&mut sides, cx, &worker.blocks);
            let has_moved = counted.count(&relay);
            if self.proxy.check_drain_close && counted.to_upstream.read != read_before {
                let drain = &worker.process.drain;
                if polled.is_pending() && drain.should_close(worker.random.next(), drained_by) {
                    return Poll::Ready(Outcome::Drained);
                }
            }
            match polled {
                Poll::Ready(end) => Poll::Ready(Outcome::Ended(end)),
                Poll::Pending => {
                    if has_moved {
                        self.touch();
                        self.note_bytes(&counted, sides.upstream);
                    }
                    self.poll_time(cx).map(Outcome::OutOfTime)
                }
            }
        })
        .await;
        relay.release(&worker.blocks);
        self.note_bytes(&counted, &mut upstream);
        drop(counted);
        if let SessionUpstream::Tunnel(tunnel) = &mut upstream {
            self.note_end_of_tunnel(tunnel);
        }
        self.end(&outcome, downstream, &mut upstream);
    }

    /// Tells the host who the client is, where that is configured. A host that does not take it is found broken by the relay.
    async fn send_proxy_header(&mut self, upstream: &mut TcpUpstream) {
        let cluster = Rc::clone(upstream.cluster());
        let Some(writer) = &cluster.cluster.connections.proxy_protocol else { return };
        self.proxy.proxy_protocol_tlvs.merge_into(self.info);
        let header = writer.header(self.info);
        let sent = upstream.socket.write_all(&header).await;
        if sent.is_ok() {
            let length = u64::try_from(header.len()).unwrap_or(u64::MAX);
            cluster.stats.add(ClusterStat::UpstreamCxTxBytesTotal, length);
        }
    }

    /// Something has happened: the idle timeout counts from now.
    fn touch(&mut self) {
        if let Some(timeout) = self.idle_timeout {
            self.idle_at = Instant::now().checked_add(timeout);
        }
    }

    fn note_bytes(&mut self, counted: &Counted<'_>, upstream: &mut SessionUpstream) {
        let (received, answered) = (counted.to_upstream.read, counted.to_downstream.read);
        let stream = &mut self.stream;
        (stream.bytes_received, stream.bytes_sent) = (received, answered);
        stream.downstream.wire_bytes_received = received;
        stream.downstream.wire_bytes_sent = answered;
        match upstream {
            SessionUpstream::Tcp(_) => {
                stream.upstream.bytes.wire_bytes_received = answered;
                stream.upstream.bytes.wire_bytes_sent = received;
            }
            SessionUpstream::Tunnel(tunnel) => stream.upstream.bytes = tunnel.bytes(),
        }
    }

    /// Sees to it that both connections end as they should, and notes how.
    fn end(&mut self, outcome: &Outcome, downstream: &TransportSocket, upstream: &mut SessionUpstream) {
        self.is_over = true;
        match outcome {
            Outcome::OutOfTime(limit) => {
                self.note_time_limit(*limit);
                self.info.local_close_reason = Cow::Borrowed(limit.close_reason());
                if !upstream.is_tunnel() {
                    self.stream.upstream.local_close_reason = Cow::Borrowed(limit.close_reason());
                }
                self.fail(limit.cause());
            }
            Outcome::Drained => {
                self.stats.inc(TcpStat::DownstreamCxDrainClose);
                self.info.local_close_reason = Cow::Borrowed(DRAINED);
                self.stream.upstream.local_close_reason = Cow::Borrowed(DRAINED);
                self.fail(Cause::ProcessEnded);
            }
            Outcome::Ended(End::Complete { last: Side::Downstream }) => {}
            Outcome::Ended(End::Complete { last: Side::Upstream }) => upstream.set_closed_by_remote(),
            Outcome::Ended(end @ End::Broken { side: Side::Downstream, .. }) => {
                if let Some(stopped) = self.info.note_filter_close() {
                    if stopped > 0 {
                        self.stats.add(TcpStat::DownstreamCxRxBytesTotal, stopped);
                    }
                    self.stream.bytes_received += stopped;
                    self.stream.upstream.local_close_reason = self.info.local_close_reason.clone();
                    self.fail(Cause::LocalReply);
                }
                self.fail(Cause::Error(ErrorKind::DownstreamDisconnect));
                if end.is_reset() {
                    self.info.detected_close_type = DetectedCloseType::RemoteReset;
                    upstream.reset();
                }
            }
            Outcome::Ended(End::Broken { side: Side::Upstream, error }) if tunnel::is_end(error) => {
                upstream.set_closed_by_remote();
            }
            Outcome::Ended(end @ End::Broken { side: Side::Upstream, .. }) => {
                upstream.set_closed_by_remote();
                self.fail(Cause::Error(ErrorKind::UpstreamTermination));
                if end.is_reset() {
                    self.stream.set_flag(ResponseFlag::UpstreamRemoteReset);
                    self.stream.upstream.detected_close_type = DetectedCloseType::RemoteReset;
                    self.info.detected_close_type = DetectedCloseType::LocalReset;
                    reset(downstream);
                }
            }
        }
    }

    fn log(&mut self, occasion: AccessLogType, now: Instant) {
        if self.proxy.access_log.is_empty() {
            return;
        }
        self.name_stream();
        self.take_over_metadata();
        let context = FormatContext::new(&self.stream, self.info, occasion, now, thread_random);
        self.proxy.access_log.log(&self.worker.logs, &context);
    }

    /// What was said of the connection is said of its session.
    fn take_over_metadata(&mut self) {
        let metadata = self.info.told_metadata();
        if !metadata.is_empty() {
            self.stream.dynamic_metadata = metadata.clone();
        }
    }

    fn name_stream(&mut self) {
        if self.stream.stream_id.is_empty() {
            let random = &self.worker.random;
            let id = uuid::random(random.next(), random.next());
            self.stream.stream_id.push_str(&String::from_utf8_lossy(&id));
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.stream.mark(TimePoint::RequestComplete, now);
        if !self.is_over {
            self.fail(Cause::ProcessEnded);
        }
        self.remember(now);
        if self.info.stream.is_none() {
            return self.log(AccessLogType::TcpConnectionEnd, now);
        }
        // As in Envoy, the listener's line goes before this one.
        if !self.proxy.access_log.is_empty() {
            self.name_stream();
            self.info.session_log = Some(Arc::clone(&self.proxy.access_log));
        }
        if let Some(stream) = &mut self.info.stream {
            std::mem::swap(&mut **stream, &mut self.stream);
        }
    }
}
