//! How much of an upstream cluster may be in use at once.
//!
//! Owns the limits of a cluster by priority (connections, pending requests, requests, retries, connection pools), who has
//! taken how many, and the gauges that tell. Does not decide what happens when a limit is met: the connection pool and the router do.
//! Follows Envoy's page "Circuit breaking"; the runtime may set `circuit_breakers.<cluster>.<default|high>.<limit>`.
//!
//! A limit holds for all workers together. Each worker counts in cells of its own, written without a read-modify-write;
//! when it has used up what it found free the last time, it adds up the cells of all. It then takes as granted a lot of
//! what is free: a sixteenth of its even part, at most 64. Workers that hold lots at once may exceed a limit by those
//! lots (Envoy's workers may too, by a race). A limit below 32 a worker has no lots, and is as exact as Envoy's.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::cluster::CircuitBreakerThresholds;
use crate::model::route::RoutingPriority;
use crate::runtime;
use crate::stats::{ClusterStat, ClusterStats, LocalScope, Scope};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Upstream connections, open or being opened.
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    /// Requests on a connection.
    Requests,
    /// Retries that are under way.
    Retries,
    /// Connection pools that have a connection, or somebody who waits for one.
    ConnectionPools,
}

const RESOURCES: usize = 5;
const SLOTS: usize = 2 * RESOURCES;

/// Where a resource stands in the arrays.
#[inline]
fn slot(resource: Resource, priority: RoutingPriority) -> usize {
    let base = match priority {
        RoutingPriority::Default => 0,
        RoutingPriority::High => RESOURCES,
    };
    base + match resource {
        Resource::Connections => 0,
        Resource::PendingRequests => 1,
        Resource::Requests => 2,
        Resource::Retries => 3,
        Resource::ConnectionPools => 4,
    }
}

const OPEN: [ClusterStat; SLOTS] = [
    ClusterStat::CircuitBreakersDefaultCxOpen,
    ClusterStat::CircuitBreakersDefaultRqPendingOpen,
    ClusterStat::CircuitBreakersDefaultRqOpen,
    ClusterStat::CircuitBreakersDefaultRqRetryOpen,
    ClusterStat::CircuitBreakersDefaultCxPoolOpen,
    ClusterStat::CircuitBreakersHighCxOpen,
    ClusterStat::CircuitBreakersHighRqPendingOpen,
    ClusterStat::CircuitBreakersHighRqOpen,
    ClusterStat::CircuitBreakersHighRqRetryOpen,
    ClusterStat::CircuitBreakersHighCxPoolOpen,
];

const REMAINING: [ClusterStat; SLOTS] = [
    ClusterStat::CircuitBreakersDefaultRemainingCx,
    ClusterStat::CircuitBreakersDefaultRemainingPending,
    ClusterStat::CircuitBreakersDefaultRemainingRq,
    ClusterStat::CircuitBreakersDefaultRemainingRetries,
    ClusterStat::CircuitBreakersDefaultRemainingCxPools,
    ClusterStat::CircuitBreakersHighRemainingCx,
    ClusterStat::CircuitBreakersHighRemainingPending,
    ClusterStat::CircuitBreakersHighRemainingRq,
    ClusterStat::CircuitBreakersHighRemainingRetries,
    ClusterStat::CircuitBreakersHighRemainingCxPools,
];

/// How the runtime names what is limited, in the order of the slots.
const RUNTIME_NAMES: [&str; SLOTS] = [
    "default.max_connections",
    "default.max_pending_requests",
    "default.max_requests",
    "default.max_retries",
    "default.max_connection_pools",
    "high.max_connections",
    "high.max_pending_requests",
    "high.max_requests",
    "high.max_retries",
    "high.max_connection_pools",
];

/// The limits of one priority, in the order of the slots; `None`: any number.
fn maxima(of: &CircuitBreakerThresholds) -> [Option<u32>; RESOURCES] {
    let limited = [of.max_connections, of.max_pending_requests, of.max_requests, of.max_retries].map(Some);
    let [connections, pending, requests, retries] = limited;
    [connections, pending, requests, retries, of.max_connection_pools]
}

/// How many of `max` each of so many threads may take without looking again.
fn lot(max: u32, threads: usize) -> u32 {
    let share = u32::try_from(threads).unwrap_or(u32::MAX).saturating_mul(16).max(1);
    if max / share < 2 { 0 } else { (max / share).min(64) }
}

/// What one worker has taken, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct WorkerCounts([AtomicU32; SLOTS]);

