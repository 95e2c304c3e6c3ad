//! How the load is divided among priorities.
//!
//! Owns the arithmetic of Envoy's pages "Priority levels", "Degraded endpoints" and "Panic threshold": a priority is
//! available as far as its healthy (then its degraded) hosts times the overprovisioning factor go; what it cannot take
//! spills over to the next; when too few hosts are healthy everywhere, a priority is in panic and uses all of its hosts.
//! All in whole percents, rounded down as Envoy does, the rest to the first.

use super::PrioritySettings;

/// How many hosts a priority has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PriorityHosts {
    pub total: u32,
    pub healthy: u32,
    pub degraded: u32,
    pub excluded: u32,
}

impl PriorityHosts {
    fn counted(self) -> u32 {
        self.total.saturating_sub(self.excluded)
    }

    /// Percent of the load that `hosts` of these can take, at most 100.
    fn availability(self, hosts: u32, factor: u32) -> u32 {
        let available = (u64::from(factor) * u64::from(hosts)).checked_div(u64::from(self.counted()));
        u32::try_from(available.unwrap_or(0).min(100)).unwrap_or(100)
    }

    fn is_in_panic(self, threshold: f64) -> bool {
        let counted = f64::from(self.counted());
        let percent = |hosts: u32| if counted == 0.0 { 0.0 } else { 100.0 * f64::from(hosts) / counted };
        percent(self.healthy) + percent(self.degraded) < threshold
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    Healthy,
    Degraded,
}

/// The share of the load that some hosts of a priority get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLoad {
    pub priority: usize,
    pub availability: Availability,
    /// All hosts of the priority serve, whatever their health.
    pub panic: bool,
    pub percent: u32,
}

/// The sources that get any load, first the healthy ones by priority, then the degraded ones; together 100 percent.
pub fn compute(priorities: &[PriorityHosts], settings: PrioritySettings) -> Vec<SourceLoad> {
    let none = [PriorityHosts::default()];
    let priorities = if priorities.is_empty() { &none } else { priorities };
    let factor = settings.overprovisioning_factor;
    let healthy: Vec<u32> = priorities.iter().map(|of| of.availability(of.healthy, factor)).collect();
    let degraded: Vec<u32> = priorities.iter().map(|of| of.availability(of.degraded, factor)).collect();
    let available = healthy.iter().chain(&degraded).sum::<u32>().min(100);
    // Envoy has the threshold as a whole number.
    let threshold = settings.healthy_panic_threshold_percent.clamp(0.0, 100.0).floor();

    let (mut healthy_load, mut degraded_load) = share(&healthy, &degraded, available);
    let mut panic = vec![false; priorities.len()];
    if threshold == 0.0 && available == 0 {
        add_to_first(&mut healthy_load, |_| true, 100);
    } else if available < 100 {
        panic = priorities.iter().map(|of| of.is_in_panic(threshold)).collect();
        if panic.iter().all(|panic| *panic) {
            healthy_load = share_in_total_panic(priorities);
            degraded_load.fill(0);
        }
    }
    let sources = [(Availability::Healthy, healthy_load), (Availability::Degraded, degraded_load)];
    let each = sources.into_iter().flat_map(|(availability, load)| {
        let panic = panic.clone();
        load.into_iter().zip(panic).enumerate().map(move |(priority, (percent, panic))| SourceLoad {
            priority,
            availability,
            panic,
            percent,
        })
    });
    each.filter(|source| source.percent > 0).collect()
}

/// By availability: the healthy hosts of all priorities in order, then the degraded.
fn share(healthy: &[u32], degraded: &[u32], available: u32) -> (Vec<u32>, Vec<u32>) {
    let mut left = 100;
    let mut take = |availability: &u32| {
        let load = (availability * 100).checked_div(available).unwrap_or(0).min(left);
        left -= load;
        load
    };
    let mut healthy_load: Vec<u32> = healthy.iter().map(&mut take).collect();
    let mut degraded_load: Vec<u32> = degraded.iter().map(&mut take).collect();
    // What is left is rounding; nothing is available at all when there is nobody to take it.
    if !add_to_first(&mut healthy_load, |at| healthy.get(at).is_some_and(|of| *of > 0), left) {
        add_to_first(&mut degraded_load, |at| degraded.get(at).is_some_and(|of| *of > 0), left);
    }
    (healthy_load, degraded_load)
}

