//! How long pages of statistics take, and how much the statistics themselves: `cargo run --release --example
//! scrape_time -- [clusters]`, 10,000 by default.
//!
//! Every cluster has what a configuration gives it (membership) and one in a hundred has had traffic on two workers.
#![allow(clippy::print_stdout, missing_docs, reason = "a program that measures and prints")]

use std::time::Instant;

use ferryman_dataplane::model::bootstrap::StatsConfig;
use ferryman_dataplane::stats::{
    Chunks, ClusterHistogram, ClusterStat, ClusterStats, Memory, Registry, ResponseClass, Scope, StatsQuery,
};

fn configure(cluster: &Scope<ClusterStats>) {
    for (stat, value) in [
        (ClusterStat::MembershipChange, 1),
        (ClusterStat::MembershipTotal, 1),
        (ClusterStat::MembershipHealthy, 1),
        (ClusterStat::MembershipDegraded, 0),
        (ClusterStat::MembershipExcluded, 0),
    ] {
        cluster.set(stat, value);
    }
}

fn serve_one(cluster: &Scope<ClusterStats>) {
    for worker in 0..2 {
        let local = cluster.local(worker);
        local.inc(ClusterStat::UpstreamRqTotal);
        local.record(ClusterHistogram::UpstreamRqTime, 3);
        local.response_code(ResponseClass::All, 200);
    }
}

fn page(registry: &Registry, name: &str, prometheus: bool, parameters: &[(&str, &str)]) {
    let first = |name: &str| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let Ok(query) = StatsQuery::parse(prometheus, first) else { return };
    let start = Instant::now();
    let (mut bytes, mut lines) = (0, 0);
    let mut chunks = Chunks::new(|piece| {
        bytes += piece.len();
        lines += memchr::memchr_iter(b'\n', &piece).count();
        Ok(())
    });
    // The function above never says that it wants no more.
    let _whole = registry.write(&query, &mut chunks).and_then(|()| chunks.finish());
    println!(
        "{name:32} {:8.1} ms {lines:9} lines {:8.1} MB",
        start.elapsed().as_secs_f64() * 1e3,
        bytes as f64 / 1e6
    );
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let config = StatsConfig::default();
    let registry = Registry::new(&config, 2);
    let before = Memory::read().allocated;
    let clusters: Vec<_> = (0..count).map(|at| registry.cluster(&format!("service-{at}"))).collect();
    clusters.iter().for_each(configure);
    let untouched = Memory::read().allocated;
    println!("{count} clusters: {} bytes each", (untouched - before) / count);
    clusters.iter().step_by(100).for_each(serve_one);
    println!(
        "with traffic: {} bytes more each",
        (Memory::read().allocated - untouched) / (count / 100).max(1)
    );
    let start = Instant::now();
    registry.merge_histograms();
    println!("{:32} {:8.1} ms", "merge histograms", start.elapsed().as_secs_f64() * 1e3);
    page(&registry, "/stats/prometheus", true, &[]);
    page(&registry, "/stats/prometheus?usedonly", true, &[("usedonly", "")]);
    page(&registry, "/stats", false, &[]);
    page(&registry, "/stats?usedonly", false, &[("usedonly", "")]);
    page(&registry, "/stats?format=json", false, &[("format", "json")]);
    page(&registry, "/stats?filter=", false, &[("filter", "^cluster[.]service-77[.]")]);
    println!("after the pages: {} bytes more", Memory::read().allocated.saturating_sub(untouched));
}
