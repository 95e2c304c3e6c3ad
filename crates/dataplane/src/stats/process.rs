//! The scopes that are there from the start of the process to its end.
//!
//! Owns `server.*`, `listener_manager.*`, `cluster_manager.*` and the like: which of them exist, what is in
//! them from the start, and the gauges that nobody counts but are read off when one looks (uptime, memory). What happens
//! to listeners and clusters is told to it by whoever puts a configuration into effect. `filesystem.*` is counted by the
//! log writer, `runtime.*` by the runtime. Follows what Envoy lists when nothing is configured.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use super::cluster::{
    ClusterManagerStat, ClusterManagerStats, ThreadLocalClusterStat, ThreadLocalClusterStats,
};
use super::http::{Http1Stats, RouterStats};
use super::listener::{ListenerManagerStat, ListenerManagerStats};
use super::memory::Memory;
use super::registry::Registry;
use super::scope::Scope;
use super::server::{
    FilesystemStats, OverloadActionStats, OverloadStats, RuntimeStat, RuntimeStats, ServerHistogram,
    ServerStat, ServerStats, WatchdogStats,
};
use crate::model::bootstrap::Bootstrap;

const SECONDS_A_DAY: u64 = 86_400;
/// What `server.days_until_first_cert_expiring` says when there is no certificate.
const NEVER_EXPIRES: u64 = 0xFFFF_FFFF;

/// What `server.version` shows: 1.40.2 is 1040002.
fn version() -> u64 {
    let parts =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    parts.iter().fold(0, |number, part| number * 1000 + part.parse().unwrap_or(0))
}

/// What the gauges of `server.*` are read off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Since the process started.
    pub uptime: Duration,
    /// Whether health checks of this proxy pass.
    pub live: bool,
    /// Envoy's number of the server's state: 0 live, 1 draining, 2 pre-initializing, 3 initializing.
    pub state: u64,
    /// When the first certificate expires, in seconds since 1970; none: there is none.
    pub first_expiration: Option<i64>,
}

/// The scopes of the process.
#[derive(Debug)]
pub struct ProcessStats {
    registry: Arc<Registry>,
    server: Scope<ServerStats>,
    listener_manager: Scope<ListenerManagerStats>,
    cluster_manager: Scope<ClusterManagerStats>,
    runtime: Scope<RuntimeStats>,
    thread_clusters: Vec<Scope<ThreadLocalClusterStats>>,
    _listed: Listed,
}

/// Scopes that are listed, and counted by others or by nobody.
#[derive(Debug)]
struct Listed {
    _filesystem: Scope<FilesystemStats>,
    _http1: Scope<Http1Stats>,
    _async_client: Scope<RouterStats>,
    _overload: Scope<OverloadStats>,
    _reset_high_memory_stream: Scope<OverloadActionStats>,
    _watchdogs: Vec<Scope<WatchdogStats>>,
}

impl Listed {
    fn new(registry: &Registry, threads: &[String]) -> Self {
        let watched = ["main_thread".to_owned(), "workers".to_owned()];
        let each = threads.iter().map(|thread| format!("server.{thread}"));
        Self {
            _filesystem: registry.filesystem(),
            _http1: registry.http1(),
            _async_client: registry.router("async-client"),
            _overload: registry.overload(),
            _reset_high_memory_stream: registry.overload_action("reset_high_memory_stream"),
            _watchdogs: watched.into_iter().chain(each).map(|name| registry.watchdog(&name)).collect(),
        }
    }
}

impl ProcessStats {
    /// Lists them all.
    pub fn new(registry: &Arc<Registry>) -> Self {
        Self::with(registry, version(), 0)
    }

    /// The same, with what the configuration says about itself.
    pub fn of(registry: &Arc<Registry>, bootstrap: &Bootstrap) -> Self {
        let version = bootstrap.stats_server_version.unwrap_or_else(version);
        let stats = Self::with(registry, version, bootstrap.unknown_fields);
        let deprecated = bootstrap.deprecated_features;
        if deprecated > 0 {
            stats.runtime.set(RuntimeStat::DeprecatedFeatureUse, deprecated);
            stats.runtime.set(RuntimeStat::DeprecatedFeatureSeenSinceProcessStart, deprecated);
        }
        stats
    }

    fn with(registry: &Arc<Registry>, version: u64, unknown_fields: u64) -> Self {
        let workers = (0..registry.workers()).map(|worker| format!("worker_{worker}"));
        let threads: Vec<String> = std::iter::once("main_thread".to_owned()).chain(workers).collect();
        let server = registry.server();
        for (stat, value) in [
            (ServerStat::CompilationSettingsFipsMode, 0),
            (ServerStat::Concurrency, u64::try_from(registry.workers()).unwrap_or(u64::MAX)),
            (ServerStat::DaysUntilFirstCertExpiring, NEVER_EXPIRES),
            (ServerStat::DynamicUnknownFields, 0),
            (ServerStat::StaticUnknownFields, unknown_fields),
            (ServerStat::Version, version),
            (ServerStat::WipProtos, 0),
        ] {
            server.set(stat, value);
        }
        Self {
            listener_manager: registry.listener_manager(),
            cluster_manager: registry.cluster_manager(),
            runtime: registry.runtime(),
            thread_clusters: threads
                .iter()
                .map(|thread| registry.thread_local_cluster_manager(thread))
                .collect(),
            _listed: Listed::new(registry, &threads),
            registry: Arc::clone(registry),
            server,
        }
    }

