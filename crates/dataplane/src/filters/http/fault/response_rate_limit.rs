//! So many bytes of a response in a second.
//!
//! Owns: how much may go on now, and when to ask again. Does not own: which responses are limited (`fault`).
//! Follows Envoy's page "Fault Injection": a bucket that holds what may pass in a second, with a twentieth of that in it at
//! first, and that is looked at each 50 ms.

use std::time::{Duration, Instant};

use crate::filters::http::body::{BodyAnswer, BodyInput, BodyOutput};

/// How long a body waits that may not go on.
const FILL_INTERVAL: Duration = Duration::from_millis(50);
const NANOSECONDS: u128 = 1_000_000_000;

/// Limits one response.
#[derive(Debug)]
pub(super) struct ResponseRateLimit {
    bytes_per_second: u64,
    /// How many bytes may go on.
    allowed: u64,
    /// When they were counted; none before the first.
    counted_at: Option<Instant>,
}

impl ResponseRateLimit {
    pub(super) fn new(limit_kbps: u64) -> Self {
        let bytes_per_second = limit_kbps.saturating_mul(1024);
        ResponseRateLimit { bytes_per_second, allowed: bytes_per_second / 20, counted_at: None }
    }

    pub(super) fn transform(
        &mut self,
        input: BodyInput<'_>,
        output: &mut BodyOutput,
        now: Instant,
    ) -> BodyAnswer {
        let BodyInput::Data(data) = input else { return BodyAnswer::Done };
        self.fill(now);
        let allowed = usize::try_from(self.allowed).unwrap_or(usize::MAX).min(data.len());
        if allowed == 0 {
            return BodyAnswer::Wait(Box::pin(tokio::time::sleep(FILL_INTERVAL)));
        }
        let count = output.push(data.get(..allowed).unwrap_or_default());
        self.allowed -= u64::try_from(count).unwrap_or(u64::MAX);
        BodyAnswer::Took(count)
    }

    fn fill(&mut self, now: Instant) {
        let counted_at = *self.counted_at.get_or_insert(now);
        let rate = u128::from(self.bytes_per_second.max(1));
        let elapsed = now.saturating_duration_since(counted_at).as_nanos();
        let more = elapsed.saturating_mul(rate) / NANOSECONDS;
        if more == 0 {
            return;
        }
        let most = self.bytes_per_second;
        self.allowed = self.allowed.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)).min(most);
        // Of the time that makes no whole byte nothing is lost.
        let counted = u64::try_from(more.saturating_mul(NANOSECONDS) / rate).unwrap_or(u64::MAX);
        self.counted_at = Some(counted_at + Duration::from_nanos(counted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_on(limit: &mut ResponseRateLimit, length: usize, now: Instant) -> usize {
        let mut output = BodyOutput::new();
        match limit.transform(BodyInput::Data(&vec![0; length]), &mut output, now) {
            BodyAnswer::Took(count) => {
                assert_eq!(output.data().len(), count);
                count
            }
            _ => 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_much_as_the_time_allows() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut limit = ResponseRateLimit::new(1);
        assert_eq!(goes_on(&mut limit, 10, at(0)), 10);
        assert_eq!(goes_on(&mut limit, 1000, at(0)), 41);
        assert_eq!(goes_on(&mut limit, 1000, at(0)), 0);
        assert_eq!(goes_on(&mut limit, 1000, at(50)), 51);
        assert_eq!(goes_on(&mut limit, 1000, at(100)), 51);
        // No more than that of one second is saved up.
        assert_eq!(goes_on(&mut limit, 5000, at(60_000)), 1024);
        assert_eq!(goes_on(&mut limit, 5000, at(60_000)), 0);
    }

    #[test]
    fn what_makes_no_whole_byte_is_not_lost() {
        let start = Instant::now();
        let mut limit = ResponseRateLimit::new(1);
        limit.fill(start);
        (1..=4000).for_each(|step: u32| limit.fill(start + Duration::from_micros(100) * step));
        assert_eq!(limit.allowed, 51 + 409);
    }
}
