//! When what happened on a stream, as offsets from its start.
//!
//! Owns the points and their compact store. Does not own the clock (the caller passes the time) nor the units in
//! which logs print (`format`). Follows Envoy's page "Access logging", `%COMMON_DURATION%`.

use std::num::NonZeroI64;
use std::time::{Duration, Instant};

/// A point in a stream's life. `First…` keeps the first mark, all others the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TimePoint {
    /// The last byte of the request was received (`DS_RX_END`).
    LastDownstreamRxByte,
    /// The upstream's connection was begun (`US_CX_BEG`); before the stream's start where an earlier one made it.
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

/// Offsets from the stream's start in nanoseconds; below 0: before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    offsets: [Option<NonZeroI64>; POINTS],
}

impl Timing {
    /// Notes `point` at `now`; a `First…` point that is already set stays.
    #[inline]
    pub fn mark(&mut self, point: TimePoint, start: Instant, now: Instant) {
        let nanos = match now.checked_duration_since(start) {
            Some(after) => nanos(after),
            None => -nanos(start.saturating_duration_since(now)),
        };
        self.set_nanos(point, nanos);
    }

    /// Notes `point` at `offset` from the start.
    #[inline]
    pub fn set(&mut self, point: TimePoint, offset: Duration) {
        self.set_nanos(point, nanos(offset));
    }

    #[inline]
    fn set_nanos(&mut self, point: TimePoint, nanos: i64) {
        let first = matches!(
            point,
            TimePoint::FirstUpstreamTxByte
                | TimePoint::FirstUpstreamRxByte
                | TimePoint::FirstUpstreamRxBodyByte
                | TimePoint::FirstDownstreamTxByte
        );
        if let Some(slot) = self.offsets.get_mut(point as usize) {
            if !(first && slot.is_some()) {
                *slot = NonZeroI64::new(nanos).or(VERY_START);
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

    /// The offset of `point` from the start; `None`: not reached, or before it.
    #[inline]
    #[must_use]
    pub fn get(&self, point: TimePoint) -> Option<Duration> {
        self.nanos(point).and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos)
    }

    /// The offset of `point` from the start in nanoseconds, below 0 before it; `None`: not reached.
    #[inline]
    #[must_use]
    pub fn nanos(&self, point: TimePoint) -> Option<i64> {
        self.offsets.get(point as usize).copied().flatten().map(NonZeroI64::get)
    }

    /// The points of the upstream side alone, as a stream tells them that began `later` than this one.
    #[must_use]
    pub fn of_upstream(&self, later: Duration) -> Self {
        let mut timing = Timing::default();
        for point in UPSTREAM_POINTS {
            if let Some(offset) = self.nanos(point) {
                timing.set_nanos(point, offset.saturating_sub(nanos(later)));
            }
        }
        timing
    }
}

const UPSTREAM_POINTS: [TimePoint; 9] = [
    TimePoint::UpstreamConnectStart,
    TimePoint::UpstreamConnectEnd,
    TimePoint::UpstreamHandshakeEnd,
    TimePoint::UpstreamPoolReady,
    TimePoint::FirstUpstreamTxByte,
    TimePoint::LastUpstreamTxByte,
    TimePoint::FirstUpstreamRxByte,
    TimePoint::FirstUpstreamRxBodyByte,
    TimePoint::LastUpstreamRxByte,
];

/// The very start counts as one nanosecond after it, so that 0 can stand for "not reached".
const VERY_START: Option<NonZeroI64> = NonZeroI64::new(1);

#[inline]
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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
        timing.mark(TimePoint::UpstreamConnectStart, at(7), at(5));
        assert_eq!(timing.get(TimePoint::UpstreamConnectStart), None);
        assert_eq!(timing.nanos(TimePoint::UpstreamConnectStart), Some(-2_000_000));
        timing.mark(TimePoint::LastUpstreamRxByte, start, at(5));
        let later = timing.of_upstream(Duration::from_millis(2));
        assert_eq!(later.get(TimePoint::LastUpstreamRxByte), Some(Duration::from_millis(3)));
        assert_eq!(later.get(TimePoint::RequestComplete), None);
    }
}
