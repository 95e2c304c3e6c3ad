//! The begin and the end of a stream as statistics and access logs see it.
//!
//! Owns: which counters of the connection manager move when, and the stream's last facts. Does not own: what the upstream's
//! cluster counts (`filters::http::router`), nor the access log (`logging`).
//! Follows Envoy's page "HTTP connection manager stats".

use std::time::Instant;

use ferryman_codec::{ErrorKind as CodecError, Version};

use crate::error::ErrorKind;
use crate::format::AccessLogType;
use crate::stats::{
    Http1Stat, HttpHistogram, HttpStat, HttpStats, ListenerHttpStat, LocalScope, RouteResolutionHistogram,
};
use crate::stream_info::{Cause, ResponseFlag, TimePoint};

use crate::http_codec::{BodyReader, StreamCodec};

use super::exchange::received_bytes;
use super::{Finished, HttpStream};

/// Envoy's words for a stream that is open when the process ends.
const CUT_SHORT: &str = "downstream_local_disconnect(purging_socket_that_have_not_progressed_to_connections)";

/// Counts a stream for as long as it lasts, also when a panic ends it.
#[derive(Debug)]
pub(super) struct ActiveRequest<'a>(&'a LocalScope<HttpStats>);

impl<'a> ActiveRequest<'a> {
    pub(super) fn new(stats: &'a LocalScope<HttpStats>) -> Self {
        stats.inc(HttpStat::DownstreamRqActive);
        ActiveRequest(stats)
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        self.0.dec(HttpStat::DownstreamRqActive);
    }
}

impl Drop for HttpStream<'_> {
    /// What the end of the process cuts short is logged too, and its filters are told.
    fn drop(&mut self) {
        // What a panic left behind is not looked at.
        if self.ended || std::thread::panicking() {
            return;
        }
        self.abort = true;
        self.state.info.set_flag(ResponseFlag::DownstreamConnectionTermination);
        self.state.info.response_code_details = CUT_SHORT.into();
        self.state.info.decisions.fail(Cause::ProcessEnded, self.response_started);
        self.end();
    }
}

