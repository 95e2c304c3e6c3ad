//! Which host of a cluster serves next.
//!
//! Owns the choice: first among priorities (`priority_load`), then among the hosts of that priority, by the cluster's
//! policy (one file each). Does not own the hosts' health or load, which it is told, nor what happens when there is no
//! host (`cluster`). Follows Envoy's pages "Supported load balancers", "Priority levels", "Panic threshold".
//!
//! One balancer belongs to one worker; like Envoy's workers, each starts at another place.

mod edf_schedule;
mod least_request;
mod priority_load;
mod random;
mod round_robin;

use std::cell::RefCell;

use edf_schedule::EdfSchedule;
use least_request::LeastRequest;
use priority_load::{Availability, PriorityHosts, SourceLoad};
use round_robin::RoundRobin;

use crate::model::cluster::LoadBalancingPolicy;
use crate::random::Random;
use crate::runtime::{RuntimeDouble, RuntimeKey};

/// What the balancer must know of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFacts {
    /// Its priority; 0 is served first.
    pub priority: u32,
    /// Its weight, from 1.
    pub weight: u32,
    /// Its health.
    pub health: HostHealth,
}

/// What a host is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostHealth {
    /// Serves.
    Healthy,
    /// Serves when there are not enough healthy ones.
    Degraded,
    /// Serves in panic only.
    Unhealthy,
    /// As unhealthy, and not counted when it is asked how many of the hosts are healthy.
    Excluded,
}

/// The settings of a cluster that bear on priorities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrioritySettings {
    /// In percent; Envoy's default is 140.
    pub overprovisioning_factor: u32,
    /// In percent; 0 turns panic off.
    pub healthy_panic_threshold_percent: f64,
}

/// A host was chosen, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its place in the list of hosts; `None`: nobody can serve.
    pub host: Option<u32>,
    /// Whether the priority is in panic, so that health was not looked at (`lb_healthy_panic`).
    pub panic: bool,
}

/// How one among the hosts of a source is picked.
#[derive(Debug)]
enum Pick {
    RoundRobin(RoundRobin),
    /// Weighted: a schedule by weight, and by load when there is a bias.
    Scheduled {
        schedule: RefCell<EdfSchedule>,
        active_request_bias: f64,
    },
    Random,
    LeastRequest(LeastRequest),
}

/// The hosts of one priority that are healthy, or degraded, or all of them in panic.
#[derive(Debug)]
struct Source {
    hosts: Box<[u32]>,
    pick: Pick,
    panic: bool,
    /// It serves the draws from 1 to 100 up to this one that no source before it serves.
    up_to: u32,
}

/// Says which keys of the runtime balancers of this policy ask for; what a worker makes of them it makes later.
#[must_use]
pub fn panic_threshold_key(policy: &LoadBalancingPolicy) -> RuntimeKey {
    if let LoadBalancingPolicy::LeastRequest { active_request_bias, .. } = policy {
        let _ = RuntimeDouble::from(active_request_bias);
    }
    RuntimeKey::new("upstream.healthy_panic_threshold")
}

/// The balancer of one cluster on one worker.
#[derive(Debug)]
pub struct LoadBalancer {
    sources: Box<[Source]>,
}

impl LoadBalancer {
    /// `random` gives the places where it starts.
    #[must_use]
    pub fn new(
        policy: &LoadBalancingPolicy,
        settings: PrioritySettings,
        hosts: &[HostFacts],
        random: &Random,
    ) -> Self {
        let loads = priority_load::compute(&count(hosts), settings);
        let mut up_to = 0;
        let mut sources = Vec::with_capacity(loads.len());
        for load in loads {
            up_to += load.percent;
            let members = members(hosts, load);
            let pick = Pick::new(policy, hosts, &members, random);
            sources.push(Source { hosts: members, pick, panic: load.panic, up_to });
        }
        LoadBalancer { sources: sources.into() }
    }

    /// Chooses; `active` tells how many requests a host has from this worker.
    #[inline]
    pub fn choose(&self, random: &Random, active: impl Fn(u32) -> u32) -> Choice {
        let source = match &*self.sources {
            [only] => Some(only),
            sources => {
                let draw = random.below(100) + 1;
                sources.iter().find(|source| draw <= u64::from(source.up_to))
            }
        };
        let Some(source) = source else { return Choice { host: None, panic: false } };
        Choice { host: source.pick(random, active), panic: source.panic }
    }
}

impl Source {
    #[inline]
    fn pick(&self, random: &Random, active: impl Fn(u32) -> u32) -> Option<u32> {
        match &self.pick {
            Pick::RoundRobin(turns) => turns.pick(&self.hosts),
            Pick::Random => random::pick(&self.hosts, random),
            Pick::LeastRequest(policy) => policy.pick(&self.hosts, random, active),
            Pick::Scheduled { schedule, active_request_bias } => {
                let bias = *active_request_bias;
                schedule
                    .borrow_mut()
                    .pick(|host, weight| least_request::weight_under_load(weight, bias, || active(host)))
            }
        }
    }
}

impl Pick {
    fn new(policy: &LoadBalancingPolicy, hosts: &[HostFacts], members: &[u32], random: &Random) -> Self {
        let weighted = |bias: f64| {
            let weights: Vec<(u32, u32)> =
                members.iter().filter_map(|at| Some((*at, fact(hosts, *at)?.weight))).collect();
            let equal = weights.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1));
            let schedule = || RefCell::new(EdfSchedule::new(&weights, random.fraction()));
            (!equal).then(|| Pick::Scheduled { schedule: schedule(), active_request_bias: bias })
        };
        match policy {
            LoadBalancingPolicy::Random {} => Pick::Random,
            LoadBalancingPolicy::RoundRobin {} => {
                weighted(0.0).unwrap_or_else(|| Pick::RoundRobin(RoundRobin::new(random)))
            }
            LoadBalancingPolicy::LeastRequest { choice_count, active_request_bias } => {
                let bias = RuntimeDouble::from(active_request_bias).get();
                // In the place of a negative one Envoy takes 1.
                weighted(if bias >= 0.0 { bias } else { 1.0 })
                    .unwrap_or(Pick::LeastRequest(LeastRequest { choice_count: *choice_count }))
            }
        }
    }
}

fn fact(hosts: &[HostFacts], at: u32) -> Option<&HostFacts> {
    hosts.get(usize::try_from(at).ok()?)
}

fn count(hosts: &[HostFacts]) -> Vec<PriorityHosts> {
    let mut counts: Vec<PriorityHosts> = Vec::new();
    for host in hosts {
        let priority = usize::try_from(host.priority).unwrap_or(usize::MAX - 1);
        if counts.len() <= priority {
            counts.resize(priority + 1, PriorityHosts::default());
        }
        if let Some(count) = counts.get_mut(priority) {
            count.total += 1;
            match host.health {
                HostHealth::Healthy => count.healthy += 1,
                HostHealth::Degraded => count.degraded += 1,
                HostHealth::Excluded => count.excluded += 1,
                HostHealth::Unhealthy => {}
            }
        }
    }
    counts
}

fn members(hosts: &[HostFacts], load: SourceLoad) -> Box<[u32]> {
    let serves = |host: &HostFacts| {
        let fit = match load.availability {
            Availability::Healthy => host.health == HostHealth::Healthy,
            Availability::Degraded => host.health == HostHealth::Degraded,
        };
        usize::try_from(host.priority) == Ok(load.priority) && (load.panic || fit)
    };
    (0..).zip(hosts).filter(|(_, host)| serves(host)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests;
