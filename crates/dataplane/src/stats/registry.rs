//! All scopes of the process, by name.
//!
//! Owns the list of scopes and the names of their prefixes. Two who ask for the same name get the same scope; a scope
//! goes away when nobody has it any more. Used when configuration changes and by the pages, never on traffic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::buckets::Buckets;
use super::chunks::{Chunks, Stopped};
use super::cluster::{
    ClusterBudgetStats, ClusterManagerStats, ClusterSizeStats, ClusterStats, EndpointStats,
    InternalUpstreamStats, ThreadLocalClusterStats, UpstreamProxyProtocolStats, ZoneStats,
};
use super::declare::{Group, Stat};
use super::endpoints::{self, ListedEndpoint, ListedEndpoints};
use super::http::{
    ClusterHttp2Stats, Http1Stats, Http2Stats, HttpStats, ListenerHttpStats, RouteResolutionStats,
    RouterStats, TracingStats, VirtualHostStats,
};
use super::http_filters::HttpRateLimitStats;
use super::json::Json;
use super::listener::{
    ConnectionLimitStats, ListenerExtensionStats, ListenerManagerStats, ListenerRateLimitStats, ListenerStat,
    ListenerStats, ListenerWorkerStats, NetworkRateLimitStats, ProxyProtocolErrorStats, ProxyProtocolStats,
    ProxyProtocolVersionStats, RbacShadowStats, RbacStats, TcpStats, TcpTunnelingStats,
};
use super::listing::{self, Render};
use super::matcher::IpMatcherStats;
use super::prometheus;
use super::query::{Format, StatsQuery};
use super::samples::{SampleQueue, Samples};
use super::scope::{Scope, ScopeData};
use super::server::{
    DispatcherStats, FilesystemStats, OverloadActionStats, OverloadStats, RuntimeStats, ServerStats,
    WatchdogStats,
};
use super::stats_matcher::StatsMatcher;
use super::tags::Tags;
use super::text::Text;
use crate::model::bootstrap::{self as model, StatsConfig};

type Scopes = BTreeMap<(Arc<str>, &'static str), Arc<ScopeData>>;

/// The scopes of the process.
#[derive(Debug)]
pub struct Registry {
    tags: Tags,
    buckets: Buckets,
    workers: usize,
    local_zone: String,
    deferred_creation: bool,
    samples: OnceLock<Arc<SampleQueue>>,
    scopes: Mutex<Scopes>,
    endpoints: Mutex<Vec<Weak<ListedEndpoints>>>,
    /// What new scopes have: that of the process, or of the listener or cluster that is being compiled.
    matcher: Mutex<Option<Arc<StatsMatcher>>>,
}

/// As long as it is there, new scopes have another matcher than that of the process.
#[derive(Debug)]
pub struct Matching<'a> {
    registry: &'a Registry,
    former: Option<Arc<StatsMatcher>>,
}

impl Drop for Matching<'_> {
    fn drop(&mut self) {
        *self.registry.lock_matcher() = self.former.take();
    }
}

/// Envoy's form of a name within a statistic: no colon.
pub(crate) fn sanitize(name: &str) -> String {
    name.replace("://", "_").replace(":/", "_").replace([':', '\0'], "_")
}

fn rbac_prefix(stat_prefix: &str) -> String {
    let stat_prefix = sanitize(stat_prefix);
    let dot = if stat_prefix.is_empty() || stat_prefix.ends_with('.') { "" } else { "." };
    format!("{stat_prefix}{dot}rbac.")
}

impl Registry {
    /// For this many workers, which write under the indexes from 0; the control thread's index is `workers`.
    pub fn new(config: &StatsConfig, workers: usize) -> Arc<Self> {
        Self::in_zone(config, workers, "")
    }

    /// The same, for a proxy in a zone (`node.locality.zone`): clusters count by zone then.
    pub fn in_zone(config: &StatsConfig, workers: usize, zone: &str) -> Arc<Self> {
        Arc::new(Self {
            local_zone: sanitize(zone),
            tags: Tags::new(config),
            buckets: Buckets::new(config),
            workers,
            deferred_creation: config.deferred_creation,
            samples: OnceLock::new(),
            scopes: Mutex::default(),
            endpoints: Mutex::default(),
            matcher: Mutex::new(config.matcher.as_ref().map(StatsMatcher::compile)),
        })
    }

