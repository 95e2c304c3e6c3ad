//! Buckets by what requests say of themselves.
//!
//! Owns: which bucket belongs to a descriptor, also those that wildcards make, and the order in which several are asked.
//! Does not own: the buckets (`token_bucket`), nor the answer to a request that gets no token.
//! Follows Envoy's local rate limit: the slowest of the matching buckets is asked first, and what was taken from one before
//! the next has none is not given back.
//!
//! Of several wildcards that match, the most specific counts; Envoy takes any of them.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::model::listener_filter::TokenBucket as BucketModel;
use crate::model::rate_limit::{DescriptorEntry, LocalRateLimitDescriptor};
use crate::token_bucket::TokenBucket;

use super::{Descriptor, Entry};

/// What a limiter is made of.
#[derive(Debug, Clone, Copy)]
pub struct LimiterModel<'a> {
    /// The bucket of requests that no descriptor matches; none: they are not limited.
    pub token_bucket: Option<&'a BucketModel>,
    /// The buckets of descriptors.
    pub descriptors: &'a [LocalRateLimitDescriptor],
    /// Whether the others need a token of `token_bucket` as well.
    pub always_default: bool,
    /// How many buckets one descriptor with wildcards may have at a time.
    pub max_dynamic: u32,
}

/// Buckets, and which of them a request takes from.
#[derive(Debug)]
pub struct Limiter {
    default: Option<Arc<TokenBucket>>,
    always_default: bool,
    hasher: RandomState,
    exact: HashMap<u64, Vec<Exact>>,
    /// The most specific first.
    wildcards: Vec<Wildcard>,
}

/// What a limiter says of a request.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it goes on.
    pub allowed: bool,
    /// Whether it goes on only because the bucket that had no token is in shadow mode.
    pub shadowed: bool,
    /// The bucket to tell of: one that had no token, else the first that was asked; none: none was.
    pub bucket: Option<Arc<TokenBucket>>,
    /// Whether the response tells of it; none: as the filter says.
    pub tells: Option<bool>,
}

#[derive(Debug)]
struct Exact {
    entries: Vec<DescriptorEntry>,
    bucket: Arc<TokenBucket>,
    shadow: bool,
}

/// A descriptor of which some values may be any.
#[derive(Debug)]
struct Wildcard {
    entries: Vec<DescriptorEntry>,
    model: BucketModel,
    shadow: bool,
    most: usize,
    made: Mutex<Made>,
}

/// The buckets of one such descriptor, the least recently used of which goes first.
#[derive(Debug, Default)]
struct Made {
    turn: u64,
    by_values: HashMap<Box<[u8]>, (u64, Arc<TokenBucket>)>,
    by_turn: BTreeMap<u64, Box<[u8]>>,
}

struct Match {
    bucket: Arc<TokenBucket>,
    shadow: bool,
    hits: u64,
    tells: Option<bool>,
}

impl Limiter {
    /// Compiles it.
    ///
    /// # Errors
    /// No token ever comes.
    pub fn compile(model: LimiterModel<'_>) -> Result<Self, String> {
        let mut limiter = Limiter {
            default: model.token_bucket.map(TokenBucket::compile).transpose()?.map(Arc::new),
            always_default: model.always_default,
            hasher: RandomState::new(),
            exact: HashMap::new(),
            wildcards: Vec::new(),
        };
        for descriptor in model.descriptors {
            let LocalRateLimitDescriptor { entries, token_bucket, shadow_mode } = descriptor;
            let (entries, shadow) = (entries.clone(), *shadow_mode);
            let bucket = Arc::new(TokenBucket::compile(token_bucket)?);
            if entries.iter().any(|entry| entry.value.is_empty()) {
                let most = usize::try_from(model.max_dynamic).unwrap_or(usize::MAX).max(1);
                let made = Mutex::default();
                limiter.wildcards.push(Wildcard { entries, model: token_bucket.clone(), shadow, most, made });
            } else {
                let pairs = entries.iter().map(|entry| (entry.key.as_bytes(), entry.value.as_bytes()));
                let hash = limiter.hash(pairs);
                limiter.exact.entry(hash).or_default().push(Exact { entries, bucket, shadow });
            }
        }
        limiter
            .wildcards
            .sort_by_key(|wildcard| wildcard.entries.iter().filter(|entry| entry.value.is_empty()).count());
        Ok(limiter)
    }

