//! A histogram as read: merged over workers, of the last interval and since the start.
//!
//! Owns the merged bins and what is computed from them: quantiles, counts below a bound, an approximate sum. Follows
//! Circonus' log-linear histogram with quantiles of type 1 of Hyndman and Fan, as Envoy uses it, so that the same
//! values give the same numbers.

use super::histogram::BINS_PER_DECADE;

/// The quantiles that all pages show.
pub const QUANTILES: [f64; 10] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0];
/// The bounds that Envoy counts below by default.
pub const DEFAULT_BUCKETS: [f64; 19] = [
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6,
    3.6e6,
];

/// Counts by bin, ascending; empty bins are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bins(Vec<(u16, u64)>);

/// One bin: `[lower_bound, lower_bound + width)`; the bin of 0 has no width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Where it begins.
    pub lower_bound: f64,
    /// How wide it is.
    pub width: f64,
    /// How many values fell there.
    pub count: u64,
}

const DECADE: u16 = 90;
const _: () = assert!(DECADE as usize == BINS_PER_DECADE);

impl Bin {
    fn new((bin, count): (u16, u64)) -> Self {
        let Some(place) = bin.checked_sub(1) else { return Self { lower_bound: 0.0, width: 0.0, count } };
        let power = 10_f64.powi(i32::from(place / DECADE));
        Self { lower_bound: f64::from(place % DECADE + 10) / 10.0 * power, width: power / 10.0, count }
    }

    /// Where the relative error is least.
    fn midpoint(self) -> f64 {
        if self.width == 0.0 {
            return self.lower_bound;
        }
        let top = self.lower_bound + self.width;
        self.lower_bound + self.width * (self.lower_bound / (self.lower_bound + top))
    }
}

/// A count as floating point; exact up to 2^53.
fn to_f64(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// The index of the bin that a bound falls into.
fn bin_of(bound: f64) -> u16 {
    if bound < 1.0 {
        return 0;
    }
    let mut decade = 0;
    let mut power = 1.0;
    while bound >= power * 10.0 && decade < 19 {
        power *= 10.0;
        decade += 1;
    }
    let above = (0..DECADE - 1).take_while(|step| f64::from(step + 11) / 10.0 * power <= bound).count();
    1 + decade * DECADE + u16::try_from(above).unwrap_or(DECADE - 1)
}

impl Bins {
    /// Adds `count` to a bin.
    pub fn add(&mut self, bin: usize, count: u64) {
        let bin = u16::try_from(bin).unwrap_or(u16::MAX);
        match self.0.binary_search_by_key(&bin, |entry| entry.0) {
            Ok(at) => self.0.iter_mut().skip(at).take(1).for_each(|entry| entry.1 += count),
            Err(at) => self.0.insert(at, (bin, count)),
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|entry| entry.1).sum()
    }

    /// The bins that are not empty, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Bin> + '_ {
        self.0.iter().map(|entry| Bin::new(*entry))
    }

    /// The sum of all values, as if each stood at the midpoint of its bin.
    pub fn sum(&self) -> f64 {
        self.iter().map(|bin| bin.midpoint() * to_f64(bin.count)).sum()
    }

    /// How many values fell into the bin of `bound` or a lower one.
    pub fn count_below(&self, bound: f64) -> u64 {
        let last = bin_of(bound);
        self.0.iter().take_while(|entry| entry.0 <= last).map(|entry| entry.1).sum()
    }

    /// The values at `QUANTILES`; not a number when nothing was recorded.
    pub fn quantiles(&self) -> [f64; QUANTILES.len()] {
        let total = to_f64(self.count());
        let mut bins = self.iter();
        let Some(mut bin) = bins.next() else { return [f64::NAN; QUANTILES.len()] };
        let (mut below, mut up_to) = (0.0, to_f64(bin.count));
        QUANTILES.map(|quantile| {
            let rank = total * quantile;
            while up_to < rank {
                let Some(next) = bins.next() else { break };
                bin = next;
                below = up_to;
                up_to += to_f64(bin.count);
            }
            let place = (rank - below).ceil().max(1.0);
            bin.lower_bound + place / (to_f64(bin.count) + 1.0) * bin.width
        })
    }

    /// What `self` has beyond `earlier`, which was the same histogram before.
    fn since(&self, earlier: &Self) -> Self {
        let before = |bin: u16| {
            earlier.0.binary_search_by_key(&bin, |entry| entry.0).ok().and_then(|at| earlier.0.get(at))
        };
        let grown = self.0.iter().map(|(bin, count)| {
            (*bin, count.saturating_sub(before(*bin).map_or(0, |(_, earlier_count)| *earlier_count)))
        });
        Self(grown.filter(|(_, count)| *count != 0).collect())
    }
}

/// Both views that the pages show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Of the last `stats_flush_interval`.
    pub interval: Bins,
    /// Since the start.
    pub cumulative: Bins,
}

impl Merged {
    /// Takes a new total; what it has more than the last is the new interval.
    pub(super) fn advance(&mut self, total: Bins) {
        self.interval = total.since(&self.cumulative);
        self.cumulative = total;
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::LocalHistogram;
    use super::*;

    fn bins(values: &[u64]) -> Bins {
        let histogram = LocalHistogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        let mut bins = Bins::default();
        histogram.each(|bin, count| bins.add(bin, count));
        bins
    }

    /// What the real Envoy 1.40 printed for these values.
    #[test]
    fn quantiles_are_those_of_envoy() {
        let values: Vec<u64> = [(0, 29), (1, 5), (2, 2), (3, 2), (42, 2), (43, 1), (45, 1)]
            .iter()
            .flat_map(|(value, count)| std::iter::repeat_n(*value, *count))
            .collect();
        let expected =
            [0.0, 0.0, 0.0, 1.05, 3.066_666_666_666_667, 42.666_666_666_666_664, 45.5, 45.5, 45.5, 45.5];
        assert_eq!(bins(&values).quantiles(), expected);
        assert_eq!(bins(&[0, 1, 41]).quantiles()[..4], [0.0, 0.0, 1.05, 41.5]);
        assert!(bins(&[]).quantiles().iter().all(|value| value.is_nan()));
    }

    #[test]
    fn the_sum_is_that_of_envoy() {
        assert_eq!(bins(&[0, 1, 41]).sum(), 42.541_594_951_233_506);
    }

    #[test]
    fn a_bound_counts_the_whole_bin_that_it_falls_into() {
        let bins = bins(&[0, 1, 5, 255, 259, 260, 1_000_000]);
        let counts = [0.5, 1.0, 5.0, 250.0, 260.0, 3.6e6, 0.0, 1e19].map(|bound| bins.count_below(bound));
        assert_eq!(counts, [1, 2, 3, 5, 6, 7, 1, 7]);
    }

    #[test]
    fn a_bin_index_belongs_to_its_lower_bound() {
        for value in [1_u64, 9, 10, 25, 99, 100, 250, 1_800_000, 10_000_000_000_000_000_000] {
            assert_eq!(bins(&[value]).0, [(bin_of(to_f64(value)), 1)], "{value}");
        }
    }
}
