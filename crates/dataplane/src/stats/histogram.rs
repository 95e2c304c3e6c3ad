//! One worker's share of a histogram, written without locks.
//!
//! Owns the log-linear bins of Circonus' histogram, which Envoy uses: two significant decimal digits, so 90 bins a
//! decade, plus one for 0. Memory is taken a decade at a time, when a value falls there. Merging and quantiles are in
//! `distribution`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bins of a decade: the values 10 to 99 of the two leading digits.
pub const BINS_PER_DECADE: usize = 90;
/// Decades of a `u64`.
pub const DECADES: usize = 20;

type Decade = [AtomicU64; BINS_PER_DECADE];

/// Counts of one worker. Only that worker records; anyone reads.
#[derive(Debug, Default)]
pub struct LocalHistogram {
    zero: AtomicU64,
    decades: [OnceLock<Box<Decade>>; DECADES],
}

fn bump(cell: &AtomicU64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl LocalHistogram {
    /// Counts `value`, in whatever unit the histogram's name says.
    #[inline]
    pub fn record(&self, value: u64) {
        let Some(exponent) = value.checked_ilog10() else { return bump(&self.zero) };
        let digits = if exponent == 0 { value.wrapping_mul(10) } else { value / 10_u64.pow(exponent - 1) };
        let (Ok(decade), Ok(bin)) = (usize::try_from(exponent), usize::try_from(digits - 10)) else { return };
        let slot = self.decades.get(decade);
        let bins =
            slot.map(|bins| bins.get_or_init(|| Box::new([const { AtomicU64::new(0) }; BINS_PER_DECADE])));
        if let Some(cell) = bins.and_then(|bins| bins.get(bin)) {
            bump(cell);
        }
    }

    /// Calls `each` with every bin that is not empty: its index, ascending in value, and its count. Index 0 is the
    /// value 0, then 90 for each decade.
    pub fn each(&self, mut each: impl FnMut(usize, u64)) {
        let zero = self.zero.load(Ordering::Relaxed);
        if zero != 0 {
            each(0, zero);
        }
        for (decade, slot) in self.decades.iter().enumerate() {
            for (bin, cell) in slot.get().into_iter().flat_map(|bins| bins.iter().enumerate()) {
                let count = cell.load(Ordering::Relaxed);
                if count != 0 {
                    each(1 + decade * BINS_PER_DECADE + bin, count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(values: &[u64]) -> Vec<(usize, u64)> {
        let histogram = LocalHistogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        let mut bins = Vec::new();
        histogram.each(|bin, count| bins.push((bin, count)));
        bins
    }

    #[test]
    fn two_digits_are_kept() {
        assert_eq!(bins(&[0, 0]), [(0, 2)]);
        assert_eq!(bins(&[1, 9]), [(1, 1), (81, 1)]);
        assert_eq!(bins(&[10, 41, 99]), [(91, 1), (122, 1), (180, 1)]);
        assert_eq!(bins(&[100, 109, 110, 119]), [(181, 2), (182, 2)]);
    }

    #[test]
    fn the_largest_value_has_a_bin() {
        assert_eq!(bins(&[u64::MAX]), [(1 + 19 * 90 + 8, 1)]);
    }
}
