//! Token buckets: so many of something in a time, with bursts up to a limit.
//!
//! Owns: one bucket, shared by all workers, exact. Does not own: what a token is taken for, nor what happens without one.
//! Follows Envoy's `type.v3.TokenBucket`: full at first, refilled continuously at `tokens_per_fill` in each
//! `fill_interval`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::listener_filter::TokenBucket as Model;

const NANOSECONDS: u64 = 1_000_000_000;

/// Buckets that several filters take from: those of the same name and size share one.
#[derive(Debug, Default)]
pub struct SharedBuckets(RefCell<Vec<(String, Model, Arc<TokenBucket>)>>);

impl SharedBuckets {
    /// The bucket of a name; without a name, one of its own.
    ///
    /// # Errors
    /// As `TokenBucket::compile`.
    pub fn bucket(&self, name: &str, model: &Model) -> Result<Arc<TokenBucket>, String> {
        let mut buckets = self.0.borrow_mut();
        let is_same = |known: &&(String, Model, _)| !name.is_empty() && known.0 == name && known.1 == *model;
        if let Some((_, _, bucket)) = buckets.iter().find(is_same) {
            return Ok(Arc::clone(bucket));
        }
        let bucket = Arc::new(TokenBucket::compile(model)?);
        buckets.push((name.to_owned(), model.clone(), Arc::clone(&bucket)));
        Ok(bucket)
    }
}

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
    /// A full bucket; one that holds no token gives none.
    ///
    /// # Errors
    /// No token ever comes.
    pub fn compile(model: &Model) -> Result<Self, String> {
        if model.tokens_per_fill == 0 {
            return Err("a token bucket must be refilled".to_owned());
        }
        let interval = Duration::from_millis(model.fill_interval_ms).as_nanos();
        let per_token =
            u64::try_from(interval / u128::from(model.tokens_per_fill)).unwrap_or(u64::MAX).max(1);
        let to_fill = per_token.saturating_mul(u64::from(model.max_tokens));
        // The begin of time lies before the epoch, so that the bucket is full at once.
        let epoch = Instant::now();
        Ok(TokenBucket { epoch, empty_at: AtomicU64::new(0), per_token, to_fill })
    }

    /// Nanoseconds from the epoch.
    fn since(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// How many tokens it holds when it is full.
    #[must_use]
    pub fn max_tokens(&self) -> u64 {
        self.to_fill / self.per_token
    }

    /// How many whole tokens it holds.
    pub fn remaining(&self, now: Instant) -> u64 {
        self.filled(now) / self.per_token
    }

    /// In how many seconds, rounded up, there is a token again; 0: there is one.
    pub fn next_token_s(&self, now: Instant) -> u64 {
        self.per_token.saturating_sub(self.filled(now)).div_ceil(NANOSECONDS)
    }

    /// What it holds, as the time in which that came.
    fn filled(&self, now: Instant) -> u64 {
        let since = self.since(now);
        let empty_at = self.empty_at.load(Ordering::Acquire).max(since);
        since.saturating_add(self.to_fill).saturating_sub(empty_at)
    }

    /// Nanoseconds in which one token comes.
    #[must_use]
    pub fn per_token(&self) -> u64 {
        self.per_token
    }

    /// Takes one token, if there is one.
    pub fn take(&self, now: Instant) -> bool {
        self.take_several(1, now)
    }

    /// Takes so many tokens, if there are as many; as in Envoy, nobody gets none.
    pub fn take_several(&self, tokens: u64, now: Instant) -> bool {
        let since = self.since(now);
        let now = since.saturating_add(self.to_fill);
        let cost = self.per_token.saturating_mul(tokens);
        let taken = self.empty_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |empty_at| {
            let next = empty_at.max(since).saturating_add(cost);
            (tokens > 0 && next <= now).then_some(next)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_one_name_and_size_are_one() {
        let shared = SharedBuckets::default();
        let model = |max_tokens| Model { max_tokens, tokens_per_fill: 1, fill_interval_ms: 1000 };
        let bucket = |name, max_tokens| shared.bucket(name, &model(max_tokens)).expect("a bucket");
        assert!(Arc::ptr_eq(&bucket("a", 1), &bucket("a", 1)));
        assert!(!Arc::ptr_eq(&bucket("a", 1), &bucket("a", 2)));
        assert!(!Arc::ptr_eq(&bucket("a", 1), &bucket("b", 1)));
        assert!(!Arc::ptr_eq(&bucket("", 1), &bucket("", 1)));
    }

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
    fn it_tells_what_is_left() {
        let model = Model { max_tokens: 2, tokens_per_fill: 1, fill_interval_ms: 10_000 };
        let bucket = TokenBucket::compile(&model).expect("bucket");
        let at = |seconds| bucket.epoch + Duration::from_secs(seconds);
        let told = |seconds| (bucket.remaining(at(seconds)), bucket.next_token_s(at(seconds)));
        assert_eq!((bucket.max_tokens(), told(0)), (2, (2, 0)));
        assert!(bucket.take(at(0)));
        assert_eq!(told(0), (1, 0));
        assert!(bucket.take(at(0)));
        assert_eq!(
            [told(0), told(1), told(9), told(10), told(100)],
            [(0, 10), (0, 9), (0, 1), (1, 0), (2, 0)]
        );
    }

    #[test]
    fn an_empty_bucket_gives_nothing_and_one_that_is_never_filled_is_refused() {
        let model = Model { max_tokens: 0, tokens_per_fill: 1, fill_interval_ms: 1000 };
        let bucket = TokenBucket::compile(&model).expect("bucket");
        assert!(!bucket.take(bucket.epoch) && !bucket.take(bucket.epoch + Duration::from_secs(60)));
        assert!(TokenBucket::compile(&Model { max_tokens: 1, tokens_per_fill: 0, ..model }).is_err());
    }
}
