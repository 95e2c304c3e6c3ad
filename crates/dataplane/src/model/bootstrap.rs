//! What concerns the whole process (Envoy: `config.bootstrap.v3.Bootstrap` and the command line).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::access_log::AccessLog;
use super::address::{Address, SocketOption};
use super::matcher::StringMatcher;
use super::runtime::RuntimeLayer;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub address: Address,
    pub socket_options: Vec<SocketOption>,
    pub access_log: Vec<AccessLog>,
    pub allow_paths: Vec<StringMatcher>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramBuckets {
    #[serde(rename = "match")]
    pub matching: StringMatcher,
    pub buckets: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TagSpecifier {
    pub tag_name: String,
    pub regex: Option<String>,
    pub fixed_value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatsConfig {
    pub tags: Vec<TagSpecifier>,
    pub use_all_default_tags: bool,
    pub allow_default_tag_overrides: bool,
    pub histogram_buckets: Vec<HistogramBuckets>,
    pub matcher: Option<StatsMatcher>,
    pub deferred_creation: bool,
}

impl Default for StatsConfig {
    fn default() -> Self {
        StatsConfig {
            tags: Vec::new(),
            use_all_default_tags: true,
            allow_default_tag_overrides: false,
            histogram_buckets: Vec::new(),
            matcher: None,
            deferred_creation: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StatsMatcher {
    All { accepted: bool },
    Include { patterns: Vec<StringMatcher> },
    Exclude { patterns: Vec<StringMatcher> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatsDialect {
    Statsd,
    DogStatsd,
    GraphiteStatsd,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StatsDestination {
    Datagrams { address: Address, max_bytes: usize },
    Stream { cluster: String },
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatsSink {
    pub dialect: StatsDialect,
    pub destination: StatsDestination,
    pub prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainStrategy {
    Gradual,
    Immediate,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    pub miss_timeout_ms: u64,
    pub megamiss_timeout_ms: u64,
    pub kill_timeout_ms: Option<u64>,
    pub max_kill_timeout_jitter_ms: u64,
    pub multikill_timeout_ms: Option<u64>,
    pub multikill_threshold: f64,
    pub aborts_on_miss: bool,
    pub aborts_on_megamiss: bool,
}

impl Default for Watchdog {
    fn default() -> Self {
        Watchdog {
            miss_timeout_ms: 200,
            megamiss_timeout_ms: 1000,
            kill_timeout_ms: None,
            max_kill_timeout_jitter_ms: 0,
            multikill_timeout_ms: None,
            multikill_threshold: 0.0,
            aborts_on_miss: false,
            aborts_on_megamiss: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct Bootstrap {
    pub admin: Option<Admin>,
    pub node_id: String,
    pub node_cluster: String,
    pub node_region: String,
    pub node_zone: String,
    pub node_sub_zone: String,
    pub concurrency: usize,
    pub drain_time_ms: u64,
    pub drain_strategy: DrainStrategy,
    pub file_flush_interval_ms: u64,
    pub file_flush_min_size_bytes: usize,
    pub stats: StatsConfig,
    pub stats_sinks: Vec<StatsSink>,
    pub stats_flush_interval_ms: u64,
    pub stats_flush_on_admin: bool,
    pub stats_server_version: Option<u64>,
    pub starts_draining: bool,
    pub worker_cpu_affinity: bool,
    pub header_prefix: String,
    pub deprecated_features: u64,
    pub unknown_fields: u64,
    pub application_log_format: Option<String>,
    pub layered_runtime: Vec<RuntimeLayer>,
    pub main_thread_watchdog: Watchdog,
    pub worker_watchdog: Watchdog,
    pub dispatcher_stats: bool,
}
