//! The deadlines of a downstream connection while it carries no request.
//!
//! Owns: how long it may be idle, how long it may last, and the drain that follows either. Does not own: the deadlines of
//! a stream (`http_stream/timers.rs`), the timer itself, counting and closing (`http1_connection`).
//! Follows Envoy's `idle_timeout`, `max_connection_duration` and `drain_timeout`.
//!
//! A connection on which there was a request is not closed at once, for the next one may be on its way: for
//! `drain_timeout` it is still answered, and told that the connection closes. With `http1_safe_max_connection_duration` the
//! connection waits for that request as long as it may be idle.

use std::time::{Duration, Instant};

use crate::random::Random;
use crate::timer::earliest;

use super::Timeouts;

/// Which limit a connection has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// `idle_timeout`.
    Idle,
    /// `max_connection_duration`.
    Duration,
    /// `drain_timeout`, after one of the others.
    Drain,
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct ConnectionTimers {
    idle: Option<Duration>,
    drain: Duration,
    idle_since: Instant,
    ends_by: Option<Instant>,
    /// Whether the next request is waited for once the connection has lasted as long as it may.
    waits_for_last_request: bool,
    /// Whether it does wait for that.
    is_waiting: bool,
    drained_by: Option<Instant>,
}

impl ConnectionTimers {
    /// Of a connection that was accepted at `start`.
    pub(super) fn new(timeouts: &Timeouts, start: Instant, random: &Random) -> Self {
        let lasts = |duration| start + longer(duration, timeouts.max_connection_duration_jitter, random);
        ConnectionTimers {
            idle: timeouts.idle,
            drain: longer(timeouts.drain, timeouts.drain_jitter, random),
            idle_since: start,
            ends_by: timeouts.max_connection_duration.map(lasts),
            waits_for_last_request: timeouts.http1_safe_max_connection_duration,
            is_waiting: false,
            drained_by: None,
        }
    }

    /// A request ended at `now`. Answers whether the connection has reached its duration meanwhile.
    pub(super) fn idle_from(&mut self, now: Instant) -> bool {
        self.idle_since = now;
        match self.ends_by {
            Some(by) if by <= now && self.drained_by.is_none() && !self.is_waiting => {
                self.end(Limit::Duration, by);
                true
            }
            _ => false,
        }
    }

    /// From when on a response says that the connection closes.
    pub(super) fn closes_from(&self) -> Option<Instant> {
        if self.drained_by.is_some() || self.is_waiting {
            Some(self.idle_since)
        } else {
            // A request that is there already is not the last one that is waited for.
            self.ends_by.filter(|_| !self.waits_for_last_request)
        }
    }

    /// The deadline that comes first.
    pub(super) fn next(&self) -> Option<Instant> {
        self.drained_by.or_else(|| earliest([self.idle_by(), self.lasts_until()]))
    }

    /// Which limit is reached at `now`, if any; the drain then begins.
    pub(super) fn reached(&mut self, now: Instant) -> Option<Limit> {
        let is_over = |by: Option<Instant>| by.is_some_and(|by| by <= now);
        if self.drained_by.is_some() {
            return is_over(self.drained_by).then_some(Limit::Drain);
        }
        let limit = if is_over(self.lasts_until()) {
            Limit::Duration
        } else if is_over(self.idle_by()) {
            Limit::Idle
        } else {
            return None;
        };
        self.end(limit, now);
        Some(limit)
    }

    /// No more requests are wanted from now on, but those on their way.
    pub(super) fn drain_from(&mut self, now: Instant) {
        self.drained_by.get_or_insert(now + self.drain);
    }

    /// Whether the connection has lasted as long as it may and waits for its last request.
    pub(super) fn is_waiting_for_last_request(&self) -> bool {
        self.is_waiting
    }

    fn end(&mut self, limit: Limit, at: Instant) {
        if limit == Limit::Duration && self.waits_for_last_request {
            self.is_waiting = true;
        } else {
            self.drained_by = Some(at + self.drain);
        }
    }

