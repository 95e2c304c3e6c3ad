//! `envoy.load_balancing_policies.least_request`: the least busy of a few that are drawn.
//!
//! Owns the draw among hosts of equal weight, and what a weight is worth under load for those of different ones, which
//! have an `EdfSchedule`. How busy a host is, each worker sees by its own requests.

use crate::random::Random;

/// Draws among hosts of equal weight.
#[derive(Debug)]
pub struct LeastRequest {
    /// How many are drawn; one may be drawn twice.
    pub choice_count: u32,
}

impl LeastRequest {
    #[inline]
    pub fn pick(&self, hosts: &[u32], random: &Random, active: impl Fn(u32) -> u32) -> Option<u32> {
        let draw = || hosts.get(random.index_below(hosts.len())).copied();
        let mut best = draw()?;
        let mut fewest = active(best);
        for _ in 1..self.choice_count {
            let drawn = draw()?;
            let requests = active(drawn);
            if requests < fewest {
                (best, fewest) = (drawn, requests);
            }
        }
        Some(best)
    }
}

/// `weight / (active + 1) ^ bias`; the bias 0 is round robin by weight.
#[inline]
pub fn weight_under_load(weight: u32, bias: f64, active: impl FnOnce() -> u32) -> f64 {
    let weight = f64::from(weight);
    if bias == 0.0 {
        return weight;
    }
    let requests = f64::from(active()) + 1.0;
    weight / if bias == 1.0 { requests } else { requests.powf(bias) }
}
