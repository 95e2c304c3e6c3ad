//! Whether the peer of an HTTP/2 connection is still there.
//!
//! Owns: when it is asked by PING, and when it has owed an answer for too long. Does not own: the frames
//! (`ferryman_codec::http2`), nor what becomes of the connection (who drives it).
//! Follows: Envoy's `KeepaliveSettings`.

use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::http_connection_manager::KeepaliveSettings as Model;
use crate::random::{Random, thread_random};
use crate::timer::LazyTimer;

/// When a peer is asked, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeepaliveSettings {
    /// The time between an answer, or the beginning, and the next question; none: it is not asked regularly.
    pub interval: Option<Duration>,
    /// Up to such a part of the interval is added at random; 0 to 1.
    pub interval_jitter: f64,
    /// How long it may take to answer. Anything that comes meanwhile gives it as much again.
    pub timeout: Duration,
    /// A peer from which nothing came for so long is asked before a stream is opened; none: it is not.
    pub connection_idle_interval: Option<Duration>,
}

impl From<&Model> for KeepaliveSettings {
    fn from(model: &Model) -> Self {
        KeepaliveSettings {
            interval: model.interval_ms.map(Duration::from_millis),
            interval_jitter: (model.interval_jitter_percent / 100.0).clamp(0.0, 1.0),
            timeout: Duration::from_millis(model.timeout_ms),
            connection_idle_interval: model.connection_idle_interval_ms.map(Duration::from_millis),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A PING is to be sent.
    Ping,
    /// The peer has not answered: the connection is to end.
    End,
}

/// The questions to one peer.
#[derive(Debug)]
pub struct Keepalive {
    settings: KeepaliveSettings,
    random: Random,
    timer: LazyTimer,
    /// When the next question is due.
    asks_at: Option<Instant>,
    /// By when the last one must be answered.
    ends_at: Option<Instant>,
    received_at: Instant,
}

impl Keepalive {
    /// Of a connection that begins now.
    #[must_use]
    pub fn new(settings: KeepaliveSettings) -> Self {
        Self::begin(settings, Instant::now(), thread_random())
    }

    fn begin(settings: KeepaliveSettings, now: Instant, seed: u64) -> Self {
        let timer = LazyTimer::new();
        let random = Random::new(seed);
        let mut this = Keepalive { settings, random, timer, asks_at: None, ends_at: None, received_at: now };
        this.answered(now);
        this
    }

    /// The peer has answered: it is asked again after the interval.
    pub fn answered(&mut self, now: Instant) {
        self.ends_at = None;
        let jitter = 1.0 + self.settings.interval_jitter * self.random.fraction();
        self.asks_at = self.settings.interval.map(|interval| now + interval.mul_f64(jitter));
    }

    /// Anything has come.
    pub fn received(&mut self, now: Instant) {
        self.received_at = now;
        if self.ends_at.is_some() {
            self.ends_at = Some(now + self.settings.timeout);
        }
    }

    /// Whether a PING is to be sent before a stream is opened, for nothing has come for long.
    pub fn is_doubtful(&mut self, now: Instant) -> bool {
        let silent = now.saturating_duration_since(self.received_at);
        let is_long = self.settings.connection_idle_interval.is_some_and(|most| silent > most);
        is_long && self.ask(now)
    }

    /// Answers whether nothing was asked that waits for its answer.
    fn ask(&mut self, now: Instant) -> bool {
        self.asks_at = None;
        let is_new = self.ends_at.is_none();
        if is_new {
            self.ends_at = Some(now + self.settings.timeout);
        }
        is_new
    }

    /// Ready when something is to be done.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let next = self.ends_at.or(self.asks_at);
            if self.timer.poll_at(cx, next).is_pending() {
                return Poll::Pending;
            }
            if let Some(due) = self.due(Instant::now()) {
                return Poll::Ready(due);
            }
        }
    }

    fn due(&mut self, now: Instant) -> Option<Due> {
        let is_past = |by: Option<Instant>| by.is_some_and(|by| by <= now);
        if is_past(self.ends_at) {
            return Some(Due::End);
        }
        (is_past(self.asks_at) && self.ask(now)).then_some(Due::Ping)
    }
}

/// What a PING carries: as Envoy's, the time in milliseconds, which tells apart what was captured.
#[must_use]
pub fn payload() -> [u8; 8] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keepalive(interval: u32, idle: u32, start: Instant) -> Keepalive {
        let limit = |seconds: u32| (seconds > 0).then(|| SECOND * seconds);
        let settings = KeepaliveSettings {
            interval: limit(interval),
            interval_jitter: 0.0,
            timeout: SECOND * 3,
            connection_idle_interval: limit(idle),
        };
        Keepalive::begin(settings, start, 1)
    }

    #[test]
    fn asks_after_the_interval_and_ends_without_an_answer() {
        let start = Instant::now();
        let mut keepalive = keepalive(10, 0, start);
        assert_eq!(keepalive.due(start + SECOND * 9), None);
        assert_eq!(keepalive.due(start + SECOND * 10), Some(Due::Ping));
        assert_eq!(keepalive.due(start + SECOND * 12), None);
        assert_eq!(keepalive.due(start + SECOND * 13), Some(Due::End));
    }

    #[test]
    fn an_answer_begins_the_next_interval() {
        let start = Instant::now();
        let mut keepalive = keepalive(10, 0, start);
        assert_eq!(keepalive.due(start + SECOND * 10), Some(Due::Ping));
        keepalive.answered(start + SECOND * 12);
        assert_eq!(keepalive.due(start + SECOND * 21), None);
        assert_eq!(keepalive.due(start + SECOND * 22), Some(Due::Ping));
    }

    #[test]
    fn whatever_comes_gives_it_time_again() {
        let start = Instant::now();
        let mut keepalive = keepalive(10, 0, start);
        assert_eq!(keepalive.due(start + SECOND * 10), Some(Due::Ping));
        keepalive.received(start + SECOND * 12);
        assert_eq!(keepalive.due(start + SECOND * 14), None);
        assert_eq!(keepalive.due(start + SECOND * 15), Some(Due::End));
    }

    #[test]
    fn a_stream_on_a_silent_connection_asks_once() {
        let start = Instant::now();
        let mut keepalive = keepalive(0, 5, start);
        assert!(!keepalive.is_doubtful(start + SECOND * 5));
        assert!(keepalive.is_doubtful(start + SECOND * 6));
        assert!(!keepalive.is_doubtful(start + SECOND * 7), "it waits for the answer to the first");
        assert_eq!(keepalive.due(start + SECOND * 9), Some(Due::End));
        keepalive.answered(start + SECOND * 9);
        assert_eq!(keepalive.due(start + SECOND * 100), None);
    }

    #[test]
    fn jitter_only_ever_makes_longer() {
        let start = Instant::now();
        let mut keepalive = keepalive(10, 0, start);
        keepalive.settings.interval_jitter = 0.5;
        for _ in 0..1000 {
            keepalive.answered(start);
            let asks_at = keepalive.asks_at.unwrap();
            assert!((start + SECOND * 10..start + SECOND * 15).contains(&asks_at));
        }
    }
}