    fn days_until(expiration: Option<i64>) -> u64 {
        let Some(first) = expiration else { return NEVER_EXPIRES };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(first).unwrap_or(0).saturating_sub(now.as_secs()) / SECONDS_A_DAY
    }

    /// Reads off the gauges of `server.*`; to be called before statistics are read, and at each flush.
    pub fn refresh(&self, facts: &ProcessFacts) {
        let memory = Memory::read();
        for (stat, value) in [
            (ServerStat::DaysUntilFirstCertExpiring, Self::days_until(facts.first_expiration)),
            (ServerStat::Live, u64::from(facts.live)),
            (ServerStat::MemoryAllocated, memory.allocated),
            (ServerStat::MemoryHeapSize, memory.heap_size),
            (ServerStat::MemoryPhysicalSize, memory.physical_size),
            (ServerStat::State, facts.state),
            (ServerStat::TotalConnections, self.registry.open_connections()),
            (ServerStat::Uptime, facts.uptime.as_secs()),
        ] {
            self.server.set(stat, value);
        }
    }

    /// The proxy serves, this long after it started. To be called once, on the control thread.
    pub fn initialized(&self, after: Duration) {
        let took = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.server.local(self.registry.workers()).record(ServerHistogram::InitializationTimeMs, took);
    }

    /// Clusters came into effect on all threads.
    pub fn clusters_added(&self, count: u32) {
        self.cluster_manager.add(ClusterManagerStat::ClusterAdded, i64::from(count));
        self.active_clusters(i64::from(count));
        self.cluster_manager.set(ClusterManagerStat::WarmingClusters, 0);
    }

    /// Clusters went away.
    pub fn clusters_removed(&self, count: u32) {
        self.cluster_manager.add(ClusterManagerStat::ClusterRemoved, i64::from(count));
        self.active_clusters(-i64::from(count));
    }

    fn active_clusters(&self, change: i64) {
        self.cluster_manager.add(ClusterManagerStat::ActiveClusters, change);
        for thread in &self.thread_clusters {
            thread.add(ThreadLocalClusterStat::ClustersInflated, change);
        }
    }

    /// Listeners take connections on all workers.
    pub fn listeners_added(&self, count: u32) {
        let workers = i64::try_from(self.registry.workers()).unwrap_or(i64::MAX);
        let manager = &self.listener_manager;
        if count == 0 {
            return;
        }
        manager.add(ListenerManagerStat::ListenerAdded, i64::from(count));
        manager.add(ListenerManagerStat::ListenerCreateSuccess, i64::from(count).saturating_mul(workers));
        manager.add(ListenerManagerStat::TotalListenersActive, i64::from(count));
        manager.set(ListenerManagerStat::TotalListenersWarming, 0);
    }

    /// Workers run, listeners or not.
    pub fn workers_started(&self) {
        self.listener_manager.set(ListenerManagerStat::WorkersStarted, 1);
    }

    /// Listeners were closed by a drain.
    pub fn listeners_stopped(&self, count: u32) {
        self.listener_manager.add(ListenerManagerStat::ListenerStopped, i64::from(count));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ListenerStat;
    use super::*;
    use crate::model::bootstrap::StatsConfig;

    fn registry(workers: usize) -> Arc<Registry> {
        let config = StatsConfig::default();
        Registry::new(&config, workers)
    }

    #[test]
    fn gauges_are_read_off() {
        let registry = registry(2);
        let process = ProcessStats::new(&registry);
        let listeners = (registry.listener("a"), registry.listener("admin"), registry.listener("b"));
        listeners.0.local(0).add(ListenerStat::DownstreamCxActive, 3);
        listeners.1.local(2).add(ListenerStat::DownstreamCxActive, 9);
        listeners.2.local(1).add(ListenerStat::DownstreamCxActive, 2);
        process.refresh(&ProcessFacts {
            uptime: Duration::from_millis(2900),
            live: true,
            state: 1,
            first_expiration: Some(0),
        });
        let server = registry.server();
        for (stat, expected) in [
            (ServerStat::Concurrency, 2),
            (ServerStat::DaysUntilFirstCertExpiring, 0),
            (ServerStat::Live, 1),
            (ServerStat::State, 1),
            (ServerStat::TotalConnections, 5),
            (ServerStat::Uptime, 2),
            (ServerStat::Version, version()),
        ] {
            assert_eq!(server.value(stat), expected, "{stat:?}");
        }
        assert!(version() > 0);
        assert!(server.value(ServerStat::MemoryPhysicalSize) > 1 << 20);
    }

    #[test]
    fn clusters_come_and_go_on_every_thread() {
        let registry = registry(1);
        let process = ProcessStats::new(&registry);
        process.clusters_added(5);
        process.clusters_removed(2);
        let manager = registry.cluster_manager();
        assert_eq!(manager.value(ClusterManagerStat::ClusterAdded), 5);
        assert_eq!(manager.value(ClusterManagerStat::ActiveClusters), 3);
        for thread in ["main_thread", "worker_0"] {
            let clusters = registry.thread_local_cluster_manager(thread);
            assert_eq!(clusters.value(ThreadLocalClusterStat::ClustersInflated), 3);
        }
    }

    #[test]
    fn each_listener_is_created_on_each_worker() {
        let registry = registry(3);
        let process = ProcessStats::new(&registry);
        process.listeners_added(2);
        let manager = registry.listener_manager();
        assert_eq!(manager.value(ListenerManagerStat::ListenerCreateSuccess), 6);
        assert_eq!(manager.value(ListenerManagerStat::TotalListenersActive), 2);
    }
}