#[derive(Debug)]
struct Limit {
    /// What the configuration says.
    configured: u32,
    /// What holds: that, or what the runtime says instead.
    max: AtomicU32,
    /// How many a worker may take without looking again; 0: it looks each time.
    lot: AtomicU32,
    /// Whether nothing was free when somebody last looked; whoever gives back must look again.
    open: AtomicBool,
    open_gauge: ClusterStat,
    /// The gauge of what is left, if wanted.
    remaining: Option<ClusterStat>,
    /// Of which limit it tells what is left.
    remaining_of: AtomicU32,
}

impl Limit {
    #[inline]
    fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    #[inline]
    fn lot(&self) -> u32 {
        self.lot.load(Ordering::Relaxed)
    }
}

/// The limits of one cluster, shared by all workers.
#[derive(Debug)]
pub struct CircuitBreakers {
    /// How the runtime's keys of this cluster begin.
    runtime_prefix: Box<str>,
    limits: [Limit; SLOTS],
    counts: Box<[WorkerCounts]>,
    scope: Scope<ClusterStats>,
    /// Held while an open gauge changes, so that the last to look is the last to write.
    changing: Mutex<()>,
}

impl CircuitBreakers {
    /// Those of a cluster, for `threads` workers, the control thread included.
    #[must_use]
    pub fn new(
        cluster: &str,
        [default, high]: [&CircuitBreakerThresholds; 2],
        threads: usize,
        scope: Scope<ClusterStats>,
    ) -> Self {
        let threads = threads.max(1);
        let mut maxima = maxima(default).into_iter().chain(maxima(high));
        let mut places = OPEN.into_iter().zip(REMAINING).enumerate();
        let limits = std::array::from_fn(|_| {
            let max = maxima.next().flatten();
            let (at, (open_gauge, remaining)) = places.next().unwrap_or((0, (OPEN[0], REMAINING[0])));
            let tracked = if at < RESOURCES { default.track_remaining } else { high.track_remaining };
            let remaining = (tracked && max.is_some()).then_some(remaining);
            let max = max.unwrap_or(u32::MAX);
            let open = AtomicBool::new(false);
            let lot = lot(max, threads);
            Limit {
                configured: max,
                max: max.into(),
                lot: lot.into(),
                open,
                open_gauge,
                remaining,
                remaining_of: max.into(),
            }
        });
        let counts = (0..threads).map(|_| WorkerCounts::default()).collect();
        let runtime_prefix = format!("circuit_breakers.{cluster}.").into();
        CircuitBreakers { runtime_prefix, limits, counts, scope, changing: Mutex::new(()) }
    }

    /// Sets the gauges of what remains, of those priorities that want them. They stand from the start.
    pub fn announce(
        default: &CircuitBreakerThresholds,
        high: &CircuitBreakerThresholds,
        scope: &Scope<ClusterStats>,
    ) {
        let (low, top) = REMAINING.split_at(RESOURCES);
        for (thresholds, gauges) in [(default, low), (high, top)] {
            if thresholds.track_remaining {
                let limited =
                    gauges.iter().zip(maxima(thresholds)).filter_map(|(gauge, max)| Some((gauge, max?)));
                limited.for_each(|(gauge, max)| scope.set(*gauge, u64::from(max)));
            }
        }
    }

    /// Takes the limits that the runtime has now.
    #[cold]
    fn follow_runtime(&self) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let any = runtime::has_named();
        for (limit, name) in self.limits.iter().zip(RUNTIME_NAMES) {
            let value = any.then(|| runtime::named(&format!("{}{name}", self.runtime_prefix))).flatten();
            let value = value.and_then(|value| value.integer());
            let max = value.map_or(limit.configured, |value| u32::try_from(value).unwrap_or(u32::MAX));
            limit.max.store(max, Ordering::Relaxed);
            limit.lot.store(lot(max, self.counts.len()), Ordering::Relaxed);
        }
    }

    /// The gauge of what remains speaks of the limit that holds now; Envoy's does from the next use on.
    #[cold]
    fn follow_remaining(&self, limit: &Limit, gauge: ClusterStat) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let max = limit.max();
        let former = limit.remaining_of.swap(max, Ordering::Relaxed);
        self.scope.add(gauge, i64::from(max) - i64::from(former));
    }

    fn free(&self, slot: usize, max: u32) -> u32 {
        let cells = self.counts.iter().filter_map(|counts| counts.0.get(slot));
        let taken: u64 = cells.map(|cell| u64::from(cell.load(Ordering::Relaxed))).sum();
        max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    #[cold]
    fn update_open(&self, slot: usize, limit: &Limit) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.free(slot, limit.max()) == 0;
        limit.open.store(open, Ordering::Relaxed);
        self.scope.set(limit.open_gauge, u64::from(open));
    }
}

#[derive(Debug, Default)]
struct Share {
    used: Cell<u32>,
    /// Up to where `used` may go without looking at the others.
    granted: Cell<u32>,
    /// Whether the open gauge was written; Envoy's stands from the first use.
    announced: Cell<bool>,
}