    fn hash<'a>(&self, entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for (key, value) in entries {
            hasher.write_usize(key.len());
            hasher.write(key);
            hasher.write_usize(value.len());
            hasher.write(value);
        }
        hasher.finish()
    }

    /// Whether descriptors have buckets of their own.
    #[must_use]
    pub fn has_descriptors(&self) -> bool {
        !self.exact.is_empty() || !self.wildcards.is_empty()
    }

    /// Takes the tokens of a request.
    #[must_use]
    pub fn take(&self, descriptors: &[Descriptor<'_>], now: Instant) -> Verdict {
        let mut matches: Vec<Match> = descriptors.iter().filter_map(|found| self.find(found)).collect();
        matches.sort_by_key(|found| std::cmp::Reverse(found.bucket.per_token()));
        let mut shadowed = None;
        for found in &matches {
            if found.bucket.take_several(found.hits, now) {
                continue;
            }
            if !found.shadow {
                let bucket = Some(Arc::clone(&found.bucket));
                return Verdict { allowed: false, shadowed: false, bucket, tells: found.tells };
            }
            shadowed = shadowed.or(Some(found));
        }
        if let Some(default) = self.default.as_ref().filter(|_| matches.is_empty() || self.always_default) {
            let allowed = default.take(now);
            if !allowed || matches.is_empty() {
                return Verdict { allowed, shadowed: false, bucket: Some(Arc::clone(default)), tells: None };
            }
        }
        let told = shadowed.or(matches.first());
        Verdict {
            allowed: true,
            shadowed: shadowed.is_some(),
            bucket: told.map(|found| Arc::clone(&found.bucket)),
            tells: told.and_then(|found| found.tells),
        }
    }

    fn find(&self, descriptor: &Descriptor<'_>) -> Option<Match> {
        let of = |bucket, shadow| Match { bucket, shadow, hits: descriptor.hits, tells: descriptor.tells };
        let hash = self.hash(descriptor.entries.iter().map(|(key, value)| (*key, &**value)));
        let same = |exact: &&Exact| {
            exact.entries.len() == descriptor.entries.len()
                && exact.entries.iter().zip(&descriptor.entries).all(|(entry, (key, value))| {
                    entry.key.as_bytes() == *key && entry.value.as_bytes() == &**value
                })
        };
        if let Some(exact) = self.exact.get(&hash).and_then(|alike| alike.iter().find(same)) {
            return Some(of(Arc::clone(&exact.bucket), exact.shadow));
        }
        let wildcard = self.wildcards.iter().find(|wildcard| wildcard.matches(&descriptor.entries))?;
        Some(of(wildcard.bucket(&descriptor.entries)?, wildcard.shadow))
    }
}

