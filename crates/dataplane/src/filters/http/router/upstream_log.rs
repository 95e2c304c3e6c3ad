//! The access log of upstream requests (Envoy: `upstream_log` of the router).
//!
//! Owns: what such a log knows of an upstream request, and when it has a line: once there is a connection, while it lasts, and
//! at its end. Does not own: the logs themselves (`access_loggers`), the request (`router`).
//! Follows Envoy's page "Router", field `upstream_log`.
//!
//! To these logs an upstream request is a stream of its own: it begins when a host was chosen, receives the response and
//! sends the request, and has no filters of the downstream side. Connections, the request's head and the upstream side are
//! those of the downstream stream.

use std::time::Instant;

use ferryman_codec::{BodyFraming, HeaderBlock};

use crate::error::{Error, ErrorKind};
use crate::format::{AccessLogType, FormatContext};
use crate::http_stream::{Exchange, HttpStream};
use crate::random::thread_random;
use crate::stream_info::{ByteMeter, StreamInfo, TimePoint};

/// What is known of an upstream request that will be logged.
#[derive(Debug)]
pub(crate) struct UpstreamLog {
    info: StreamInfo,
    /// The response's head as it came.
    response: HeaderBlock,
    /// The bytes of the downstream side when the response was over; none: it is not.
    downstream: Option<ByteMeter>,
}

impl HttpStream<'_> {
    /// A host was chosen: the upstream request begins.
    #[inline]
    pub(super) fn begin_upstream_log(&mut self) {
        if !self.filters.upstream_log.is_empty() {
            self.make_upstream_log();
        }
    }

    #[cold]
    fn make_upstream_log(&mut self) {
        let of_stream = &self.state.info;
        let start_time = of_stream.start_time + self.now.saturating_duration_since(of_stream.start);
        let mut info = StreamInfo::new(self.now, start_time);
        info.set_route(&of_stream.route_name, &of_stream.virtual_host_name);
        info.health_check = of_stream.health_check;
        info.upstream.cluster.clone_from(&of_stream.upstream.cluster);
        self.timers.upstream_log_at = self.filters.upstream_log.next_line(self.now);
        self.upstream_log =
            Some(Box::new(UpstreamLog { info, response: HeaderBlock::new(), downstream: None }));
    }

    /// It has a connection.
    #[inline]
    pub(super) fn log_upstream_connection(&mut self) {
        let Some(log) = &mut self.upstream_log else { return };
        log.info.protocol = self.state.info.upstream.protocol;
        if self.filters.upstream_log.on_connected() {
            self.log_upstream(AccessLogType::UpstreamPoolReady);
        }
    }

    /// The head of its response came.
    #[inline]
    pub(super) fn note_upstream_response(&mut self, status: u16) {
        let Some(log) = &mut self.upstream_log else { return };
        log.info.response_code = Some(status);
        log.response.clone_from(&self.state.response);
    }

    /// How much of the response's body has come over the connection, and how much of the request's has gone.
    #[inline]
    pub(crate) fn note_upstream_bodies(&mut self, received: u64, sent: u64) {
        let Some(log) = &mut self.upstream_log else { return };
        log.info.bytes_received = received;
        log.info.bytes_sent = sent;
    }

    /// All of its response came. As in Envoy, what follows the last byte of the body downstream is not told of it.
    #[inline]
    pub(crate) fn note_last_of_upstream(&mut self, framing: BodyFraming) {
        let at = self.timers.active_at;
        self.state.info.mark(TimePoint::LastUpstreamRxByte, at);
        if framing == BodyFraming::Chunked {
            // Also a body of no chunks is one.
            self.state.info.mark(TimePoint::FirstUpstreamRxBodyByte, at);
        }
        if self.upstream_log.is_some() {
            let bytes = self.downstream_bytes();
            self.upstream_log.iter_mut().for_each(|log| log.downstream = Some(bytes));
        }
    }

    /// Nothing follows the head of its response: as in Envoy, it is over before the client gets any of that.
    #[inline]
    pub(super) fn upstream_ends_with_head(&mut self, exchange: &Exchange<'_>) {
        if self.upstream_log.is_none() {
            return;
        }
        let counted = self.state.info.upstream.bytes;
        exchange.note_bytes(self);
        self.end_upstream_log();
        self.state.info.upstream.bytes = counted;
    }

    /// It is over. Where the client left, or the request goes on, that is logged after the downstream stream's end.
    #[inline]
    pub(super) fn upstream_request_over(&mut self, result: &Result<(), Error>) {
        let Some(log) = &mut self.upstream_log else { return };
        self.timers.upstream_log_at = None;
        let kind = result.as_ref().err().map(|error| error.kind);
        if let Some(kind) = kind.filter(|kind| is_told_of_upstream(*kind)) {
            kind.response_flag().into_iter().for_each(|flag| log.info.set_flag(flag));
        }
        let is_last = match kind {
            None => !self.goes_on,
            Some(kind) => !is_of_client(kind),
        };
        if is_last {
            self.end_upstream_log();
        }
    }

    /// The last line of an upstream request that has none yet.
    pub(crate) fn end_upstream_log(&mut self) {
        self.log_upstream(AccessLogType::UpstreamEnd);
        self.upstream_log = None;
    }

    /// A line while it lasts, when that is due.
    pub(crate) fn log_upstream_if_due(&mut self) {
        if self.timers.upstream_log_at.is_some_and(|at| at <= self.now) {
            self.timers.upstream_log_at = self.filters.upstream_log.next_line(self.now);
            self.log_upstream(AccessLogType::UpstreamPeriodic);
        }
    }

    fn log_upstream(&mut self, occasion: AccessLogType) {
        let Some(mut log) = self.upstream_log.take() else { return };
        let now = Instant::now();
        if self.state.info.upstream.connection_id.is_some() {
            // At the end of the stream they have been noted.
            let at_end = log.downstream.or_else(|| self.ended.then_some(self.state.info.downstream));
            log.info.downstream = at_end.unwrap_or_else(|| self.downstream_bytes());
        }
        let state = &mut *self.state;
        let later = log.info.start.saturating_duration_since(state.info.start);
        log.info.timing = state.info.timing.of_upstream(later);
        std::mem::swap(&mut log.info.upstream, &mut state.info.upstream);
        // A redirect that is followed has chosen another one by now.
        std::mem::swap(&mut log.info.upstream.cluster, &mut state.info.upstream.cluster);
        let attempts = std::mem::take(&mut log.info.upstream.attempt_count);
        let mut context = FormatContext::new(&log.info, self.connection.info, occasion, now, thread_random);
        context.request_headers = Some(&state.request);
        context.response_headers = log.info.response_code.is_some().then_some(&log.response);
        if let Some(matched) = &self.matched {
            context.route_metadata = matched.metadata();
        }
        self.filters.upstream_log.log(&self.worker.logs, &context);
        log.info.upstream.attempt_count = attempts;
        std::mem::swap(&mut log.info.upstream.cluster, &mut self.state.info.upstream.cluster);
        std::mem::swap(&mut log.info.upstream, &mut self.state.info.upstream);
        self.upstream_log = Some(log);
    }
}

/// Whether the upstream request itself ended by this, and not the downstream stream around it.
fn is_told_of_upstream(kind: ErrorKind) -> bool {
    kind.is_end_of_upstream()
        || matches!(
            kind,
            ErrorKind::ConnectFailure
                | ErrorKind::ConnectTimeout
                | ErrorKind::Overflow
                | ErrorKind::PerTryTimeout
        )
}

fn is_of_client(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DownstreamDisconnect | ErrorKind::DownstreamCodec(_))
}
