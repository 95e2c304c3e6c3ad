//! What each policy makes of hosts, against expectations that were computed by hand.

use super::*;
use crate::model::runtime::RuntimeDouble as RuntimeDoubleModel;

const SETTINGS: PrioritySettings =
    PrioritySettings { overprovisioning_factor: 140, healthy_panic_threshold_percent: 50.0 };
const LEAST_REQUEST: LoadBalancingPolicy =
    LoadBalancingPolicy::LeastRequest { choice_count: 2, active_request_bias: bias(1.0) };

const fn bias(default_value: f64) -> RuntimeDoubleModel {
    RuntimeDoubleModel { default_value, runtime_key: String::new() }
}

fn healthy(weight: u32) -> HostFacts {
    HostFacts { priority: 0, weight, health: HostHealth::Healthy }
}

/// How often each host is chosen in `draws`.
fn distribution(
    policy: &LoadBalancingPolicy,
    hosts: &[HostFacts],
    draws: u32,
    active: impl Fn(u32) -> u32,
) -> Vec<u32> {
    let random = Random::new(42);
    let balancer = LoadBalancer::new(policy, SETTINGS, hosts, &random);
    let mut counts = vec![0; hosts.len()];
    for _ in 0..draws {
        let host = balancer.choose(&random, &active).host.unwrap();
        counts[usize::try_from(host).unwrap()] += 1;
    }
    counts
}

fn near(counts: &[u32], expected: &[u32], tolerance: u32) {
    let close = counts.iter().zip(expected).all(|(count, wanted)| count.abs_diff(*wanted) <= tolerance);
    assert!(close && counts.len() == expected.len(), "{counts:?}, expected {expected:?}");
}

#[test]
fn round_robin_takes_turns() {
    let hosts = [healthy(1); 3];
    assert_eq!(distribution(&LoadBalancingPolicy::RoundRobin {}, &hosts, 300, |_| 0), [100; 3]);
    let random = Random::new(1);
    let balancer = LoadBalancer::new(&LoadBalancingPolicy::RoundRobin {}, SETTINGS, &hosts, &random);
    let first = balancer.choose(&random, |_| 0).host.unwrap();
    let following: Vec<u32> = (0..3).filter_map(|_| balancer.choose(&random, |_| 0).host).collect();
    assert_eq!(following, [(first + 1) % 3, (first + 2) % 3, first]);
}

#[test]
fn round_robin_starts_anywhere() {
    let first = |seed| {
        let random = Random::new(seed);
        let policy = LoadBalancingPolicy::RoundRobin {};
        LoadBalancer::new(&policy, SETTINGS, &[healthy(1); 4], &random).choose(&random, |_| 0).host
    };
    let starts: Vec<_> = (0..40).map(first).collect();
    assert!((0..4).all(|host| starts.contains(&Some(host))), "{starts:?}");
}

#[test]
fn round_robin_honours_weights() {
    let hosts = [healthy(1), healthy(3), healthy(6)];
    near(&distribution(&LoadBalancingPolicy::RoundRobin {}, &hosts, 10_000, |_| 0), &[1000, 3000, 6000], 1);
}

#[test]
fn random_ignores_weights() {
    let hosts = [healthy(1), healthy(9)];
    near(&distribution(&LoadBalancingPolicy::Random {}, &hosts, 10_000, |_| 0), &[5000, 5000], 150);
}

#[test]
fn least_request_prefers_the_idle_of_two() {
    // Host 0 is busy: chosen only when drawn twice, 1 of 9.
    let hosts = [healthy(1); 3];
    let counts = distribution(&LEAST_REQUEST, &hosts, 9000, |host| u32::from(host == 0) * 5);
    near(&counts, &[1000, 4000, 4000], 150);
}

#[test]
fn least_request_divides_weights_by_load() {
    // 4 / 2 requests against 1 / 1: two to one.
    let hosts = [healthy(4), healthy(1)];
    let counts = distribution(&LEAST_REQUEST, &hosts, 3000, |host| u32::from(host == 0));
    near(&counts, &[2000, 1000], 2);
    let no_bias = LoadBalancingPolicy::LeastRequest { choice_count: 2, active_request_bias: bias(0.0) };
    near(&distribution(&no_bias, &hosts, 3000, |_| 100), &[2400, 600], 1);
}

#[test]
fn load_spills_over_to_the_next_priority() {
    let at = |priority, health| HostFacts { priority, weight: 1, health };
    let hosts = [
        at(0, HostHealth::Healthy),
        at(0, HostHealth::Unhealthy),
        at(1, HostHealth::Healthy),
        at(1, HostHealth::Degraded),
    ];
    near(&distribution(&LoadBalancingPolicy::RoundRobin {}, &hosts, 10_000, |_| 0), &[7000, 0, 3000, 0], 200);
}

#[test]
fn panic_and_no_hosts_are_told() {
    let random = Random::new(1);
    let new = |hosts: &[HostFacts], settings| {
        LoadBalancer::new(&LEAST_REQUEST, settings, hosts, &random).choose(&random, |_| 0)
    };
    let unhealthy = HostFacts { health: HostHealth::Unhealthy, ..healthy(1) };
    assert_eq!(new(&[unhealthy], SETTINGS), Choice { host: Some(0), panic: true });
    assert_eq!(new(&[], SETTINGS), Choice { host: None, panic: true });
    let off = PrioritySettings { healthy_panic_threshold_percent: 0.0, ..SETTINGS };
    assert_eq!(new(&[unhealthy], off), Choice { host: None, panic: false });
}
