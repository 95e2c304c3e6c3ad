//! One worker's count of each response code.
//!
//! Owns `upstream_rq_<code>`; the totals of a class (`upstream_rq_2xx`) and of all (`upstream_rq_completed`) are
//! sums of these and cost nothing on traffic. Follows Envoy's rule that a code outside 100 to 599 is "unknown".

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which of the parallel counts of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseClass {
    /// Every response.
    All = 0,
    /// `external.`: the request did not come from inside (no `x-envoy-internal`).
    External = 1,
    /// `internal.`: the request carried `x-envoy-internal: true`.
    Internal = 2,
    /// `canary.`: the upstream said `x-envoy-upstream-canary: true`, or the host is one.
    Canary = 3,
}

/// How many `ResponseClass`es there are.
pub const CLASSES: usize = 4;
/// The code under which those outside 100 to 599 are counted.
pub const UNKNOWN: u16 = 0;
/// The code under which those are counted that only `upstream_rq_completed` is to tell.
pub const UNTOLD: u16 = 1;
const CODES_PER_CLASS: usize = 100;

type Hundred = [AtomicU64; CODES_PER_CLASS];

/// Counts by code; a hundred of them at a time take memory, when the first is seen.
#[derive(Debug, Default)]
pub struct LocalCodes {
    unknown: AtomicU64,
    untold: AtomicU64,
    hundreds: [OnceLock<Box<Hundred>>; 5],
}

impl LocalCodes {
    /// Counts one response.
    #[inline]
    pub fn count(&self, code: u16) {
        let hundred = usize::from(code / 100).wrapping_sub(1);
        let cell = match self.hundreds.get(hundred) {
            Some(slot) => slot
                .get_or_init(|| Box::new([const { AtomicU64::new(0) }; CODES_PER_CLASS]))
                .get(usize::from(code % 100)),
            None => Some(&self.unknown),
        };
        if let Some(cell) = cell {
            increase(cell);
        }
    }

    /// Counts one response without its code.
    pub fn count_untold(&self) {
        increase(&self.untold);
    }

    /// Calls `each` with every code that was seen, ascending, `UNKNOWN` and `UNTOLD` first.
    pub fn each(&self, mut each: impl FnMut(u16, u64)) {
        for (code, cell) in [(UNKNOWN, &self.unknown), (UNTOLD, &self.untold)] {
            let count = cell.load(Ordering::Relaxed);
            if count != 0 {
                each(code, count);
            }
        }
        for (first, slot) in (100_u16..).step_by(CODES_PER_CLASS).zip(&self.hundreds) {
            for (code, cell) in (first..).zip(slot.get().into_iter().flat_map(|cells| cells.iter())) {
                let count = cell.load(Ordering::Relaxed);
                if count != 0 {
                    each(code, count);
                }
            }
        }
    }
}

/// One thread writes.
fn increase(cell: &AtomicU64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_and_odd_ones_are_unknown() {
        let codes = LocalCodes::default();
        for code in [200, 204, 200, 599, 100, 99, 600, 0, u16::MAX] {
            codes.count(code);
        }
        codes.count_untold();
        let mut seen = Vec::new();
        codes.each(|code, count| seen.push((code, count)));
        assert_eq!(seen, [(UNKNOWN, 4), (UNTOLD, 1), (100, 1), (200, 2), (204, 1), (599, 1)]);
    }
}
