//! Operators that print the time between two points of a stream.
//!
//! Owns: which points each names and the unit. Does not own: the points (`stream_info::timing`).
//! Follows: Envoy's page "Access logging", `%DURATION%`, `%COMMON_DURATION(START:END:PRECISION)%`.

use std::time::Instant;

use super::FormatContext;
use super::operator::{Written, write_number};
use crate::stream_info::TimePoint;

/// The time from one point to another; milliseconds unless `%COMMON_DURATION%` says otherwise.
pub(super) struct DurationField {
    from: Point,
    to: Point,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Point {
    Start,
    /// The end of the stream, or now while it lasts.
    EndOrNow,
    /// The begin of the connection.
    ConnectionStart,
    /// The end of its TLS handshake.
    HandshakeEnd,
    At(TimePoint),
    /// A name that only a filter could give a time, and none does.
    Never,
}

#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl DurationField {
    /// The operators that have names of their own.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (from, to) = match name {
            "DURATION" => (Point::Start, Point::EndOrNow),
            "REQUEST_DURATION" => (Point::Start, Point::At(TimePoint::LastDownstreamRxByte)),
            "REQUEST_TX_DURATION" => (Point::Start, Point::At(TimePoint::LastUpstreamTxByte)),
            "RESPONSE_DURATION" => (Point::Start, Point::At(TimePoint::FirstUpstreamRxByte)),
            "RESPONSE_TX_DURATION" => {
                (Point::At(TimePoint::FirstUpstreamRxByte), Point::At(TimePoint::LastDownstreamTxByte))
            }
            "DOWNSTREAM_HANDSHAKE_DURATION" => (Point::Start, Point::HandshakeEnd),
            "UPSTREAM_CONNECTION_POOL_READY_DURATION" => {
                (Point::Start, Point::At(TimePoint::UpstreamPoolReady))
            }
            _ => return None,
        };
        Some(DurationField { from, to, unit: Unit::Milliseconds })
    }

    /// `START:END` or `START:END:ms|us|ns`.
    pub(super) fn common(argument: &str) -> Result<Self, String> {
        let mut parts = argument.split(':');
        let (Some(from), Some(to), unit, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("invalid common duration configuration: {argument}"));
        };
        let unit = match unit {
            None | Some("ms") => Unit::Milliseconds,
            Some("us") => Unit::Microseconds,
            Some("ns") => Unit::Nanoseconds,
            Some(other) => return Err(format!("invalid common duration precision: {other}")),
        };
        Ok(DurationField { from: Point::named(from), to: Point::named(to), unit })
    }

    pub(super) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> Written {
        let Some(value) = self.value(context) else { return Written::Unset };
        // A stream begins after its connection's handshake; all other times of the wrong order are none.
        if value < 0 {
            let Point::HandshakeEnd = self.to else { return Written::Unset };
            out.push(b'-');
        }
        write_number(Some(value.unsigned_abs()), out)
    }

    fn value(&self, context: &FormatContext<'_>) -> Option<i64> {
        let nanos = self.to.offset(context)?.saturating_sub(self.from.offset(context)?);
        let unit = match self.unit {
            Unit::Milliseconds => 1_000_000,
            Unit::Microseconds => 1_000,
            Unit::Nanoseconds => 1,
        };
        // What is but a part of a unit before is no time at all.
        Some(if nanos < 0 && !matches!(self.to, Point::HandshakeEnd) { -1 } else { nanos / unit })
    }
}

impl Point {
    fn named(name: &str) -> Point {
        match name {
            "DS_CX_BEG" => Point::ConnectionStart,
            "DS_HS_END" => Point::HandshakeEnd,
            "DS_RX_BEG" => Point::Start,
            "DS_RX_END" => Point::At(TimePoint::LastDownstreamRxByte),
            "US_CX_BEG" => Point::At(TimePoint::UpstreamConnectStart),
            "US_CX_END" => Point::At(TimePoint::UpstreamConnectEnd),
            "US_HS_END" => Point::At(TimePoint::UpstreamHandshakeEnd),
            "US_TX_BEG" => Point::At(TimePoint::FirstUpstreamTxByte),
            "US_TX_END" => Point::At(TimePoint::LastUpstreamTxByte),
            "US_RX_BEG" => Point::At(TimePoint::FirstUpstreamRxByte),
            "US_RX_BODY_BEG" => Point::At(TimePoint::FirstUpstreamRxBodyByte),
            "US_RX_END" => Point::At(TimePoint::LastUpstreamRxByte),
            "DS_TX_BEG" => Point::At(TimePoint::FirstDownstreamTxByte),
            "DS_TX_END" => Point::At(TimePoint::LastDownstreamTxByte),
            _ => Point::Never,
        }
    }

    /// In nanoseconds from the stream's start.
    fn offset(self, context: &FormatContext<'_>) -> Option<i64> {
        let stream = context.stream;
        match self {
            Point::Start => Some(0),
            Point::EndOrNow => stream.timing.nanos(TimePoint::RequestComplete).or_else(|| {
                let lasted = context.now.saturating_duration_since(stream.start);
                i64::try_from(lasted.as_nanos()).ok()
            }),
            Point::ConnectionStart => Some(between(stream.start, context.connection.start)),
            Point::HandshakeEnd => {
                let tls = context.connection.tls.as_ref()?.handshake.get()?;
                Some(between(stream.start, tls.at))
            }
            Point::At(point) => stream.timing.nanos(point),
            Point::Never => None,
        }
    }
}

/// In nanoseconds; below 0: `to` comes first.
fn between(from: Instant, to: Instant) -> i64 {
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    match to.checked_duration_since(from) {
        Some(after) => nanos(after),
        None => -nanos(from.saturating_duration_since(to)),
    }
}