    fn lasts_until(&self) -> Option<Instant> {
        self.ends_by.filter(|_| !self.is_waiting)
    }

    fn idle_by(&self) -> Option<Instant> {
        self.idle.map(|timeout| self.idle_since + timeout)
    }
}

/// A duration and, at random, up to such a part of it more.
fn longer(duration: Duration, jitter: f64, random: &Random) -> Duration {
    if jitter <= 0.0 {
        return duration;
    }
    // In parts of a million: finer than any timer.
    let part = u32::try_from(random.below(1_000_001)).map_or(0.0, f64::from) / 1e6;
    duration.mul_f64(1.0 + jitter.min(1.0) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timers(idle: u32, duration: u32, start: Instant) -> ConnectionTimers {
        let limit = |seconds: u32| (seconds > 0).then(|| SECOND * seconds);
        ConnectionTimers {
            idle: limit(idle),
            drain: SECOND * 5,
            idle_since: start,
            ends_by: limit(duration).map(|duration| start + duration),
            waits_for_last_request: false,
            is_waiting: false,
            drained_by: None,
        }
    }

    #[test]
    fn an_idle_connection_drains_before_it_closes() {
        let start = Instant::now();
        let mut timers = timers(10, 0, start);
        assert!(!timers.idle_from(start + SECOND));
        assert_eq!((timers.next(), timers.closes_from()), (Some(start + SECOND * 11), None));
        assert_eq!(timers.reached(start + SECOND * 10), None);
        assert_eq!(timers.reached(start + SECOND * 11), Some(Limit::Idle));
        assert_eq!(timers.closes_from(), Some(start + SECOND), "the next response closes");
        assert_eq!(timers.next(), Some(start + SECOND * 16));
        assert_eq!(timers.reached(start + SECOND * 15), None);
        assert_eq!(timers.reached(start + SECOND * 16), Some(Limit::Drain));
    }

    #[test]
    fn the_duration_is_also_reached_while_a_request_is_served() {
        let start = Instant::now();
        let mut timers = timers(100, 10, start);
        assert_eq!(timers.closes_from(), Some(start + SECOND * 10));
        assert!(timers.idle_from(start + SECOND * 12));
        assert_eq!(timers.reached(start + SECOND * 14), None);
        assert_eq!(timers.reached(start + SECOND * 15), Some(Limit::Drain), "the drain began at 10 s");
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn the_last_request_is_waited_for() {
        let start = Instant::now();
        let mut timers = ConnectionTimers { waits_for_last_request: true, ..timers(100, 10, start) };
        assert_eq!(timers.closes_from(), None, "a request that is there is not the last one");
        assert_eq!(timers.reached(start + SECOND * 10), Some(Limit::Duration));
        assert!(timers.is_waiting_for_last_request());
        assert_eq!(timers.closes_from(), Some(start), "the next response closes");
        assert_eq!(timers.next(), Some(start + SECOND * 100), "no drain");
        assert!(!timers.idle_from(start + SECOND * 20), "it is reached once");
        assert_eq!(timers.reached(start + SECOND * 120), Some(Limit::Idle));
        assert_eq!(timers.next(), Some(start + SECOND * 125));
    }

    #[test]
    fn jitter_only_ever_makes_longer() {
        let random = Random::new(7);
        assert_eq!(longer(SECOND, 0.0, &random), SECOND);
        let all: Vec<_> = (0..100).map(|_| longer(SECOND, 0.5, &random)).collect();
        assert!(all.iter().all(|&one| one >= SECOND && one <= SECOND * 3 / 2));
        assert!(all.iter().any(|&one| one > SECOND * 11 / 10));
    }

    #[test]
    fn without_limits_it_stays() {
        let mut timers = timers(0, 0, Instant::now());
        assert_eq!((timers.next(), timers.closes_from()), (None, None));
        assert_eq!(timers.reached(Instant::now() + SECOND * 1_000_000), None);
    }
}