/// One worker's side of a cluster's limits.
#[derive(Debug)]
pub struct WorkerCircuitBreakers {
    shared: Arc<CircuitBreakers>,
    worker: usize,
    shares: [Share; SLOTS],
    stats: LocalScope<ClusterStats>,
    /// As of when the limits are those of the runtime.
    epoch: Cell<u64>,
}

impl WorkerCircuitBreakers {
    /// The side of `worker`; the thread that uses it must be that worker.
    #[must_use]
    pub fn new(shared: Arc<CircuitBreakers>, worker: usize) -> Self {
        let worker = worker.min(shared.counts.len() - 1);
        let stats = shared.scope.local(worker);
        WorkerCircuitBreakers { shared, worker, shares: Default::default(), stats, epoch: Cell::new(0) }
    }

    /// What was granted under former limits is looked at again.
    #[inline]
    fn follow_runtime(&self) {
        let epoch = runtime::epoch();
        if epoch != self.epoch.get() {
            self.epoch.set(epoch);
            self.shared.follow_runtime();
            self.shares.iter().for_each(|share| share.granted.set(0));
        }
    }

    #[inline]
    fn at(&self, slot: usize) -> Option<(&Share, &Limit, &AtomicU32)> {
        let cell = self.shared.counts.get(self.worker).and_then(|counts| counts.0.get(slot));
        Some((self.shares.get(slot)?, self.shared.limits.get(slot)?, cell?))
    }

    #[inline]
    fn follow_remaining(&self, limit: &Limit, gauge: ClusterStat) {
        if limit.remaining_of.load(Ordering::Relaxed) != limit.max() {
            self.shared.follow_remaining(limit, gauge);
        }
    }

    /// Whether there is room for one more.
    #[inline]
    #[must_use]
    pub fn can_create(&self, resource: Resource, priority: RoutingPriority) -> bool {
        let slot = slot(resource, priority);
        self.follow_runtime();
        self.at(slot).is_some_and(|(share, limit, _)| {
            share.used.get() < share.granted.get() || self.look(slot, share, limit)
        })
    }

    /// Takes one if there is room, and says so.
    #[inline]
    #[must_use]
    pub fn acquire(&self, resource: Resource, priority: RoutingPriority) -> bool {
        let room = self.can_create(resource, priority);
        if room {
            self.force(resource, priority);
        }
        room
    }