impl Wildcard {
    fn matches(&self, entries: &[Entry<'_>]) -> bool {
        self.entries.len() == entries.len()
            && self.entries.iter().zip(entries).all(|(entry, (key, value))| {
                entry.key.as_bytes() == *key && (entry.value.is_empty() || entry.value.as_bytes() == &**value)
            })
    }

    /// The bucket of a request's values, made when they are new.
    fn bucket(&self, entries: &[Entry<'_>]) -> Option<Arc<TokenBucket>> {
        let mut values = Vec::new();
        for (entry, (_, value)) in self.entries.iter().zip(entries) {
            if entry.value.is_empty() {
                values.extend_from_slice(&value.len().to_be_bytes());
                values.extend_from_slice(value);
            }
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.turn += 1;
        let (turn, values) = (made.turn, values.into_boxed_slice());
        if let Some((used, bucket)) = made.by_values.get_mut(&values) {
            let (before, bucket) = (std::mem::replace(used, turn), Arc::clone(bucket));
            made.by_turn.remove(&before);
            made.by_turn.insert(turn, values);
            return Some(bucket);
        }
        if made.by_values.len() >= self.most
            && let Some((_, oldest)) = made.by_turn.pop_first()
        {
            made.by_values.remove(&oldest);
        }
        let bucket = Arc::new(TokenBucket::compile(&self.model).ok()?);
        made.by_turn.insert(turn, values.clone());
        made.by_values.insert(values, (turn, Arc::clone(&bucket)));
        Some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn bucket(max_tokens: u32, tokens_per_fill: u32) -> BucketModel {
        BucketModel { max_tokens, tokens_per_fill, fill_interval_ms: 3_600_000 }
    }

    fn configured(entries: &[(&str, &str)], token_bucket: BucketModel) -> LocalRateLimitDescriptor {
        let entry = |&(key, value): &(&str, &str)| DescriptorEntry { key: key.into(), value: value.into() };
        let entries = entries.iter().map(entry).collect();
        LocalRateLimitDescriptor { entries, token_bucket, shadow_mode: false }
    }

    fn limiter(descriptors: &[LocalRateLimitDescriptor], max_dynamic: u32) -> Limiter {
        let model = LimiterModel { token_bucket: None, descriptors, always_default: true, max_dynamic };
        Limiter::compile(model).expect("limiter")
    }

    fn said<'a>(entries: &[(&'a str, &'a str)]) -> Descriptor<'a> {
        let entry = |&(key, value): &(&'a str, &'a str)| (key.as_bytes(), Cow::Borrowed(value.as_bytes()));
        Descriptor { entries: entries.iter().map(entry).collect(), hits: 1, tells: None }
    }

    fn told(limiter: &Limiter, entries: &[&[(&str, &str)]]) -> Option<u64> {
        let descriptors: Vec<_> = entries.iter().map(|entries| said(entries)).collect();
        limiter.take(&descriptors, Instant::now()).bucket.map(|bucket| bucket.max_tokens())
    }

    #[test]
    fn the_most_specific_bucket_counts() {
        let configured = [
            configured(&[("a", ""), ("b", "")], bucket(1, 1)),
            configured(&[("a", ""), ("b", "2")], bucket(2, 1)),
            configured(&[("a", "1"), ("b", "2")], bucket(3, 1)),
        ];
        let limiter = limiter(&configured, 9);
        assert_eq!(told(&limiter, &[&[("a", "1"), ("b", "2")]]), Some(3));
        assert_eq!(told(&limiter, &[&[("a", "x"), ("b", "2")]]), Some(2));
        assert_eq!(told(&limiter, &[&[("a", "x"), ("b", "y")]]), Some(1));
        assert_eq!(told(&limiter, &[&[("b", "2"), ("a", "1")]]), None, "another order is another descriptor");
        assert_eq!(told(&limiter, &[&[("a", "1")]]), None);
        assert_eq!(told(&limiter, &[&[("a", "1b"), ("", "2")]]), None);
    }

    #[test]
    fn the_slowest_bucket_is_asked_first() {
        let configured = [configured(&[("a", "1")], bucket(5, 9)), configured(&[("b", "1")], bucket(1, 1))];
        let limiter = limiter(&configured, 9);
        let both: [&[_]; 2] = [&[("a", "1")], &[("b", "1")]];
        assert_eq!([told(&limiter, &both), told(&limiter, &both)], [Some(1), Some(1)]);
        let left = limiter.take(&[said(&[("a", "1")])], Instant::now()).bucket.expect("bucket");
        assert_eq!(left.remaining(Instant::now()), 3, "the second of both did not ask it");
    }

    #[test]
    fn the_least_recently_used_values_lose_their_bucket() {
        let limiter = limiter(&[configured(&[("who", "")], bucket(2, 1))], 2);
        let left = |who: &str| {
            let verdict = limiter.take(&[said(&[("who", who)])], Instant::now());
            verdict.bucket.expect("bucket").remaining(Instant::now())
        };
        assert_eq!([left("a"), left("c"), left("a")], [1, 1, 0]);
        assert_eq!([left("d"), left("a")], [1, 0], "c is gone, a is still there");
        assert_eq!(left("c"), 1, "it begins anew");
        assert_eq!(limiter.wildcards[0].made.lock().expect("made").by_values.len(), 2);
    }
}
