//! What statistics take: memory for those that count nothing, and allocations of those that do.
//!
//! One test, since the allocator counts for all threads.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a test may stop at the first surprise

use std::alloc::System;

use ferryman_dataplane::model::bootstrap::StatsConfig;
use ferryman_dataplane::stats::{Chunks, ClusterHistogram, ClusterStat, Registry, ResponseClass, StatsQuery};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CLUSTERS: usize = 1000;

/// Bytes that were taken and not given back.
fn kept(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// Lines of the page that Prometheus asks for.
fn scrape(registry: &Registry) -> usize {
    let mut lines = 0;
    let mut chunks = Chunks::new(|piece: Vec<u8>| {
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
        Ok(())
    });
    let query = StatsQuery::parse(true, |_| None).unwrap();
    registry.write(&query, &mut chunks).and_then(|()| chunks.finish()).unwrap();
    lines
}

#[test]
fn what_is_not_counted_costs_little_and_counting_allocates_nothing() {
    let config = StatsConfig::default();
    let registry = Registry::new(&config, 2);
    let region = Region::new(ALLOCATOR);
    let clusters: Vec<_> = (0..CLUSTERS).map(|at| registry.cluster(&format!("service-{at}"))).collect();
    let each = kept(&region) / CLUSTERS;
    assert!(each <= 320, "a cluster without traffic takes {each} bytes");

    // Yet each has every line that Envoy prints for it.
    assert_eq!(scrape(&registry), CLUSTERS * (104 + 3 * 22) + 104 + 3);
    registry.merge_histograms();
    let after = kept(&region) / CLUSTERS;
    assert!(after <= each + 8, "reading left {after} bytes with each cluster, {each} before");

    let local = clusters[0].local(0);
    let count = || {
        local.inc(ClusterStat::UpstreamRqTotal);
        local.inc(ClusterStat::UpstreamRqActive);
        local.dec(ClusterStat::UpstreamRqActive);
        local.add(ClusterStat::UpstreamCxRxBytesTotal, 77);
        local.record(ClusterHistogram::UpstreamRqTime, 3);
        local.response_code(ResponseClass::All, 200);
    };
    count();
    let region = Region::new(ALLOCATOR);
    (0..100).for_each(|_| count());
    assert_eq!(region.change().allocations, 0);
    assert_eq!(clusters[0].value(ClusterStat::UpstreamRqTotal), 101);
}
