//! How far a stream has come: what begins and ends when its request is whole, and what passes before its response.
//!
//! Owns: the begin of the deadlines that count from then on, interim responses, and how the response is framed. Does not
//! own: the copying (`exchange`), the deadlines themselves (`timers`).
//! Follows: RFC 9110 section 15.2, RFC 9112 section 6.3; Envoy's page "How do I configure timeouts?".

use std::time::Instant;

use ferryman_codec::{BodyFraming, KnownName, Version};

use crate::error::{Error, ErrorKind};
use crate::stream_info::{Protocol, TimePoint};

use super::HttpStream;
use super::transformed_body::transformed_framing;

impl HttpStream<'_> {
    /// An upstream's first 100 or 103, and of HTTP/2 its first 102, is passed on where the configuration says so. All other
    /// 1xx end here, as in Envoy. Answers whether this was the first.
    pub(crate) fn pass_informational(&mut self, status: u16) -> Result<bool, Error> {
        let settings = self.settings();
        let state = &mut *self.state;
        let is_first = !std::mem::replace(&mut self.informational_seen, true);
        let is_passed = settings.proxy_100_continue && self.head.version != Version::Http10;
        let is_http2 = state.info.upstream.protocol == Some(Protocol::Http2);
        if is_first && is_passed && (matches!(status, 100 | 103) || status == 102 && is_http2) {
            settings.response_headers.apply_informational(&mut state.response, Some(&state.request));
            self.connection
                .codec
                .queue_informational(&state.response)
                .map_err(|error| Error::from(ErrorKind::UpstreamCodec(error.kind)))?;
            self.count_status(status);
        }
        self.state.response.clear();
        Ok(is_first)
    }

    /// All of the request is there: from now on the upstream's time counts.
    pub(super) fn complete_request(&mut self) {
        if self.request_completed_at.is_some() {
            return;
        }
        if self.head.framing != BodyFraming::None {
            self.now = Instant::now();
        }
        self.request_completed_at = Some(self.now);
        self.timers.request_by = None;
        if !self.is_tunnel {
            self.timers.response_by = self.route_timeouts.response.map(|timeout| self.now + timeout);
        }
        self.state.info.mark(TimePoint::LastDownstreamRxByte, self.now);
    }

    /// The upstream has all of the request: from now on the try's time counts.
    pub(super) fn begin_try(&mut self) {
        if !self.response_started {
            self.timers.try_by = self.route_timeouts.per_try.map(|timeout| self.now + timeout);
        }
    }

    /// The length that a response to this request is to be framed with, given the upstream's framing.
    pub(crate) fn downstream_framing(&self, upstream: BodyFraming) -> BodyFraming {
        let transformed = transformed_framing(&self.state.response, &self.state.response_body);
        match (transformed.unwrap_or(upstream), self.head.version) {
            _ if self.is_tunnel => upstream,
            (BodyFraming::UntilClose, Version::Http11 | Version::Http2) => BodyFraming::Chunked,
            (BodyFraming::Chunked, Version::Http10) => BodyFraming::UntilClose,
            (framing, _) => framing,
        }
    }

    /// Whether trailers may go to the client.
    pub(super) fn sends_trailers(&self) -> bool {
        self.head.version == Version::Http2 || self.settings().http1_settings.enable_trailers
    }

    /// Milliseconds since all of the request was there, as text for `x-envoy-upstream-service-time`.
    pub(crate) fn set_upstream_service_time(&mut self) {
        let Some(completed_at) = self.request_completed_at else { return };
        let elapsed = self.now.saturating_duration_since(completed_at).as_millis();
        let text = crate::decimal::Decimal::new(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.state.response.set(KnownName::XEnvoyUpstreamServiceTime, text.as_bytes());
    }
}
