//! Random numbers for decisions on traffic: fast, not for secrets.
//!
//! Owns the generator (wyrand: a 64-bit counter, multiplied and folded) and one of them a thread. Each worker has its
//! own, so none is shared. A seed makes the sequence repeat, for tests. Does not own identifiers that must not be
//! guessed.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};

const INCREMENT: u64 = 0xa076_1d64_78bd_642f;
const MIX: u64 = 0xe703_7ed1_a0b4_28db;

/// The low and the high half of a product.
#[inline]
fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = (u128::from(a) * u128::from(b)).to_le_bytes();
    let half = |at: usize| -> u64 {
        let bytes = product.get(at..at + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    (half(0), half(8))
}

/// A generator; stays on its thread.
#[derive(Debug)]
pub struct Random {
    state: Cell<u64>,
}

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random { state: Cell::new(seed) }
    }

    /// Any number.
    #[inline]
    pub fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(INCREMENT);
        self.state.set(state);
        let (low, high) = multiply(state, state ^ MIX);
        low ^ high
    }

    /// A number from 0 to `limit - 1`; 0 for a limit of 0. Without division: the bias is below `limit` / 2^64.
    #[inline]
    pub fn below(&self, limit: u64) -> u64 {
        multiply(self.next(), limit).1
    }

    /// A number from 0 to `limit - 1`, as an index; 0 for a limit of 0.
    #[inline]
    pub fn index_below(&self, limit: usize) -> usize {
        usize::try_from(self.below(u64::try_from(limit).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// A fraction, at least 0 and below 1.
    #[inline]
    pub fn fraction(&self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }
}

/// A number from this thread's generator, which the system seeds: for seeds, and where no worker is at hand.
#[must_use]
pub fn thread_random() -> u64 {
    thread_local! {
        static RANDOM: Random = Random::new(RandomState::new().build_hasher().finish());
    }
    RANDOM.with(Random::next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_seeds_differ() {
        let draw = |seed| {
            let random = Random::new(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn below_is_even_and_never_reaches_the_limit() {
        let random = Random::new(7);
        let mut seen = [0_u32; 10];
        (0..100_000).for_each(|_| seen[random.index_below(10)] += 1);
        assert!(seen.iter().all(|count| (9_600..10_400).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn fractions_fill_the_unit() {
        let random = Random::new(3);
        let sum: f64 = (0..100_000).map(|_| random.fraction()).sum();
        assert!((49_500.0..50_500.0).contains(&sum), "{sum}");
    }

    #[test]
    fn threads_have_sequences_of_their_own() {
        let elsewhere = std::thread::spawn(thread_random).join().unwrap();
        assert_ne!(thread_random(), elsewhere);
    }
}
