//! When a stream leaves lines in the access log.
//!
//! Owns: the lines of its start, of its middle and of its end, and the byte counts as they stand then. Does not own: which
//! lines are wanted and how they look (`access_loggers`, `format`).
//! Follows Envoy's page "Access logging" and `HcmAccessLogOptions`.

use crate::format::{AccessLogType, FormatContext};
use crate::random::thread_random;
use crate::stream_info::ByteMeter;

use super::HttpStream;

impl HttpStream<'_> {
    /// The route is known: logs the start of the stream where that is asked for.
    pub(super) fn log_start(&mut self) {
        if !self.settings().access_log.on_start() {
            return;
        }
        self.log_event(AccessLogType::DownstreamStart);
    }

    /// The client has been told that its tunnel stands, or that the protocol changes: logs that where it is asked for.
    pub(crate) fn log_tunnel(&mut self) {
        if self.settings().access_log.on_connected() {
            self.log_event(AccessLogType::DownstreamTunnelSuccessfullyEstablished);
        }
    }

    /// Logs the stream while it lasts, when a line is due.
    pub(super) fn log_if_due(&mut self) {
        if self.timers.log_at.is_some_and(|at| at <= self.now) {
            self.timers.log_at = self.settings().access_log.next_line(self.now);
            self.log_event(AccessLogType::DownstreamPeriodic);
        }
    }

    /// A line before the end: bytes are told as they stand now, and counted on.
    pub(crate) fn log_event(&mut self, occasion: AccessLogType) {
        let counted = self.state.info.downstream;
        self.note_bytes();
        self.log(occasion);
        self.state.info.downstream = counted;
    }

    /// Brings the bytes of the downstream side up to date.
    pub(super) fn note_bytes(&mut self) {
        self.state.info.downstream = self.downstream_bytes();
    }

    /// The bytes of the downstream side as they stand now.
    pub(crate) fn downstream_bytes(&self) -> ByteMeter {
        let mut bytes = self.state.info.downstream;
        let codec = &self.connection.codec;
        bytes.wire_bytes_received = codec.received_wire_bytes();
        bytes.send_head(codec.sent_wire_bytes(), codec.sent_field_bytes());
        bytes
    }

    pub(super) fn log(&self, occasion: AccessLogType) {
        let access_log = &self.settings().access_log;
        if access_log.is_empty() {
            return;
        }
        let state = &*self.state;
        let mut context =
            FormatContext::new(&state.info, self.connection.info, occasion, self.now, thread_random);
        context.request_headers = Some(&state.request);
        if let Some(matched) = &self.matched {
            context.route_metadata = matched.metadata();
        }
        context.response_headers = state.info.response_code.is_some().then_some(&state.response);
        context.response_trailers = (!state.response_trailers.is_empty()).then_some(&state.response_trailers);
        access_log.log(&self.worker.logs, &context);
    }
}