    /// The single values of all histograms of scopes that are made from now on. To be called once, first of all.
    pub fn sample(&self) -> Samples {
        let (queue, samples) = SampleQueue::new();
        // A second caller gets values that nobody queues.
        drop(self.samples.set(queue));
        samples
    }

    pub(super) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// How many workers there are, which is also the control thread's index for `Scope::local`.
    pub fn workers(&self) -> usize {
        self.workers
    }

    fn lock(&self) -> MutexGuard<'_, Scopes> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.retain(|_, data| Arc::strong_count(data) > 1);
        scopes
    }

    /// Of an HTTP filter: the prefix as `FilterCompileContext::stats_scope` makes it.
    pub fn filter<G: Group>(&self, prefix: &str) -> Scope<G> {
        self.scope(prefix)
    }

    fn lock_matcher(&self) -> MutexGuard<'_, Option<Arc<StatsMatcher>>> {
        self.matcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New scopes have this matcher in place of the process's, if there is one, until the answer is dropped. For one
    /// thread at a time.
    pub fn matching(&self, matcher: Option<&model::StatsMatcher>) -> Option<Matching<'_>> {
        let matcher = StatsMatcher::compile(matcher?);
        let former = self.lock_matcher().replace(matcher);
        Some(Matching { registry: self, former })
    }

    pub(super) fn scope<G: Group>(&self, prefix: &str) -> Scope<G> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::from(prefix), G::TABLE.group);
        let kept = scopes.get(&key).filter(|data| Arc::strong_count(data) > 1);
        if let Some(data) = kept {
            return Scope::new(Arc::clone(data));
        }
        let data = ScopeData::new(G::TABLE, Arc::clone(&key.0), self.workers + 1);
        let deferred = self.deferred_creation && G::TABLE.group == ClusterStats::TABLE.group;
        let data = Arc::new(
            data.matching(self.lock_matcher().clone())
                .deferred(deferred)
                .sampled(self.samples.get().cloned()),
        );
        scopes.insert(key, Arc::clone(&data));
        Scope::new(data)
    }

    /// All scopes that somebody has, sorted by prefix.
    pub fn scopes(&self) -> Vec<Arc<ScopeData>> {
        self.lock().values().cloned().collect()
    }

    /// Writes a page of statistics.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn write(&self, query: &StatsQuery, chunks: &mut Chunks<'_>) -> Result<(), Stopped> {
        let scopes = self.scopes();
        let endpoints = self.listed_endpoints();
        let mut list = |render: &mut dyn Render| {
            listing::write(&scopes, &endpoints, &self.buckets, query, render, chunks)
        };
        match query.format {
            Format::Text => list(&mut Text::default()),
            Format::Html => list(&mut Text::html()),
            Format::Json => list(&mut Json::new(query.histogram_buckets)),
            Format::Prometheus if query.protobuf => {
                let mut converter = prometheus::Converter::default();
                let mut lines = Chunks::new(|lines| {
                    converter.convert(&lines, &mut chunks.buffer);
                    chunks.cut()
                });
                self.write_metrics(&scopes, &endpoints, query, &mut lines)?;
                lines.finish()?;
                converter.finish(&mut chunks.buffer);
                Ok(())
            }
            Format::Prometheus => self.write_metrics(&scopes, &endpoints, query, chunks),
        }
    }

    fn write_metrics(
        &self,
        scopes: &[Arc<ScopeData>],
        endpoints: &[Arc<ListedEndpoints>],
        query: &StatsQuery,
        chunks: &mut Chunks<'_>,
    ) -> Result<(), Stopped> {
        prometheus::write(scopes, &self.tags, &self.buckets, query, chunks)?;
        endpoints::write_metrics(endpoints, &self.tags, query, chunks)
    }

    /// Has the endpoints of a cluster listed, as long as the answer is held.
    pub fn list_endpoints(&self, stat_name: &str, endpoints: Vec<ListedEndpoint>) -> Arc<ListedEndpoints> {
        let listed = Arc::new(ListedEndpoints::new(stat_name, endpoints));
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&listed));
        listed
    }

    fn listed_endpoints(&self) -> Vec<Arc<ListedEndpoints>> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|listed| listed.strong_count() > 0);
        endpoints.iter().filter_map(Weak::upgrade).collect()
    }

    /// Makes what was recorded in histograms since the last call readable; to be called at each
    /// `stats_flush_interval`.
    pub fn merge_histograms(&self) {
        for scope in self.scopes() {
            scope.merge_histograms();
        }
    }

    /// Connections that are open now on all listeners of the configuration.
    pub(crate) fn open_connections(&self) -> u64 {
        let active = ListenerStat::DownstreamCxActive.index();
        let scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes
            .range((Arc::from("listener."), "")..)
            .take_while(|((prefix, _), _)| prefix.starts_with("listener."))
            .filter(|((prefix, group), _)| {
                *group == ListenerStats::TABLE.group && &**prefix != "listener.admin."
            })
            .map(|(_, scope)| scope.read_number(active).value)
            .sum()
    }

    /// Sets all counters to 0.
    pub fn reset_counters(&self) {
        for scope in self.scopes() {
            scope.reset_counters();
        }
    }

    /// `cluster.<stat name>.`; the stat name is `alt_stat_name`, or the cluster's name.
    pub fn cluster(&self, stat_name: &str) -> Scope<ClusterStats> {
        self.scope(&format!("cluster.{}.", sanitize(stat_name)))
    }

    /// `cluster.<stat name>.`, what only clusters have whose messages are measured.
    pub fn cluster_sizes(&self, stat_name: &str) -> Scope<ClusterSizeStats> {
        self.scope(&format!("cluster.{}.", sanitize(stat_name)))
    }

    /// `cluster.<stat name>.`, what only clusters have whose requests' times are measured.
    pub fn cluster_budgets(&self, stat_name: &str) -> Scope<ClusterBudgetStats> {
        self.scope(&format!("cluster.{}.", sanitize(stat_name)))
    }

    /// `cluster.<stat name>.zone.<zone of the proxy>.<zone of the endpoint>.`; none unless both have one.
    pub fn zone(&self, stat_name: &str, to: &str) -> Option<Scope<ZoneStats>> {
        let from = &self.local_zone;
        let wanted = !(from.is_empty() || to.is_empty());
        wanted.then(|| self.scope(&format!("cluster.{}.zone.{from}.{}.", sanitize(stat_name), sanitize(to))))
    }

    /// Of one endpoint; it has no name, so each call makes a new one, and whoever has it shares it by cloning.
    pub fn endpoint(&self) -> Scope<EndpointStats> {
        Scope::new(Arc::new(ScopeData::new(EndpointStats::TABLE, Arc::from(""), self.workers + 1)))
    }

    /// `cluster.<stat name>.upstream.proxyprotocol.`
    pub fn upstream_proxy_protocol(&self, stat_name: &str) -> Scope<UpstreamProxyProtocolStats> {
        self.scope(&format!("cluster.{}.upstream.proxyprotocol.", sanitize(stat_name)))
    }

    /// `cluster.<stat name>.internal_upstream.`
    pub fn internal_upstream(&self, stat_name: &str) -> Scope<InternalUpstreamStats> {
        self.scope(&format!("cluster.{}.internal_upstream.", sanitize(stat_name)))
    }

    /// `cluster.<stat name>.http2.`
    pub fn cluster_http2(&self, stat_name: &str) -> Scope<ClusterHttp2Stats> {
        self.scope(&format!("cluster.{}.http2.", sanitize(stat_name)))
    }

    /// `cluster_manager.`
    pub fn cluster_manager(&self) -> Scope<ClusterManagerStats> {
        self.scope("cluster_manager.")
    }

    /// `thread_local_cluster_manager.<thread>.`; the thread is `main_thread` or `worker_<n>`.
    pub fn thread_local_cluster_manager(&self, thread: &str) -> Scope<ThreadLocalClusterStats> {
        self.scope(&format!("thread_local_cluster_manager.{thread}."))
    }

    /// `http.<stat prefix>.`
    pub fn http(&self, stat_prefix: &str) -> Scope<HttpStats> {
        self.scope(&format!("http.{}.", sanitize(stat_prefix)))
    }

    /// `http.<stat prefix>.`, of the router filter; colons stay, as in Envoy.
    pub fn router(&self, stat_prefix: &str) -> Scope<RouterStats> {
        self.scope(&format!("http.{stat_prefix}."))
    }

    /// `http.<stat prefix>.tracing.`
    pub fn tracing(&self, stat_prefix: &str) -> Scope<TracingStats> {
        self.scope(&format!("http.{}.", sanitize(stat_prefix)))
    }

    /// `http.<stat prefix>.`, of the looking up of routes.
    pub fn route_resolution(&self, stat_prefix: &str) -> Scope<RouteResolutionStats> {
        self.scope(&format!("http.{}.", sanitize(stat_prefix)))
    }

    /// `listener.<listener>.http.<stat prefix>.`; the listener as in `listener`.
    pub fn listener_http(&self, listener: &str, stat_prefix: &str) -> Scope<ListenerHttpStats> {
        self.scope(&format!("listener.{}.http.{}.", sanitize(listener), sanitize(stat_prefix)))
    }

    /// `http1.`: all HTTP/1 codecs downstream.
    pub fn http1(&self) -> Scope<Http1Stats> {
        self.scope("http1.")
    }

    /// `http2.`: all HTTP/2 codecs downstream.
    pub fn http2(&self) -> Scope<Http2Stats> {
        self.scope("http2.")
    }

    /// `vhost.<virtual host>.vcluster.<virtual cluster>.`; colons stay, as in Envoy.
    pub fn virtual_cluster(&self, virtual_host: &str, virtual_cluster: &str) -> Scope<VirtualHostStats> {
        self.scope(&format!("vhost.{virtual_host}.vcluster.{virtual_cluster}."))
    }

    /// `vhost.<virtual host>.route.<stat prefix>.`; colons stay, as in Envoy.
    pub fn route(&self, virtual_host: &str, stat_prefix: &str) -> Scope<VirtualHostStats> {
        self.scope(&format!("vhost.{virtual_host}.route.{stat_prefix}."))
    }

    /// `listener.<listener>.`: the `stat_prefix`, or the address as configured, or `admin`.
    pub fn listener(&self, listener: &str) -> Scope<ListenerStats> {
        self.scope(&format!("listener.{}.", sanitize(listener)))
    }

    /// `listener.<listener>.`, what only listeners of the configuration have.
    pub fn listener_extension(&self, listener: &str) -> Scope<ListenerExtensionStats> {
        self.scope(&format!("listener.{}.", sanitize(listener)))
    }

    /// `listener.<listener>.<thread>.`; the thread is `worker_<n>`, or `main_thread` for admin.
    pub fn listener_worker(&self, listener: &str, thread: &str) -> Scope<ListenerWorkerStats> {
        self.scope(&format!("listener.{}.{thread}.", sanitize(listener)))
    }

    /// `listener_manager.`
    pub fn listener_manager(&self) -> Scope<ListenerManagerStats> {
        self.scope("listener_manager.")
    }

    /// `tcp.<stat prefix>.`
    pub fn tcp(&self, stat_prefix: &str) -> Scope<TcpStats> {
        self.scope(&format!("tcp.{}.", sanitize(stat_prefix)))
    }

    /// `tcp.<stat prefix>.tcpproxy_tunneling.`
    pub fn tcp_tunneling(&self, stat_prefix: &str) -> Scope<TcpTunnelingStats> {
        self.scope(&format!("tcp.{}.tcpproxy_tunneling.", sanitize(stat_prefix)))
    }

    /// `proxy_proto.`, or `proxy_proto.<stat prefix>.`
    pub fn proxy_protocol(&self, stat_prefix: &str) -> Scope<ProxyProtocolStats> {
        match stat_prefix {
            "" => self.scope("proxy_proto."),
            prefix => self.scope(&format!("proxy_proto.{}.", sanitize(prefix))),
        }
    }

    /// `proxy_proto.versions.<version>.`, or `proxy_proto.<stat prefix>.versions.<version>.`
    pub fn proxy_protocol_version(
        &self,
        stat_prefix: &str,
        version: &str,
    ) -> Scope<ProxyProtocolVersionStats> {
        let filter = self.proxy_protocol(stat_prefix);
        self.scope(&format!("{}versions.{version}.", filter.prefix()))
    }

    /// What all PROXY protocol listener filters count together, without a prefix.
    pub fn proxy_protocol_errors(&self) -> Scope<ProxyProtocolErrorStats> {
        self.scope("")
    }

    /// `listener_local_ratelimit.<stat prefix>.`
    pub fn listener_rate_limit(&self, stat_prefix: &str) -> Scope<ListenerRateLimitStats> {
        self.scope(&format!("listener_local_ratelimit.{}.", sanitize(stat_prefix)))
    }

    /// `connection_limit.<stat prefix>.`
    pub fn connection_limit(&self, stat_prefix: &str) -> Scope<ConnectionLimitStats> {
        self.scope(&format!("connection_limit.{}.", sanitize(stat_prefix)))
    }

    /// `local_rate_limit.<stat prefix>.`
    pub fn network_rate_limit(&self, stat_prefix: &str) -> Scope<NetworkRateLimitStats> {
        self.scope(&format!("local_rate_limit.{}.", sanitize(stat_prefix)))
    }

    /// `<stat prefix>.http_local_rate_limit.`
    pub fn http_rate_limit(&self, stat_prefix: &str) -> Scope<HttpRateLimitStats> {
        self.scope(&format!("{}.http_local_rate_limit.", sanitize(stat_prefix)))
    }

    /// `<stat prefix>.rbac.`
    pub fn rbac(&self, stat_prefix: &str) -> Scope<RbacStats> {
        self.scope(&rbac_prefix(stat_prefix))
    }

    /// `<stat prefix>.rbac.[<shadow prefix>.]`
    pub fn rbac_shadow(&self, stat_prefix: &str, shadow_prefix: &str) -> Scope<RbacShadowStats> {
        let shadow_prefix = sanitize(shadow_prefix);
        let dot = if shadow_prefix.is_empty() || shadow_prefix.ends_with('.') { "" } else { "." };
        self.scope(&format!("{}{shadow_prefix}{dot}", rbac_prefix(stat_prefix)))
    }

    /// `server.`
    pub fn server(&self) -> Scope<ServerStats> {
        self.scope("server.")
    }

    /// `<watched>.`: `main_thread`, `workers`, `server.main_thread` or `server.worker_<n>`.
    pub fn watchdog(&self, watched: &str) -> Scope<WatchdogStats> {
        self.scope(&format!("{watched}."))
    }

    /// `<thread>.dispatcher.`: the thread is `server` or `listener_manager.worker_<n>`.
    pub fn dispatcher(&self, thread: &str) -> Scope<DispatcherStats> {
        self.scope(&format!("{thread}.dispatcher."))
    }

    /// `filesystem.`
    pub fn filesystem(&self) -> Scope<FilesystemStats> {
        self.scope("filesystem.")
    }

    /// `envoy.overload_actions.<action>.`
    pub fn overload_action(&self, action: &str) -> Scope<OverloadActionStats> {
        self.scope(&format!("envoy.overload_actions.{action}."))
    }

    /// `overload.`
    pub fn overload(&self) -> Scope<OverloadStats> {
        self.scope("overload.")
    }

    /// `<stat prefix>.`, of an IP matcher.
    pub fn ip_matcher(&self, stat_prefix: &str) -> Scope<IpMatcherStats> {
        self.scope(&format!("{}.", sanitize(stat_prefix)))
    }

    /// `runtime.`
    pub fn runtime(&self) -> Scope<RuntimeStats> {
        self.scope("runtime.")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClusterHistogram, ClusterStat, HttpStat, ResponseClass};
    use super::*;

    fn registry() -> Arc<Registry> {
        let config = StatsConfig::default();
        Registry::new(&config, 2)
    }

    #[test]
    fn workers_write_apart_and_are_read_together() {
        let registry = registry();
        let cluster = registry.cluster("web");
        let handles: Vec<_> = (0..3)
            .map(|worker| {
                let cluster = cluster.clone();
                std::thread::spawn(move || {
                    let local = cluster.local(worker);
                    (0..1000).for_each(|_| local.inc(ClusterStat::UpstreamRqTotal));
                    local.add(ClusterStat::UpstreamCxRxBytesTotal, 1 << 40);
                    local.inc(ClusterStat::UpstreamRqActive);
                })
            })
            .collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(cluster.value(ClusterStat::UpstreamRqTotal), 3000);
        assert_eq!(cluster.value(ClusterStat::UpstreamCxRxBytesTotal), 3 << 40);
        assert_eq!(cluster.value(ClusterStat::UpstreamRqActive), 3);
        assert_eq!(cluster.value(ClusterStat::UpstreamCxTotal), 0);
    }

    #[test]
    fn a_gauge_may_go_up_on_one_worker_and_down_on_another() {
        let http = registry().http("ingress");
        http.local(0).inc(HttpStat::DownstreamCxActive);
        http.local(1).dec(HttpStat::DownstreamCxActive);
        assert_eq!(http.data().read_number(0), super::super::Reading { value: 0, used: true });
        http.local(1).dec(HttpStat::DownstreamCxActive);
        assert_eq!(http.value(HttpStat::DownstreamCxActive), 0);
        http.local(0).add(HttpStat::DownstreamCxActive, 5);
        assert_eq!(http.value(HttpStat::DownstreamCxActive), 4);
    }

    #[test]
    fn the_same_name_is_the_same_scope_until_dropped() {
        let registry = registry();
        let first = registry.listener("127.0.0.1:80");
        first.local(0).inc(ListenerStat::DownstreamCxTotal);
        assert_eq!(first.prefix(), "listener.127.0.0.1_80.");
        assert_eq!(registry.listener("127.0.0.1:80").value(ListenerStat::DownstreamCxTotal), 1);
        drop(first);
        assert!(registry.scopes().is_empty());
        assert_eq!(registry.listener("127.0.0.1:80").value(ListenerStat::DownstreamCxTotal), 0);
    }

    #[test]
    fn reset_clears_counters_and_codes_only() {
        let registry = registry();
        let cluster = registry.cluster("web");
        let local = cluster.local(1);
        local.inc(ClusterStat::UpstreamRqTotal);
        local.inc(ClusterStat::UpstreamRqActive);
        local.response_code(ResponseClass::All, 200);
        cluster.set(ClusterStat::MembershipChange, 3);
        registry.reset_counters();
        assert_eq!(cluster.value(ClusterStat::UpstreamRqTotal), 0);
        assert_eq!(cluster.value(ClusterStat::MembershipChange), 0);
        assert_eq!(cluster.value(ClusterStat::UpstreamRqActive), 1);
        assert_eq!(cluster.data().read_codes(0), [(200, 0)]);
        local.inc(ClusterStat::UpstreamRqTotal);
        local.response_code(ResponseClass::All, 200);
        assert_eq!(cluster.value(ClusterStat::UpstreamRqTotal), 1);
        assert_eq!(cluster.data().read_codes(0), [(200, 1)]);
    }

    #[test]
    fn an_idle_cluster_has_no_blocks_and_reading_makes_none() {
        let registry = registry();
        let cluster = registry.cluster("idle");
        let _local = cluster.local(0);
        assert_eq!(cluster.value(ClusterStat::UpstreamRqTotal), 0);
        registry.merge_histograms();
        assert!(!cluster.data().touched());
    }

    #[test]
    fn ten_thousand_clusters_are_written_in_small_pieces() {
        let registry = registry();
        let clusters: Vec<_> = (0..10_000).map(|at| registry.cluster(&format!("c{at}"))).collect();
        clusters[7].local(0).inc(ClusterStat::UpstreamRqTotal);
        for (used_only, expected) in [(None, 10_000 * (104 + 3 * 22) + 104 + 3), (Some(""), 2)] {
            let query = |name: &str| match name {
                "usedonly" => used_only,
                _ => None,
            };
            let query = StatsQuery::parse(true, query).unwrap();
            let (mut lines, mut largest) = (0, 0);
            let mut chunks = Chunks::new(|piece| {
                lines += memchr::memchr_iter(b'\n', &piece).count();
                largest = largest.max(piece.len());
                Ok(())
            });
            let wrote = registry.write(&query, &mut chunks).and_then(|()| chunks.finish());
            assert_eq!((wrote, lines), (Ok(()), expected));
            assert!(largest < 80 * 1024, "{largest}");
        }
    }

    #[test]
    fn writing_stops_when_the_reader_is_gone() {
        let registry = registry();
        let _clusters: Vec<_> = (0..100).map(|at| registry.cluster(&format!("c{at}"))).collect();
        let query = StatsQuery::parse(false, |_| None).unwrap();
        let mut pieces = 0;
        let wrote = registry.write(
            &query,
            &mut Chunks::new(|_| {
                pieces += 1;
                Err(Stopped)
            }),
        );
        assert_eq!((wrote, pieces), (Err(Stopped), 1));
    }

    #[test]
    fn histograms_are_readable_after_a_merge() {
        let registry = registry();
        let cluster = registry.cluster("web");
        cluster.local(0).record(ClusterHistogram::UpstreamRqTime, 5);
        let time = ClusterHistogram::UpstreamRqTime as usize;
        assert!(cluster.data().read_histogram(time).cumulative.is_empty());
        registry.merge_histograms();
        assert!(!cluster.data().read_histogram(time).interval.is_empty());
        registry.merge_histograms();
        assert!(cluster.data().read_histogram(time).interval.is_empty());
        assert!(!cluster.data().read_histogram(time).cumulative.is_empty());
    }
}
