//! `envoy.load_balancing_policies.round_robin`: each host in its turn.
//!
//! Owns the turns of hosts with equal weights; those with different ones have an `EdfSchedule`.

use std::cell::Cell;

use crate::random::Random;

/// Whose turn it is.
#[derive(Debug)]
pub struct RoundRobin {
    next: Cell<usize>,
}

impl RoundRobin {
    /// Starts anywhere, so that workers and restarts do not all begin with the same host.
    pub fn new(random: &Random) -> Self {
        RoundRobin { next: Cell::new(random.index_below(usize::MAX)) }
    }

    #[inline]
    pub fn pick(&self, hosts: &[u32]) -> Option<u32> {
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        hosts.get(next.checked_rem(hosts.len())?).copied()
    }
}
