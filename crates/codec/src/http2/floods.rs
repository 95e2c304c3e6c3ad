//! What a peer does that costs us more than it.
//!
//! Owns: the bookkeeping of frames that do little, and the verdict. Does not own: queued frames (`outbound.rs`).
//! Follows: Envoy's limits of `Http2ProtocolOptions` and their formulas; the limits on PING, SETTINGS and frames that do
//! nothing are ours: they are earned by real traffic and by time, so that only a peer that sends little else meets them.

use super::error::Http2ErrorKind;
use super::settings::FloodLimits;

/// What one connection has done.
#[derive(Debug)]
pub(crate) struct Floods {
    limits: FloodLimits,
    now_ms: u64,
    streams: u64,
    data_frames_sent: u64,
    empty_in_a_row: u32,
    priorities: u64,
    window_updates: u64,
    resets: Bucket,
    pings: Bucket,
    settings: Bucket,
    useless: Bucket,
}

type Verdict = Result<(), Http2ErrorKind>;

fn within(count: u64, limit: u64, kind: Http2ErrorKind) -> Verdict {
    if count > limit { Err(kind) } else { Ok(()) }
}

impl Floods {
    pub(crate) fn new(limits: FloodLimits) -> Self {
        Floods {
            limits,
            now_ms: 0,
            streams: 0,
            data_frames_sent: 0,
            empty_in_a_row: 0,
            priorities: 0,
            window_updates: 0,
            resets: Bucket::new(limits.reset_burst, limits.resets_per_second),
            pings: Bucket::new(500, 5),
            settings: Bucket::new(100, 1),
            useless: Bucket::new(500, 10),
        }
    }

    pub(crate) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// A stream was opened, by whichever side.
    pub(crate) fn on_stream(&mut self) {
        self.streams += 1;
        self.earn();
    }

    pub(crate) fn on_data_sent(&mut self) {
        self.data_frames_sent += 1;
        self.earn();
    }

    /// Real traffic makes room for what goes along with it.
    fn earn(&mut self) {
        self.pings.earn(2);
        self.useless.earn(1);
    }

    /// A DATA, HEADERS or CONTINUATION frame.
    pub(crate) fn on_payload(&mut self, is_empty: bool, ends_stream: bool) -> Verdict {
        if !is_empty || ends_stream {
            self.empty_in_a_row = 0;
            self.pings.earn(2);
            return Ok(());
        }
        self.empty_in_a_row += 1;
        let limit = self.limits.max_consecutive_empty_frames;
        within(self.empty_in_a_row.into(), limit.into(), Http2ErrorKind::EmptyFramesFlood)
    }

    pub(crate) fn on_priority(&mut self) -> Verdict {
        self.priorities += 1;
        let limit = u64::from(self.limits.max_priority_frames_per_stream) * (1 + self.streams);
        within(self.priorities, limit, Http2ErrorKind::PriorityFlood)
    }

    pub(crate) fn on_window_update(&mut self) -> Verdict {
        self.window_updates += 1;
        let of_data = u64::from(self.limits.max_window_updates_per_data_frame) * self.data_frames_sent;
        let limit = 5 + 2 * (self.streams + of_data);
        within(self.window_updates, limit, Http2ErrorKind::WindowUpdateFlood)
    }

    /// A stream was reset by the peer, or by us because of what it sent.
    pub(crate) fn on_reset(&mut self) -> Verdict {
        self.resets.take(self.now_ms, Http2ErrorKind::ResetFlood)
    }

    pub(crate) fn on_ping(&mut self) -> Verdict {
        self.pings.take(self.now_ms, Http2ErrorKind::PingFlood)
    }

    pub(crate) fn on_settings(&mut self) -> Verdict {
        self.settings.take(self.now_ms, Http2ErrorKind::SettingsFlood)
    }

    /// A frame of an unknown type, or on a stream that is no more.
    pub(crate) fn on_useless(&mut self) -> Verdict {
        self.useless.take(self.now_ms, Http2ErrorKind::UselessFlood)
    }
}

/// So many at a time, and so many more each second.
#[derive(Debug)]
struct Bucket {
    tokens: u64,
    burst: u64,
    per_second: u64,
    filled_ms: u64,
}

impl Bucket {
    fn new(burst: u32, per_second: u32) -> Self {
        Bucket { tokens: burst.into(), burst: burst.into(), per_second: per_second.into(), filled_ms: 0 }
    }

    fn earn(&mut self, tokens: u64) {
        self.tokens = self.burst.min(self.tokens + tokens);
    }

    fn take(&mut self, now_ms: u64, kind: Http2ErrorKind) -> Verdict {
        let seconds = now_ms.saturating_sub(self.filled_ms) / 1000;
        if seconds > 0 {
            self.earn(seconds.saturating_mul(self.per_second));
            self.filled_ms += seconds * 1000;
        }
        self.tokens = self.tokens.checked_sub(1).ok_or(kind)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_with_time() {
        let mut floods = Floods::new(FloodLimits::default());
        floods.set_now(5_000);
        let refused = |floods: &mut Floods| (0..).find(|_| floods.on_reset().is_err()).unwrap();
        assert_eq!(refused(&mut floods), 1000);
        floods.set_now(6_999);
        assert_eq!(refused(&mut floods), 33);
        floods.set_now(7_000);
        assert_eq!(refused(&mut floods), 33);
        floods.set_now(u64::MAX);
        assert_eq!(refused(&mut floods), 1000);
    }

    #[test]
    fn traffic_earns_window_updates_and_pings() {
        let mut floods = Floods::new(FloodLimits::default());
        floods.on_stream();
        floods.on_data_sent();
        for _ in 0..5 + 2 * (1 + 10) {
            floods.on_window_update().unwrap();
        }
        assert_eq!(floods.on_window_update(), Err(Http2ErrorKind::WindowUpdateFlood));
        for _ in 0..10_000 {
            floods.on_ping().unwrap();
            floods.on_data_sent();
        }
        assert_eq!((0..).find(|_| floods.on_ping().is_err()), Some(500));
    }
}