impl HttpStream<'_> {
    pub(super) fn begin(&mut self) {
        let stats = &self.manager.http;
        stats.inc(HttpStat::DownstreamRqTotal);
        stats.inc(self.version_total());
        self.state.info.protocol = Some(self.protocol());
        if let StreamCodec::Http1(codec) = &self.connection.codec {
            codec.socket.note_round_trip_time(self.connection.info);
        }
        let fields = u64::try_from(self.head.field_bytes).unwrap_or(u64::MAX);
        self.state.info.downstream.receive_head(0, fields);
        if self.head.dropped_fields > 0 {
            let dropped = u64::try_from(self.head.dropped_fields).unwrap_or(u64::MAX);
            self.manager.http1.add(Http1Stat::DroppedHeadersWithUnderscores, dropped);
        }
    }

    /// Counts and logs. Answers what becomes of the connection.
    pub(super) fn end(&mut self) -> Finished {
        self.ended = true;
        self.now = Instant::now();
        let finished = self.finished();
        self.tell_end(finished);
        self.close_facts();
        self.count_end();
        self.count_route_resolution();
        let mut filters = std::mem::take(&mut self.state.filters);
        let list = self.filters;
        filters.iter_mut().for_each(|filter| filter.complete(list, self.worker.index, &self.state.info));
        filters.clear();
        self.state.filters = filters;
        self.log(AccessLogType::DownstreamEnd);
        if self.upstream_log.is_some() {
            self.end_upstream_log();
        }
        self.remember();
        finished
    }

    /// Where requests of this version are counted.
    pub(super) fn version_total(&self) -> HttpStat {
        match self.head.version {
            Version::Http10 | Version::Http11 => HttpStat::DownstreamRqHttp1Total,
            Version::Http2 => HttpStat::DownstreamRqHttp2Total,
        }
    }

    fn close_facts(&mut self) {
        let state = &mut *self.state;
        let info = &mut state.info;
        info.mark(TimePoint::RequestComplete, self.now);
        if !self.goes_on {
            if info.response_code.is_some() && self.connection.codec.is_finished() {
                info.mark(TimePoint::LastDownstreamTxByte, self.now);
            }
            // Of HTTP/2 the connection counts them.
            if let StreamCodec::Http1(codec) = &self.connection.codec {
                let sent = codec.writer.wire_bytes();
                if sent > 0 {
                    self.manager.http.add(HttpStat::DownstreamCxTxBytesTotal, sent);
                }
            }
        }
        self.note_bytes();
        if !self.endless && !self.connection.codec.is_ended() {
            // What came of a body that nobody wants was received all the same.
            let unread = u64::try_from(self.connection.codec.unread_bytes()).unwrap_or(u64::MAX);
            self.state.info.downstream.wire_bytes_received += unread;
        }
        let trailers = received_bytes(self.connection.codec.trailers());
        self.state.info.downstream.header_bytes_received += trailers;
    }

    fn count_end(&self) {
        if self.goes_on {
            // There is no response yet.
            if self.connection.is_last_request {
                self.manager.http.inc(HttpStat::DownstreamCxMaxRequestsReached);
            }
            return;
        }
        let stats = &self.manager.http;
        if self.abort || !self.request_is_complete() {
            // As in Envoy, whoever ends it: the client, or we before all of the request has come.
            stats.inc(HttpStat::DownstreamRqRxReset);
        }
        let info = &self.state.info;
        let Some(status) = info.response_code else { return };
        self.count_status(status);
        let lasted = self.now.saturating_duration_since(info.start).as_millis();
        stats.record(HttpHistogram::DownstreamRqTime, u64::try_from(lasted).unwrap_or(u64::MAX));
    }

    fn count_route_resolution(&self) {
        let Some(stats) = &self.manager.route_resolution else { return };
        let info = &self.state.info;
        let time = info.route_resolution_time.unwrap_or_default().as_micros();
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        stats.record(RouteResolutionHistogram::DownstreamRqRouteResolutionTimeUs, time);
        let count = u64::from(info.route_resolution_count);
        stats.record(RouteResolutionHistogram::DownstreamRqRouteResolutions, count);
    }

    /// Counts a response, or an informational one before it.
    pub(super) fn count_status(&self, status: u16) {
        if self.state.info.health_check {
            // As in Envoy, health checks are no traffic.
            return;
        }
        let stats = &self.manager.http;
        stats.inc(HttpStat::DownstreamRqCompleted);
        let of_listener = &self.manager.listener_http;
        of_listener.inc(ListenerHttpStat::DownstreamRqCompleted);
        let class = match status / 100 {
            1 => Some((HttpStat::DownstreamRq1xx, ListenerHttpStat::DownstreamRq1xx)),
            2 => Some((HttpStat::DownstreamRq2xx, ListenerHttpStat::DownstreamRq2xx)),
            3 => Some((HttpStat::DownstreamRq3xx, ListenerHttpStat::DownstreamRq3xx)),
            4 => Some((HttpStat::DownstreamRq4xx, ListenerHttpStat::DownstreamRq4xx)),
            5 => Some((HttpStat::DownstreamRq5xx, ListenerHttpStat::DownstreamRq5xx)),
            _ => None,
        };
        if let Some((class, of_listener_class)) = class {
            stats.inc(class);
            of_listener.inc(of_listener_class);
        }
    }

    /// What the connection manager counts of an error.
    pub(super) fn count_failure(&self, kind: ErrorKind) {
        let stats = &self.manager.http;
        let is_of_client = matches!(kind, ErrorKind::DownstreamCodec(_)) || kind.is_end_of_client();
        if self.response_started() && !is_of_client {
            stats.inc(HttpStat::DownstreamRqTxReset);
        }
        match kind {
            ErrorKind::DownstreamCodec(CodecError::FragmentInTarget) => {
                stats.inc(HttpStat::DownstreamRqFailedPathNormalization);
            }
            ErrorKind::DownstreamCodec(codec) if !codec.is_raised_by_connection_manager() => {
                stats.inc(HttpStat::DownstreamCxProtocolError);
                if codec == CodecError::UnderscoreInName {
                    self.manager.http1.inc(Http1Stat::RequestsRejectedWithUnderscoresInHeaders);
                }
            }
            ErrorKind::RequestHeadersTimeout => stats.inc(HttpStat::DownstreamRqHeaderTimeout),
            ErrorKind::RequestTimeout => stats.inc(HttpStat::DownstreamRqTimeout),
            ErrorKind::StreamIdleTimeout => stats.inc(HttpStat::DownstreamRqIdleTimeout),
            ErrorKind::MaxStreamDuration => stats.inc(HttpStat::DownstreamRqMaxDurationReached),
            _ => {}
        }
    }
}