    /// Takes one even if there is no room.
    #[inline]
    pub fn force(&self, resource: Resource, priority: RoutingPriority) {
        let slot = slot(resource, priority);
        self.follow_runtime();
        let Some((share, limit, cell)) = self.at(slot) else { return };
        let used = share.used.get().saturating_add(1);
        share.used.set(used);
        cell.store(cell.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        if let Some(gauge) = limit.remaining {
            self.stats.dec(gauge);
            self.follow_remaining(limit, gauge);
        }
        let found_free = used < share.granted.get() || self.look(slot, share, limit);
        if !found_free || !share.announced.get() || limit.open.load(Ordering::Relaxed) {
            share.announced.set(true);
            self.shared.update_open(slot, limit);
        }
    }

    /// Gives one back.
    #[inline]
    pub fn release(&self, resource: Resource, priority: RoutingPriority) {
        let slot = slot(resource, priority);
        let Some((share, limit, cell)) = self.at(slot) else { return };
        let used = share.used.get().saturating_sub(1);
        share.used.set(used);
        cell.store(cell.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        share.granted.set(share.granted.get().min(used.saturating_add(limit.lot())));
        if let Some(gauge) = limit.remaining {
            self.stats.inc(gauge);
            self.follow_remaining(limit, gauge);
        }
        if limit.open.load(Ordering::Relaxed) {
            self.shared.update_open(slot, limit);
        }
    }

    /// Whether nothing was free when a worker last looked (`cx_open`, `rq_open`…).
    #[must_use]
    pub fn is_open(&self, resource: Resource, priority: RoutingPriority) -> bool {
        self.at(slot(resource, priority)).is_some_and(|(_, limit, _)| limit.open.load(Ordering::Relaxed))
    }

    /// Looks at what all have taken, and grants itself a lot of what is free.
    fn look(&self, slot: usize, share: &Share, limit: &Limit) -> bool {
        let max = limit.max();
        let free = self.shared.free(slot, max);
        share.granted.set(share.used.get().saturating_add(free.min(limit.lot())));
        free > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bootstrap::StatsConfig;
    use crate::model::runtime::RuntimeLayer;
    use crate::stats::Registry;
    use RoutingPriority::{Default as Low, High};

    fn thresholds(max: u32, track_remaining: bool) -> CircuitBreakerThresholds {
        CircuitBreakerThresholds {
            max_connections: max,
            max_pending_requests: max,
            max_requests: max,
            max_retries: max,
            max_connection_pools: None,
            track_remaining,
        }
    }

    fn breakers(max: u32, workers: usize) -> (Vec<WorkerCircuitBreakers>, Scope<ClusterStats>) {
        let config = StatsConfig::default();
        let scope = Registry::new(&config, workers).cluster("c");
        let (default, high) = (thresholds(max, true), thresholds(1, false));
        CircuitBreakers::announce(&default, &high, &scope);
        let shared = Arc::new(CircuitBreakers::new("c", [&default, &high], workers, scope.clone()));
        let sides = (0..workers).map(|at| WorkerCircuitBreakers::new(Arc::clone(&shared), at)).collect();
        (sides, scope)
    }

    #[test]
    fn small_limits_are_exact_across_workers() {
        let (sides, scope) = breakers(3, 2);
        let taken = (0..10).filter(|at| sides[at % 2].acquire(Resource::Requests, Low)).count();
        assert_eq!(taken, 3);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultRqOpen), 1);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultRemainingRq), 0);
        sides[1].release(Resource::Requests, Low);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultRqOpen), 0);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultRemainingRq), 1);
        assert!(sides[0].acquire(Resource::Requests, Low));
        assert!(!sides[1].can_create(Resource::Requests, Low));
        assert!(sides[1].is_open(Resource::Requests, Low));
    }

    #[test]
    fn one_worker_reaches_a_large_limit_exactly() {
        let (sides, scope) = breakers(1000, 1);
        let taken = (0..1100).filter(|_| sides[0].acquire(Resource::Connections, Low)).count();
        assert_eq!(taken, 1000);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultCxOpen), 1);
        (0..1000).for_each(|_| sides[0].release(Resource::Connections, Low));
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultCxOpen), 0);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultRemainingCx), 1000);
    }

    #[test]
    fn several_workers_exceed_a_large_limit_by_their_lots_at_most() {
        let (sides, _) = breakers(1024, 4);
        let taken = (0..3000).filter(|at| sides[at % 4].acquire(Resource::Requests, Low)).count();
        assert!((1024..=1024 + 3 * 16).contains(&taken), "{taken}");
    }

    #[test]
    fn a_limit_of_0_is_never_met_but_may_be_forced() {
        let (sides, scope) = breakers(0, 1);
        assert!(!sides[0].acquire(Resource::Connections, Low));
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultCxOpen), 0);
        sides[0].force(Resource::Connections, Low);
        assert_eq!(scope.value(ClusterStat::CircuitBreakersDefaultCxOpen), 1);
    }

    #[test]
    fn the_runtime_sets_other_limits_and_takes_them_back() {
        let config = StatsConfig::default();
        let layers = [RuntimeLayer::Admin { name: "admin".to_owned() }];
        let runtime = runtime::Runtime::new(&layers, &Registry::new(&config, 1)).unwrap();
        runtime::follow(runtime.published());
        let (sides, scope) = breakers(1000, 1);
        let remaining = || scope.value(ClusterStat::CircuitBreakersDefaultRemainingRq);
        assert!(sides[0].acquire(Resource::Requests, Low) && remaining() == 999);
        let key = "circuit_breakers.c.default.max_requests";
        runtime.modify([(key, "2"), ("circuit_breakers.d.default.max_requests", "0")].into_iter()).unwrap();
        assert!(sides[0].acquire(Resource::Requests, Low), "what was granted before is looked at again");
        assert!(!sides[0].acquire(Resource::Requests, Low));
        assert_eq!((remaining(), scope.value(ClusterStat::CircuitBreakersDefaultRqOpen)), (0, 1));
        runtime.modify([(key, "")].into_iter()).unwrap();
        assert!(sides[0].acquire(Resource::Requests, Low));
        assert_eq!((remaining(), scope.value(ClusterStat::CircuitBreakersDefaultRqOpen)), (997, 0));
        runtime.modify([(key, "words")].into_iter()).unwrap();
        assert!(sides[0].acquire(Resource::Requests, Low), "no number, no limit of the runtime's");
    }

    #[test]
    fn priorities_and_resources_are_apart() {
        let (sides, scope) = breakers(1, 1);
        for resource in
            [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries]
        {
            for priority in [Low, High] {
                assert!(sides[0].acquire(resource, priority), "{resource:?}");
                assert!(!sides[0].acquire(resource, priority), "{resource:?}");
            }
        }
        assert_eq!(scope.value(ClusterStat::CircuitBreakersHighRqRetryOpen), 1);
    }
}
