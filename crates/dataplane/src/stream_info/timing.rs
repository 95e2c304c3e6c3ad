//! When what happened on a stream, as offsets from its start.
//!
//! Owns the points and their compact store. Does not own the clock (the caller passes the time) nor the units in
//! which logs print (`format`). Follows Envoy's page "Access logging", `%COMMON_DURATION%`.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A point in a stream's life. `First…` keeps the first mark, all others the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TimePoint {
    /// The last byte of the request was received (`DS_RX_END`).
    LastDownstreamRxByte,
    /// A connection to the upstream was begun (`US_CX_BEG`); unset on a reused connection's later streams.
    UpstreamConnectStart,
    /// It was made (`US_CX_END`).
    UpstreamConnectEnd,
    /// Its TLS handshake was done (`US_HS_END`).
    UpstreamHandshakeEnd,
    /// The pool gave a connection.
    UpstreamPoolReady,
    /// The first byte was sent upstream (`US_TX_BEG`).
    FirstUpstreamTxByte,
    /// The last byte was sent upstream (`US_TX_END`).
    LastUpstreamTxByte,
    /// The first byte came from upstream (`US_RX_BEG`).
    FirstUpstreamRxByte,
    /// The first byte of the body came from upstream (`US_RX_BODY_BEG`).
    FirstUpstreamRxBodyByte,
    /// The last byte came from upstream (`US_RX_END`).
    LastUpstreamRxByte,
    /// The first byte was sent downstream (`DS_TX_BEG`).
    FirstDownstreamTxByte,
    /// The last byte was sent downstream (`DS_TX_END`).
    LastDownstreamTxByte,
    /// The stream is over (`%DURATION%`).
    RequestComplete,
}

const POINTS: usize = TimePoint::RequestComplete as usize + 1;

/// Offsets from the stream's start in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    offsets: [Option<NonZeroU64>; POINTS],
}

impl Timing {
    /// Notes `point` at `now`; a `First…` point that is already set stays.
    #[inline]
    pub fn mark(&mut self, point: TimePoint, start: Instant, now: Instant) {
        self.set(point, now.saturating_duration_since(start));
    }

    /// Notes `point` at `offset` from the start.
    #[inline]
    pub fn set(&mut self, point: TimePoint, offset: Duration) {
        let first = matches!(
            point,
            TimePoint::FirstUpstreamTxByte
                | TimePoint::FirstUpstreamRxByte
                | TimePoint::FirstUpstreamRxBodyByte
                | TimePoint::FirstDownstreamTxByte
        );
        // At the very start counts as one nanosecond after it, so that 0 can stand for "not reached".
        let nanos = u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX).max(1);
        if let Some(slot) = self.offsets.get_mut(point as usize) {
            if !(first && slot.is_some()) {
                *slot = NonZeroU64::new(nanos);
            }
        }
    }

    /// Forgets `point`: a retry begins anew with the upstream points.
    #[inline]
    pub fn clear(&mut self, point: TimePoint) {
        if let Some(slot) = self.offsets.get_mut(point as usize) {
            *slot = None;
        }
    }

    /// The offset of `point` from the start; `None`: not reached.
    #[inline]
    #[must_use]
    pub fn get(&self, point: TimePoint) -> Option<Duration> {
        self.offsets.get(point as usize).copied().flatten().map(|nanos| Duration::from_nanos(nanos.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_points_keep_the_first_mark_and_the_others_the_last() {
        let start = Instant::now();
        let mut timing = Timing::default();
        let at = |ms| start + Duration::from_millis(ms);
        for ms in [3, 5] {
            timing.mark(TimePoint::FirstUpstreamRxByte, start, at(ms));
            timing.mark(TimePoint::LastUpstreamRxByte, start, at(ms));
        }
        assert_eq!(timing.get(TimePoint::FirstUpstreamRxByte), Some(Duration::from_millis(3)));
        assert_eq!(timing.get(TimePoint::LastUpstreamRxByte), Some(Duration::from_millis(5)));
        assert_eq!(timing.get(TimePoint::UpstreamConnectEnd), None);
        timing.clear(TimePoint::FirstUpstreamRxByte);
        assert_eq!(timing.get(TimePoint::FirstUpstreamRxByte), None);
        timing.mark(TimePoint::RequestComplete, start, start);
        assert_eq!(timing.get(TimePoint::RequestComplete), Some(Duration::from_nanos(1)));
    }
}
