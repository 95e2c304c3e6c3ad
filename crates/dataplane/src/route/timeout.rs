//! How long a request may take, and the headers by which clients and upstreams have a say in it.
//!
//! Owns: the response timeout and the reading of the router's request headers. Does not own: the timers, nor retries
//! (issue by issue: their headers are taken off here and counted for nothing until then).
//! Follows Envoy's page "Router", section "HTTP headers (consumed)".

use std::time::Duration;

use ferryman_codec::{HeaderBlock, KnownName};

use crate::decimal::{self, Decimal};

use super::action::{ForwardAction, RouteLimit};
use super::condition::is_grpc;
use super::grpc_timeout;

/// Headers that speak to the router alone.
const CONSUMED: &[KnownName] = &[
    KnownName::XEnvoyUpstreamRqTimeoutMs,
    KnownName::XEnvoyUpstreamRqPerTryTimeoutMs,
    KnownName::XEnvoyUpstreamRqTimeoutAltResponse,
    KnownName::XEnvoyUpstreamStreamDurationMs,
    KnownName::XEnvoyUpstreamAltStatName,
    KnownName::XEnvoyHedgeOnPerTryTimeout,
    KnownName::XEnvoyMaxRetries,
    KnownName::XEnvoyRetryOn,
    KnownName::XEnvoyRetryGrpcOn,
    KnownName::XEnvoyRetriableStatusCodes,
    KnownName::XEnvoyRetriableHeaderNames,
];

/// A route's response timeout. 0 milliseconds: none.
#[derive(Debug, Clone, Copy)]
pub(super) struct RouteTimeout {
    milliseconds: u64,
    text: Decimal,
}

impl RouteTimeout {
    /// A route with a `max_stream_duration` has no response timeout but those that requests ask for.
    pub(super) fn new(timeout_ms: Option<u64>, has_max_stream_duration: bool) -> Self {
        let milliseconds = if has_max_stream_duration { 0 } else { timeout_ms.unwrap_or(0) };
        RouteTimeout { milliseconds, text: Decimal::new(milliseconds) }
    }

    pub(super) fn duration(self) -> Option<Duration> {
        positive(self.milliseconds)
    }
}

fn positive(milliseconds: u64) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// The timeouts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// From the end of the request to the end of the response; none: unlimited.
    pub response: Option<Duration>,
    /// The same for one try; none: only `response` counts.
    pub per_try: Option<Duration>,
    /// How long the upstream stream may last, when the request says so.
    pub max_stream_duration: Option<Duration>,
    /// Whether a missed timeout is answered 204, as the request may ask.
    pub answers_no_content: bool,
}

impl ForwardAction {
    /// Works out the timeouts, takes the headers off that speak to the router alone, and tells the upstream how long it has
    /// in `x-envoy-expected-rq-timeout-ms` (unless the router has `suppress_envoy_headers`). With `respect_expected_rq_timeout`,
    /// that header says how long it has if it came with the request.
    #[inline]
    pub fn set_timeouts(
        &self,
        request: &mut HeaderBlock,
        suppress_envoy_headers: bool,
        respect_expected_rq_timeout: bool,
    ) -> Timeouts {
        let asked = respect_expected_rq_timeout || CONSUMED.iter().any(|&name| request.contains(name));
        let limits_calls =
            self.grpc_duration.is_some() || matches!(self.max_stream_duration, RouteLimit::After(_));
        if asked || limits_calls || self.grpc_timeout.is_some() {
            return self.set_asked_timeouts(request, suppress_envoy_headers, respect_expected_rq_timeout);
        }
        if self.timeout.milliseconds > 0 && !suppress_envoy_headers {
            request.set(KnownName::XEnvoyExpectedRqTimeoutMs, self.timeout.text.as_bytes());
        }
        Timeouts { response: self.timeout.duration(), ..Timeouts::default() }
    }

    #[cold]
    fn set_asked_timeouts(
        &self,
        request: &mut HeaderBlock,
        suppress_envoy_headers: bool,
        respect_expected_rq_timeout: bool,
    ) -> Timeouts {
        let number = |name| request.get(name).and_then(decimal::parse);
        let of_grpc = self.grpc_timeout.and_then(|limits| limits.of_response(request));
        let of_route = of_grpc.unwrap_or(self.timeout.milliseconds);
        // What a proxy before this one has allowed for comes before what the request asks for.
        let is_expected =
            respect_expected_rq_timeout && request.contains(KnownName::XEnvoyExpectedRqTimeoutMs);
        let asked = match is_expected {
            true => KnownName::XEnvoyExpectedRqTimeoutMs,
            false => KnownName::XEnvoyUpstreamRqTimeoutMs,
        };
        let response = number(asked).unwrap_or(of_route);
        let of_stream = self.grpc_duration.and_then(|limits| limits.of_stream(request));
        // As in Envoy, the host of a call is told what limits all streams of the route.
        let of_stream = of_stream.or_else(|| match self.max_stream_duration {
            RouteLimit::After(duration) if is_grpc(request) => u64::try_from(duration.as_millis()).ok(),
            _ => None,
        });
        let asked_per_try = number(KnownName::XEnvoyUpstreamRqPerTryTimeoutMs).unwrap_or(0);
        let per_try = if response > 0 && asked_per_try >= response { 0 } else { asked_per_try };
        let max_stream_duration = number(KnownName::XEnvoyUpstreamStreamDurationMs);
        // With hedging, a try that is given up on goes on beside the next one.
        let hedged = request.get(KnownName::XEnvoyHedgeOnPerTryTimeout) == Some(b"true");
        let answers_no_content = request.contains(KnownName::XEnvoyUpstreamRqTimeoutAltResponse);
        let expected = if hedged || per_try == 0 { response } else { per_try };
        for &name in CONSUMED {
            if !is_expected || name != KnownName::XEnvoyUpstreamRqTimeoutMs {
                request.remove(name);
            }
        }
        if expected > 0 && !suppress_envoy_headers {
            request.set(KnownName::XEnvoyExpectedRqTimeoutMs, Decimal::new(expected).as_bytes());
        }
        if let Some(milliseconds) = of_grpc.filter(|_| expected > 0).map(|_| expected).or(of_stream) {
            grpc_timeout::write(request, milliseconds);
        }
        Timeouts {
            response: positive(response),
            per_try: positive(per_try),
            max_stream_duration: max_stream_duration.and_then(positive),
            answers_no_content,
        }
    }
}

#[cfg(test)]
#[path = "timeout_tests.rs"]
mod tests;
