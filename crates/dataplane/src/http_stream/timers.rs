//! The deadlines of one stream.
//!
//! Owns: which deadlines there are, when each counts, and which error it is to miss one. Does not own the timer itself: a
//! connection has one (`timer`), which is armed for the earliest.
//! Follows Envoy's page "How do I configure timeouts?".

use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::timer::earliest;

/// The deadlines of one stream. `None`: there is no such limit, or it does not count now.
#[derive(Debug, Clone, Copy)]
pub struct StreamTimers {
    /// When the stream began.
    pub start: Instant,
    /// How long nothing may move.
    pub idle_timeout: Option<Duration>,
    /// When something moved last.
    pub active_at: Instant,
    /// Until when the head must be there.
    pub headers_by: Option<Instant>,
    /// Until when the whole request must be there.
    pub request_by: Option<Instant>,
    /// Until when the stream must be over.
    pub stream_by: Option<Instant>,
    /// Until when this try must be over.
    pub try_by: Option<Instant>,
    /// Until when the exchange with the upstream must be over, where the request limits that.
    pub upstream_by: Option<Instant>,
    /// Until when the response must be over.
    pub response_by: Option<Instant>,
    /// When the next line of the stream is due in the access log.
    pub log_at: Option<Instant>,
    /// When the next line of the upstream request is due in its log.
    pub upstream_log_at: Option<Instant>,
}

impl StreamTimers {
    /// A stream that began at `start`.
    #[must_use]
    pub fn new(
        start: Instant,
        idle_timeout: Option<Duration>,
        headers_timeout: Option<Duration>,
        request_timeout: Option<Duration>,
    ) -> Self {
        StreamTimers {
            start,
            idle_timeout,
            active_at: start,
            headers_by: headers_timeout.map(|timeout| start + timeout),
            request_by: request_timeout.map(|timeout| start + timeout),
            stream_by: None,
            try_by: None,
            upstream_by: None,
            response_by: None,
            log_at: None,
            upstream_log_at: None,
        }
    }

    /// The deadline that comes first.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        earliest([
            self.idle_by(),
            self.headers_by,
            self.request_by,
            self.stream_by,
            self.try_by,
            self.upstream_by,
            self.response_by,
            self.log_at,
            self.upstream_log_at,
        ])
    }

    /// Whether lines are due while the stream lasts.
    #[inline]
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.log_at.is_some() || self.upstream_log_at.is_some()
    }

    /// What is missed at `now`.
    #[must_use]
    pub fn missed(&self, now: Instant) -> Option<ErrorKind> {
        let deadlines = [
            (self.headers_by, ErrorKind::RequestHeadersTimeout),
            (self.request_by, ErrorKind::RequestTimeout),
            (self.try_by, ErrorKind::PerTryTimeout),
            (self.response_by, ErrorKind::ResponseTimeout),
            (self.upstream_by, ErrorKind::UpstreamMaxStreamDuration),
            (self.stream_by, ErrorKind::MaxStreamDuration),
            (self.idle_by(), ErrorKind::StreamIdleTimeout),
        ];
        deadlines.into_iter().find(|(by, _)| by.is_some_and(|by| by <= now)).map(|(_, kind)| kind)
    }

    /// The stream failed: all that is waited for is that the client takes the answer.
    pub fn only_idle(&mut self, now: Instant) {
        self.active_at = now;
        self.headers_by = None;
        self.request_by = None;
        self.stream_by = None;
        self.try_by = None;
        self.upstream_by = None;
        self.response_by = None;
    }

    /// The response is whole: all that is waited for is that the client takes it, for so long.
    pub fn flush(&mut self, timeout: Option<Duration>) {
        self.only_idle(Instant::now());
        self.idle_timeout = timeout;
    }

    /// The response has begun: neither the request nor the try is waited for any more.
    #[inline]
    pub fn respond(&mut self) {
        self.request_by = None;
        self.try_by = None;
    }

    fn idle_by(&self) -> Option<Instant> {
        self.idle_timeout.map(|timeout| self.active_at + timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_counts() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut timers = StreamTimers::new(start, Some(second * 5), None, Some(second * 3));
        assert_eq!(timers.next(), Some(start + second * 3));
        assert_eq!(timers.missed(start + second * 2), None);
        assert_eq!(timers.missed(start + second * 3), Some(ErrorKind::RequestTimeout));
        timers.request_by = None;
        timers.active_at = start + second;
        assert_eq!(timers.next(), Some(start + second * 6));
        assert_eq!(timers.missed(start + second * 6), Some(ErrorKind::StreamIdleTimeout));
        timers.response_by = Some(start + second * 2);
        assert_eq!(timers.missed(start + second * 6), Some(ErrorKind::ResponseTimeout));
    }

    #[test]
    fn an_answer_to_a_missed_deadline_has_time_of_its_own() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut timers = StreamTimers::new(start, Some(second * 5), Some(second), Some(second));
        (timers.stream_by, timers.try_by, timers.response_by) = (Some(start), Some(start), Some(start));
        timers.only_idle(start + second * 6);
        assert_eq!(timers.missed(start + second * 10), None);
        assert_eq!(timers.next(), Some(start + second * 11));
    }

    #[test]
    fn without_limits_nothing_is_missed() {
        let start = Instant::now();
        let timers = StreamTimers::new(start, None, None, None);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.missed(start + Duration::from_secs(1 << 30)), None);
    }
}
