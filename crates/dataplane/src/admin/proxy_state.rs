//! What the admin pages need to know of the proxy, and what they may tell it to do.
//!
//! Owns the trait and its plain values; the data plane implements it. Methods are called on the control thread, and
//! those about clusters also on a thread that writes a page. They must return at once: what takes time (a drain) is
//! begun here and goes on elsewhere.

use std::sync::Arc;
use std::time::Duration;

use ferryman_codec::HeaderBlock;

use super::python_pages::PythonPages;
use crate::explain::FailedStreams;
use crate::model::cluster::CircuitBreakerThresholds;
use crate::runtime::Runtime;
use crate::stats::{EndpointStats, Scope};
use crate::stream_info::{Address, ConnectionInfo, StreamInfo};

/// Envoy's `ServerInfo.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// Serving.
    Live = 0,
    /// Failing health checks, or draining.
    Draining = 1,
    /// Before clusters are initialised.
    PreInitializing = 2,
    /// Before listeners take traffic.
    Initializing = 3,
}

impl ServerState {
    /// As `/ready` and `/server_info` print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }
}

/// A listener that is bound.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is bound: `address`, then `additional_addresses`.
    pub local_addresses: Vec<Address>,
    /// The network namespaces of those addresses; none: that of the process.
    pub network_namespaces: Vec<Option<Arc<str>>>,
}

/// Why an endpoint gets no traffic or less of it. In the order in which Envoy prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthFlag {
    /// Active health checks fail.
    FailedActiveHealthCheck,
    /// Ejected by outlier detection.
    FailedOutlierCheck,
    /// The configuration says that it is unhealthy.
    FailedEdsHealth,
    /// The health check answered that it is degraded.
    DegradedActiveHealthCheck,
    /// The configuration says that it is degraded.
    DegradedEdsHealth,
    /// Gone from the configuration, kept while it is healthy.
    PendingDynamicRemoval,
    /// Waits for its first health check.
    PendingActiveHealthCheck,
    /// It said `x-envoy-immediate-health-check-fail`.
    ExcludedViaImmediateHealthCheckFail,
    /// The last health check timed out.
    ActiveHealthCheckTimeout,
    /// The configuration says that it drains.
    EdsStatusDraining,
}

/// The health that the configuration gives to an endpoint, as `/clusters?format=json` prints it.
pub type EdsHealthStatus = crate::model::cluster::HealthStatus;

/// An endpoint and what was counted on it.
#[derive(Debug, Clone)]
pub struct EndpointStatus {
    /// Where it listens.
    pub address: Address,
    /// Its `hostname`; may be empty.
    pub hostname: Arc<str>,
    /// What was counted.
    pub stats: Scope<EndpointStats>,
    /// In the order of `HealthFlag`; empty: healthy.
    pub health_flags: Vec<HealthFlag>,
    /// What the configuration says.
    pub eds_health_status: EdsHealthStatus,
    /// Its load balancing weight.
    pub weight: u32,
    /// Of its locality.
    pub region: Arc<str>,
    /// Of its locality.
    pub zone: Arc<str>,
    /// Of its locality.
    pub sub_zone: Arc<str>,
    /// Whether its metadata says `envoy.lb: {canary: true}`.
    pub canary: bool,
    /// Its priority.
    pub priority: u32,
    /// Outlier detection's success rate in percent, when there were enough requests.
    pub success_rate: Option<f64>,
    /// The same, of errors of ours only.
    pub local_origin_success_rate: Option<f64>,
}

/// A cluster and its endpoints.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// Its name.
    pub name: Arc<str>,
    /// `alt_stat_name`, or the name.
    pub observability_name: Arc<str>,
    /// Whether xDS gave it.
    pub added_via_api: bool,
    /// Limits at default priority.
    pub circuit_breakers_default: CircuitBreakerThresholds,
    /// Limits at high priority.
    pub circuit_breakers_high: CircuitBreakerThresholds,
    /// In the order of the configuration.
    pub endpoints: Vec<EndpointStatus>,
}

/// What `/drain_listeners` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainRequest {
    /// Wait for the drain time before listeners close.
    pub graceful: bool,
    /// Only listeners of inbound traffic.
    pub inbound_only: bool,
    /// Drain connections, but let listeners be.
    pub skip_exit: bool,
}

/// One answered request of the admin listener, for its access logs.
#[derive(Debug)]
pub struct AdminAccess<'a> {
    /// The connection that it came on.
    pub connection: &'a ConnectionInfo,
    /// Times, sizes, response code.
    pub stream: &'a StreamInfo,
    /// The request's head.
    pub request: &'a HeaderBlock,
    /// The response's head.
    pub response: &'a HeaderBlock,
}

/// The rest of the proxy, as admin sees it.
pub trait ProxyState: Send + Sync {
    /// Whether it serves.
    fn state(&self) -> ServerState;

    /// Since the process started.
    fn uptime(&self) -> Duration;

    /// `/server_info` as Python wrote it, with `%STATE%` and `%UPTIME%` where those go.
    fn server_info(&self) -> Arc<str>;

    /// The listeners, in the order of the configuration.
    fn listeners(&self) -> Vec<ListenerStatus>;

    /// The names of all clusters; each is then asked for by `cluster`, so that ten thousand need no memory at once.
    fn cluster_names(&self) -> Vec<Arc<str>>;

    /// One cluster; `None` when it went away meanwhile.
    fn cluster(&self, name: &str) -> Option<ClusterStatus>;

    /// Begins to drain listeners.
    fn drain_listeners(&self, request: DrainRequest);

    /// Makes health checks of this proxy fail, or succeed again.
    fn set_healthcheck_failed(&self, failed: bool);

    /// Opens all access log files and the application log anew.
    fn reopen_logs(&self);

    /// Ends the process, without a drain.
    fn shutdown(&self);

    /// Brings the numbers up to date that nobody counts (uptime, memory), before statistics are read.
    fn refresh_stats(&self);

    /// The runtime, which its pages show and change.
    fn runtime(&self) -> &Runtime;

    /// The pages that Python answers.
    fn python_pages(&self) -> &PythonPages;

    /// What is remembered of streams that ended in an error.
    fn failed_streams(&self) -> &FailedStreams;

    /// Whether `Admin.allow_paths` lets this target, a path with its query, through; true when that is empty.
    fn path_allowed(&self, path: &str) -> bool;

    /// Writes the access log of one request.
    fn log_access(&self, access: &AdminAccess<'_>);
}
