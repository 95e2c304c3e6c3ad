//! `envoy.load_balancing_policies.random`: any host, whatever its weight (as in Envoy).

use crate::random::Random;

#[inline]
pub fn pick(hosts: &[u32], random: &Random) -> Option<u32> {
    hosts.get(random.index_below(hosts.len())).copied()
}
