//! The statistics of single endpoints, of those clusters that have them listed.
//!
//! Owns: which endpoints these are, and their lines in every format. As in Envoy they come after all other numbers of a
//! page, each endpoint with its counters before its gauges; matchers and `usedonly` do not look at them. Does not own
//! the numbers, which `/clusters` shows of every endpoint. Follows Envoy's `track_cluster_stats.per_endpoint_stats`.

use std::sync::Arc;

use super::chunks::{Chunks, Stopped};
use super::cluster::EndpointStats;
use super::declare::{Group, Kind};
use super::listing::Render;
use super::number_text::write_integer;
use super::query::StatsQuery;
use super::registry::sanitize;
use super::scope::Scope;
use super::tags::{Shape, Tags, write_label};

/// One endpoint of a cluster.
#[derive(Debug)]
pub struct ListedEndpoint {
    /// As logs show it.
    pub address: String,
    /// Empty: none.
    pub hostname: Arc<str>,
    /// Whether it is picked like any other.
    pub is_healthy: bool,
    /// What was counted.
    pub stats: Scope<EndpointStats>,
}

/// The endpoints of a cluster; listed as long as somebody holds it.
#[derive(Debug)]
pub struct ListedEndpoints {
    /// `cluster.<stat name>.`
    prefix: String,
    endpoints: Vec<ListedEndpoint>,
}

impl ListedEndpoints {
    pub(super) fn new(stat_name: &str, endpoints: Vec<ListedEndpoint>) -> Self {
        Self { prefix: format!("cluster.{}.", sanitize(stat_name)), endpoints }
    }
}

impl ListedEndpoint {
    /// Name, kind and value of each number: counters, gauges, and at last whether it is healthy.
    fn numbers(&self) -> impl Iterator<Item = (&'static str, Kind, u64)> {
        let readings = self.stats.read();
        let of_kind = move |kind| {
            let values: Vec<_> = EndpointStats::TABLE
                .numbers
                .iter()
                .zip(&readings)
                .filter(|(number, _)| number.kind == kind)
                .map(|(number, reading)| (number.name, kind, reading.value))
                .collect();
            values
        };
        let healthy = ("healthy", Kind::Gauge, u64::from(self.is_healthy));
        [of_kind(Kind::Counter), of_kind(Kind::Gauge), vec![healthy]].into_iter().flatten()
    }
}

/// Lists them, with their full names.
pub fn write(
    clusters: &[Arc<ListedEndpoints>],
    query: &StatsQuery,
    render: &mut dyn Render,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    let mut scratch = Vec::new();
    for cluster in clusters {
        for endpoint in &cluster.endpoints {
            let prefix = format!("{}endpoint.{}.", cluster.prefix, sanitize(&endpoint.address));
            for (name, kind, value) in endpoint.numbers() {
                let parts = [prefix.as_bytes(), name.as_bytes()];
                if query.wants_kind(kind) && query.wants_name(&parts, &mut scratch) {
                    render.number(&parts, value, &mut chunks.buffer);
                    chunks.cut()?;
                }
            }
        }
    }
    Ok(())
}

/// Lists them as metrics, each once with a line for each endpoint, sorted by its labels.
pub fn write_metrics(
    clusters: &[Arc<ListedEndpoints>],
    tags: &Tags,
    query: &StatsQuery,
    chunks: &mut Chunks<'_>,
) -> Result<(), Stopped> {
    let mut rows = Vec::new();
    let mut scratch = Vec::new();
    for cluster in clusters {
        let of_cluster = tags.extract(&cluster.prefix, cluster.prefix.len(), Shape::Cluster).labels;
        for endpoint in &cluster.endpoints {
            let mut labels = of_cluster.clone();
            let mut add = |tag, value: &str| {
                if !labels.is_empty() {
                    labels.push(',');
                }
                write_label(tag, value, &mut labels);
            };
            add("envoy.endpoint_address", &endpoint.address);
            if !endpoint.hostname.is_empty() {
                add("envoy.endpoint_hostname", &endpoint.hostname);
            }
            let prefix = format!("{}endpoint.{}.", cluster.prefix, sanitize(&endpoint.address));
            for (name, kind, value) in endpoint.numbers() {
                if query.wants_name(&[prefix.as_bytes(), name.as_bytes()], &mut scratch) {
                    rows.push((kind == Kind::Gauge, name, labels.clone(), value));
                }
            }
        }
    }
    rows.sort();
    let mut former = "";
    for (is_gauge, name, labels, value) in &rows {
        if *name != former {
            former = name;
            let kind = if *is_gauge { "gauge" } else { "counter" };
            chunks
                .buffer
                .extend_from_slice(format!("# TYPE envoy_cluster_endpoint_{name} {kind}\n").as_bytes());
        }
        chunks.buffer.extend_from_slice(format!("envoy_cluster_endpoint_{name}{{{labels}}} ").as_bytes());
        write_integer(*value, &mut chunks.buffer);
        chunks.buffer.push(b'\n');
        chunks.cut()?;
    }
    Ok(())
}
