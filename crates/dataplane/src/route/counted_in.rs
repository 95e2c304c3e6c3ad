//! Where a request is counted beside its cluster: in a virtual cluster of its virtual host, and in its route.
//!
//! Owns: which requests belong to which virtual cluster, and the scopes of a table. Does not own: when something is
//! counted (`filters::http::router`).
//! Follows Envoy's pages "Virtual clusters" and "Router", section "Statistics": the first virtual cluster of which all
//! headers match takes the request, `other` takes the rest; a route has statistics if it has a `stat_prefix`.

use ferryman_codec::HeaderBlock;

use crate::matcher::HeaderMatcher;
use crate::model::route as model;
use crate::stats::{LocalScope, Registry, Scope, VirtualHostStats};

/// Takes what no virtual cluster does.
const OTHER: &str = "other";

/// The scopes in which one request is counted, as numbers within the table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CountedIn {
    pub(super) virtual_cluster: Option<u32>,
    pub(super) route: Option<u32>,
}

/// One scope's name.
#[derive(Debug, Clone)]
pub(super) enum StatName {
    VirtualCluster { host: Box<str>, name: Box<str> },
    Route { host: Box<str>, stat_prefix: Box<str> },
}

/// The names of all scopes of a table; a scope's number is its place, after those of other tables.
#[derive(Debug, Default)]
pub(super) struct StatNames {
    first: u32,
    names: Vec<StatName>,
}

impl StatNames {
    /// Those of a table before which so many stand.
    pub(super) fn after(first: u32) -> Self {
        Self { first, names: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, name: StatName) -> Option<u32> {
        let number = self.first.checked_add(self.len());
        self.names.push(name);
        number
    }

    /// A route's scope; none without a prefix.
    pub(super) fn add_route(&mut self, host: &str, stat_prefix: &str) -> Option<u32> {
        if stat_prefix.is_empty() {
            return None;
        }
        self.add(StatName::Route { host: host.into(), stat_prefix: stat_prefix.into() })
    }

    /// Opens the scopes.
    pub(super) fn open(&self, registry: &Registry) -> Vec<Scope<VirtualHostStats>> {
        let open = |name: &StatName| match name {
            StatName::VirtualCluster { host, name } => registry.virtual_cluster(host, name),
            StatName::Route { host, stat_prefix } => registry.route(host, stat_prefix),
        };
        self.names.iter().map(open).collect()
    }
}

/// The virtual clusters of a virtual host.
#[derive(Debug, Default)]
pub(super) struct VirtualClusters {
    named: Vec<VirtualCluster>,
    other: Option<u32>,
}

#[derive(Debug)]
struct VirtualCluster {
    name: Box<str>,
    headers: Vec<HeaderMatcher>,
    number: Option<u32>,
}

impl VirtualClusters {
    pub(super) fn compile(host: &model::VirtualHost, names: &mut StatNames) -> Result<Self, String> {
        let mut add = |name: &str| {
            names.add(StatName::VirtualCluster { host: host.name.as_str().into(), name: name.into() })
        };
        let other = if host.virtual_clusters.is_empty() { None } else { add(OTHER) };
        let compile = |cluster: &model::VirtualCluster| {
            Ok(VirtualCluster {
                name: cluster.name.as_str().into(),
                headers: cluster.headers.iter().map(HeaderMatcher::compile).collect::<Result<_, String>>()?,
                number: add(&cluster.name),
            })
        };
        Ok(Self { other, named: host.virtual_clusters.iter().map(compile).collect::<Result<_, String>>()? })
    }

    /// The number of a request's virtual cluster, and its name unless it is `other`.
    #[inline]
    pub(super) fn find(&self, request: &HeaderBlock) -> (Option<u32>, Option<&str>) {
        let takes = |cluster: &&VirtualCluster| cluster.headers.iter().all(|header| header.matches(request));
        match self.named.iter().find(takes) {
            Some(cluster) => (cluster.number, Some(&cluster.name)),
            None => (self.other, None),
        }
    }
}

/// One worker's handles of a table's scopes.
#[derive(Debug)]
pub struct WorkerRouteStats(Box<[LocalScope<VirtualHostStats>]>);

impl WorkerRouteStats {
    /// For the worker of this index, of what `RouteTable::open_stats` opened.
    #[must_use]
    pub fn new(scopes: &[Scope<VirtualHostStats>], worker: usize) -> Self {
        Self(scopes.iter().map(|scope| scope.local(worker)).collect())
    }

    /// The scopes in which a request is counted: none, one or two.
    #[inline]
    pub fn of(&self, counted: CountedIn) -> impl Iterator<Item = &LocalScope<VirtualHostStats>> {
        let numbers = [counted.virtual_cluster, counted.route].into_iter().flatten();
        numbers.filter_map(|number| self.0.get(usize::try_from(number).ok()?))
    }
}
