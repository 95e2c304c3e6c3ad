//! A histogram as read: merged over workers, of the last interval and since the start.
//!
//! Owns the merged bins and what is computed from them. Follows the bins of `histogram`.

/// Counts by bin, ascending; empty bins are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bins(Vec<(usize, u64)>);

impl Bins {
    /// Adds `count` to a bin.
    pub fn add(&mut self, bin: usize, count: u64) {
        match self.0.binary_search_by_key(&bin, |entry| entry.0) {
            Ok(at) => self.0.iter_mut().skip(at).take(1).for_each(|entry| entry.1 += count),
            Err(at) => self.0.insert(at, (bin, count)),
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `self` has beyond `earlier`, which was the same histogram before.
    fn since(&self, earlier: &Self) -> Self {
        let before = |bin: usize| {
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
