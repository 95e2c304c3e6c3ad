//! Counters, gauges and histograms under Envoy's names.
//!
//! Owns the numbers of the whole proxy, how workers write them (`Scope::local`, then `inc`, `add`, `record`: a load, an
//! add and a store in the worker's own memory) and how they are printed. Nothing here is done per request but writing.
//! Does not decide when to count: whoever owns an event does. Names follow Envoy's statistics pages.
//!
//! ```
//! use ferryman_dataplane::stats::{ClusterHistogram, ClusterStat, Registry, ResponseClass};
//! # use ferryman_dataplane::model::bootstrap::StatsConfig;
//! # let config = StatsConfig::default();
//! let registry = Registry::new(&config, 2);
//! let cluster = registry.cluster("web");
//! let local = cluster.local(0);
//! local.inc(ClusterStat::UpstreamRqTotal);
//! local.record(ClusterHistogram::UpstreamRqTime, 3);
//! local.response_code(ResponseClass::All, 200);
//! assert_eq!(cluster.value(ClusterStat::UpstreamRqTotal), 1);
//! ```

mod buckets;
mod chunks;
mod cluster;
pub(crate) mod declare;
mod distribution;
mod endpoints;
mod grpc;
mod histogram;
mod http;
mod http_filters;
mod json;
mod listener;
mod listing;
mod matcher;
mod memory;
mod merge;
mod number_text;
mod process;
mod prometheus;
mod query;
mod registry;
mod response_codes;
mod rows;
mod samples;
mod scope;
mod server;
pub(crate) mod ssl;
mod stats_matcher;
pub(crate) mod tags;
mod text;
mod udp;
mod used;

pub use chunks::{Chunks, Stopped};
pub use cluster::*;
pub(crate) use declare::stats_group;
pub use declare::{Group, Kind, NoHistogram, Presence, Stat, Table};
pub use endpoints::{ListedEndpoint, ListedEndpoints};
pub use grpc::*;
pub use http::*;
pub use http_filters::*;
pub(crate) use json::write_json_string;
pub use listener::*;
pub use matcher::*;
pub use memory::Memory;
pub use process::{ProcessFacts, ProcessStats};
pub use query::{Format, HistogramBuckets, StatType, StatsQuery};
pub use registry::Registry;
pub(crate) use registry::sanitize as sanitized;
pub use response_codes::ResponseClass;
pub use samples::{Sample, Samples};
pub use scope::{LocalScope, Reading, Scope, ScopeData};
pub use server::*;
pub use ssl::*;
pub use udp::*;
pub use used::{SentName, UsedStat};
