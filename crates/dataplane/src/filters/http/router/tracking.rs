//! What a cluster wants counted of an attempt beyond what all clusters count.
//!
//! Owns when its sizes and times are told. Does not own the histograms (`cluster::tracking`).

use std::time::Instant;

use crate::cluster::WorkerTracking;
use crate::error::{Error, ErrorKind};
use crate::http_stream::HttpStream;
use crate::stream_info::TimePoint;

/// An attempt that began at `start` is over.
pub(super) fn attempt_over(
    tracking: &WorkerTracking,
    stream: &mut HttpStream<'_>,
    start: Instant,
    result: &Result<(), Error>,
) {
    let now = Instant::now();
    stream.now = now;
    let state = &*stream.state;
    let has_begun = state.info.timing.get(TimePoint::FirstUpstreamTxByte).is_some();
    let body_bytes = if has_begun { stream.sent_body_bytes } else { 0 };
    tracking.request(&state.request, body_bytes);
    let failure = result.as_ref().err().map(|error| error.kind);
    if !matches!(failure, Some(ErrorKind::ResponseTimeout)) {
        let used = now.saturating_duration_since(start);
        tracking.attempt_time(used, stream.route_timeouts.per_try);
    }
    let is_told = matches!(failure, None | Some(ErrorKind::ResponseTimeout | ErrorKind::PerTryTimeout));
    if let Some(completed_at) = stream.request_completed_at.filter(|_| is_told) {
        let used = now.saturating_duration_since(completed_at);
        tracking.request_time(used, stream.route_timeouts.response);
    }
}

/// The exchange is over, in which the host answered or not.
pub(super) fn exchange_over(tracking: &WorkerTracking, stream: &HttpStream<'_>, body_bytes: u64) {
    if stream.state.info.timing.get(TimePoint::FirstUpstreamRxByte).is_some() {
        tracking.response_body(body_bytes);
    }
}