/// By number of hosts, whatever their health.
fn share_in_total_panic(priorities: &[PriorityHosts]) -> Vec<u32> {
    let total: u64 = priorities.iter().map(|of| u64::from(of.total)).sum();
    let percent = |of: &PriorityHosts| {
        let percent = (100 * u64::from(of.total)).checked_div(total).unwrap_or(0);
        u32::try_from(percent).unwrap_or(0)
    };
    let mut load: Vec<u32> = priorities.iter().map(percent).collect();
    let left = 100_u32.saturating_sub(load.iter().sum());
    if !add_to_first(&mut load, |at| priorities.get(at).is_some_and(|of| of.total > 0), left) {
        add_to_first(&mut load, |_| true, left);
    }
    load
}

fn add_to_first(load: &mut [u32], fits: impl Fn(usize) -> bool, amount: u32) -> bool {
    let first = load.iter_mut().enumerate().find(|(at, _)| fits(*at));
    first.map(|(_, load)| *load += amount).is_some()
}

#[cfg(test)]
mod tests {
    use super::Availability::{Degraded, Healthy};
    use super::*;

    const SETTINGS: PrioritySettings =
        PrioritySettings { overprovisioning_factor: 140, healthy_panic_threshold_percent: 50.0 };

    /// Of (total, healthy, degraded, excluded): (priority, availability, panic, percent).
    fn loads(
        hosts: &[(u32, u32, u32, u32)],
        settings: PrioritySettings,
    ) -> Vec<(usize, Availability, bool, u32)> {
        let counts =
            |&(total, healthy, degraded, excluded)| PriorityHosts { total, healthy, degraded, excluded };
        let hosts: Vec<PriorityHosts> = hosts.iter().map(counts).collect();
        let fields = |of: SourceLoad| (of.priority, of.availability, of.panic, of.percent);
        compute(&hosts, settings).into_iter().map(fields).collect()
    }

    #[test]
    fn the_tables_of_envoys_documentation() {
        // "Priority levels": P0 of 100 hosts, P1 of 100 healthy ones.
        for (healthy, first, second) in [(100, 100, 0), (72, 100, 0), (71, 99, 1), (50, 70, 30), (25, 35, 65)]
        {
            let expected: Vec<_> = [(0, Healthy, false, first), (1, Healthy, false, second)]
                .into_iter()
                .filter(|of| of.3 > 0)
                .collect();
            assert_eq!(loads(&[(100, healthy, 0, 0), (100, 100, 0, 0)], SETTINGS), expected, "{healthy}");
        }
        // "If the total is below 100 it is scaled": 20 % (28), 20 % (28): 50 each; both are below the threshold.
        assert_eq!(
            loads(&[(100, 20, 0, 0), (100, 20, 0, 0)], SETTINGS),
            [(0, Healthy, true, 50), (1, Healthy, true, 50)]
        );
    }

    #[test]
    fn degraded_hosts_come_after_the_healthy_of_all_priorities() {
        assert_eq!(
            loads(&[(10, 5, 5, 0), (10, 1, 0, 0)], SETTINGS),
            [(0, Healthy, false, 70), (1, Healthy, false, 14), (0, Degraded, false, 16)]
        );
        assert_eq!(loads(&[(4, 0, 4, 0)], SETTINGS), [(0, Degraded, false, 100)]);
    }

    #[test]
    fn panic_shares_by_number_of_hosts() {
        assert_eq!(
            loads(&[(1, 0, 0, 0), (2, 0, 0, 0)], SETTINGS),
            [(0, Healthy, true, 34), (1, Healthy, true, 66)]
        );
        assert_eq!(loads(&[(4, 1, 0, 0)], SETTINGS), [(0, Healthy, true, 100)]);
        assert_eq!(loads(&[], SETTINGS), [(0, Healthy, true, 100)]);
        assert_eq!(loads(&[(0, 0, 0, 0), (1, 0, 0, 0)], SETTINGS), [(1, Healthy, true, 100)]);
    }

    #[test]
    fn a_priority_alone_in_panic_uses_all_hosts_for_its_share() {
        // P0: 14 %, P1: 84 %: together below 100.
        assert_eq!(
            loads(&[(10, 1, 0, 0), (10, 6, 0, 0)], SETTINGS),
            [(0, Healthy, true, 15), (1, Healthy, false, 85)]
        );
    }

    #[test]
    fn panic_off_leaves_nobody() {
        let off = PrioritySettings { healthy_panic_threshold_percent: 0.0, ..SETTINGS };
        assert_eq!(loads(&[(4, 0, 0, 0)], off), [(0, Healthy, false, 100)]);
        assert_eq!(loads(&[(4, 1, 0, 0)], off), [(0, Healthy, false, 100)]);
    }

    #[test]
    fn excluded_hosts_are_not_counted() {
        assert_eq!(loads(&[(10, 2, 0, 8)], SETTINGS), [(0, Healthy, false, 100)]);
    }
}
