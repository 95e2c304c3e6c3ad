//! Token buckets: so many of something in a time, with bursts up to a limit.
//!
//! Owns: one bucket, shared by all workers, exact. Does not own: what a token is taken for, nor what happens without one.
//! Follows Envoy's `type.v3.TokenBucket`: full at first, refilled continuously at `tokens_per_fill` in each
//! `fill_interval`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::listener_filter::TokenBucket as Model;

/// A bucket. What it holds is the time since it was last empty, in nanoseconds, at the rate of filling.
#[derive(Debug)]
pub struct TokenBucket {
    epoch: Instant,
    /// Nanoseconds from the epoch at which the bucket was empty.
    empty_at: AtomicU64,
    /// Nanoseconds in which one token comes.
    per_token: u64,
    /// Nanoseconds in which the bucket fills up.
    to_fill: u64,
}

impl TokenBucket {
    /// A full bucket.
    ///
    /// # Errors
    /// It holds no token, or none ever comes.
    pub fn compile(model: &Model) -> Result<Self, String> {
        if model.max_tokens == 0 || model.tokens_per_fill == 0 {
            return Err("a token bucket must hold tokens and be refilled".to_owned());
        }
        let interval = Duration::from_millis(model.fill_interval_ms).as_nanos();
        let per_token =
            u64::try_from(interval / u128::from(model.tokens_per_fill)).unwrap_or(u64::MAX).max(1);
        let to_fill = per_token.saturating_mul(u64::from(model.max_tokens));
        // The begin of time lies before the epoch, so that the bucket is full at once.
        let epoch = Instant::now();
        Ok(TokenBucket { epoch, empty_at: AtomicU64::new(0), per_token, to_fill })
    }

    /// Takes one token, if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let since = u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        let now = since.saturating_add(self.to_fill);
        let taken = self.empty_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |empty_at| {
            let next = empty_at.max(since).saturating_add(self.per_token);
            (next <= now).then_some(next)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_at_first_and_fills_up_again() {
        let model = Model { max_tokens: 3, tokens_per_fill: 2, fill_interval_ms: 1000 };
        let bucket = TokenBucket::compile(&model).expect("bucket");
        let start = bucket.epoch;
        let take = |after_ms| bucket.take(start + Duration::from_millis(after_ms));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(499), take(500), take(500)], [false, true, false]);
        assert_eq!([take(60_000), take(60_000), take(60_000), take(60_000)], [true, true, true, false]);
    }

    #[test]
    fn an_empty_bucket_is_refused() {
        for (max_tokens, tokens_per_fill) in [(0, 1), (1, 0)] {
            let model = Model { max_tokens, tokens_per_fill, fill_interval_ms: 1000 };
            assert!(TokenBucket::compile(&model).is_err());
        }
    }
}
