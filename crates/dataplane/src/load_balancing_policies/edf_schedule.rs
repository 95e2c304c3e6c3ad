//! Weighted turns: earliest deadline first.
//!
//! Owns the schedule: each host is due once in `1 / weight`, the one that is due first goes first, and among equals the
//! one that waits longest. Follows Envoy's `EdfScheduler`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Entry {
    due: f64,
    /// Counts up at each pick, so that equals go in turn.
    turn: u64,
    host: u32,
    weight: u32,
}

impl Ord for Entry {
    /// The greatest is the one that goes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.total_cmp(&self.due).then_with(|| other.turn.cmp(&self.turn))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// The schedule of one source of hosts.
#[derive(Debug)]
pub struct EdfSchedule {
    entries: BinaryHeap<Entry>,
    turn: u64,
}

impl EdfSchedule {
    /// Hosts with their weights, and where to begin: `start`, from 0 to 1, is the part of a round (in which each host is
    /// picked as often as its weight says) that is taken as over.
    pub fn new(hosts: &[(u32, u32)], start: f64) -> Self {
        let entries = (0..).zip(hosts).map(|(turn, &(host, weight))| {
            let weight = weight.max(1);
            let picked = (start * f64::from(weight)).floor();
            Entry { due: (picked + 1.0) / f64::from(weight), turn, host, weight }
        });
        let entries: BinaryHeap<Entry> = entries.collect();
        let turn = u64::try_from(entries.len()).unwrap_or(0);
        EdfSchedule { entries, turn }
    }

    /// The host whose turn it is; it is due again according to what `weigh` makes of it and its weight.
    pub fn pick(&mut self, weigh: impl FnOnce(u32, u32) -> f64) -> Option<u32> {
        let mut first = self.entries.peek_mut()?;
        let host = first.host;
        first.due += weigh(host, first.weight).recip();
        first.turn = self.turn;
        self.turn += 1;
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(weights: &[(u32, u32)], start: f64, count: usize) -> Vec<u32> {
        let mut schedule = EdfSchedule::new(weights, start);
        (0..count).filter_map(|_| schedule.pick(|_, weight| f64::from(weight))).collect()
    }

    #[test]
    fn turns_are_spread_evenly() {
        assert_eq!(picks(&[(7, 1), (8, 2)], 0.0, 6), [8, 7, 8, 8, 7, 8]);
        assert_eq!(picks(&[(0, 4), (1, 1)], 0.0, 10), [0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn a_round_from_anywhere_is_complete() {
        for tenth in 0..10_u8 {
            let picked = picks(&[(0, 1), (1, 3), (2, 6)], f64::from(tenth) / 10.0, 1000);
            let count = |host| picked.iter().filter(|at| **at == host).count();
            let counts = (count(0), count(1), count(2));
            assert!((99..=101).contains(&counts.0), "{counts:?}");
            assert!((299..=301).contains(&counts.1), "{counts:?}");
        }
    }

    #[test]
    fn nobody_can_be_picked_of_none() {
        assert!(picks(&[], 0.5, 1).is_empty());
    }
}
