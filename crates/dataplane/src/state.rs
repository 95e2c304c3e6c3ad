//! The proxy as its admin pages see it.
//!
//! Owns: what those pages ask for, gathered from all over. Does not own: the pages (`admin`), nor carrying out what they
//! order (`control`).
//! Follows Envoy's page "Administration interface".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::access_loggers::{AccessLogSet, LogWriterHandle};
use crate::admin::{
    AdminAccess, ClusterStatus, DrainRequest, ListenerStatus, ProxyState, PythonPages, ServerState,
};
use crate::application_log;
use crate::control::Order;
use crate::drain::Phase;
use crate::explain::FailedStreams;
use crate::format::file_content::FileContentWatch;
use crate::format::{AccessLogType, FormatContext};
use crate::listener::Listener;
use crate::matcher::StringMatcher;
use crate::random::thread_random;
use crate::runtime::Runtime;
use crate::snapshot::Snapshot;
use crate::stat_sinks::StatSinks;
use crate::stats::{ProcessFacts, ProcessStats};
use crate::transport_sockets::tls::downstream::DownstreamContext;
use crate::transport_sockets::tls::loaded::LoadedContext;
use crate::transport_sockets::tls::reload::{CertificateWatch, Reload};
use crate::transport_sockets::tls::upstream::UpstreamContext;
use crate::worker::Process;

/// What the control thread and the admin pages know of the proxy.
#[derive(Debug)]
pub struct State {
    /// What all workers share.
    pub process: Arc<Process>,
    /// The statistics that exist from start to end.
    pub process_stats: ProcessStats,
    /// Where orders to the control thread go.
    pub orders: UnboundedSender<Order>,
    /// The runtime.
    pub runtime: Runtime,
    /// Access logs.
    pub logs: LogWriterHandle,
    pub(crate) server_info: Arc<str>,
    pub(crate) python_pages: PythonPages,
    pub(crate) allow_paths: Vec<StringMatcher>,
    pub(crate) access_log: AccessLogSet,
    pub(crate) started: Instant,
    pub(crate) sinks: Mutex<StatSinks>,
    /// Whether statistics are flushed when somebody looks at them, and not at an interval.
    pub(crate) flush_on_admin: bool,
    pub(crate) serving: Mutex<Serving>,
}

/// What is served now.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) listeners: Vec<ServedListener>,
    /// Until the control thread has it.
    pub(crate) certificate_watch: Option<CertificateWatch>,
    /// As that.
    pub(crate) file_watch: Option<FileContentWatch>,
    pub(crate) is_live: bool,
}

/// A listener that is bound.
#[derive(Debug)]
pub(crate) struct ServedListener {
    pub(crate) status: ListenerStatus,
    /// Its statistics stay as long as it is on the list, also once no worker serves it any more.
    pub(crate) listener: Arc<Listener>,
    pub(crate) is_inbound: bool,
    /// Whether a drain has closed it.
    pub(crate) is_stopped: bool,
}

impl State {
    pub(crate) fn serving(&self) -> std::sync::MutexGuard<'_, Serving> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes histograms readable, brings gauges up to date, and sends all to the sinks.
    pub(crate) fn flush_stats(&self) {
        self.process.registry.merge_histograms();
        self.refresh_gauges();
        self.sinks().flush(&self.process.registry);
    }

    pub(crate) fn sinks(&self) -> std::sync::MutexGuard<'_, StatSinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.serving().snapshot.clone()
    }

    /// Counts listeners that are closed. They stay on the list, as in Envoy.
    pub(crate) fn listeners_stopped(&self, inbound_only: bool) {
        let mut serving = self.serving();
        let listening = serving.listeners.iter_mut().filter(|listener| !listener.is_stopped);
        let stopped = listening
            .filter(|listener| listener.is_inbound || !inbound_only)
            .map(|listener| listener.is_stopped = true)
            .count();
        drop(serving);
        self.process_stats.listeners_stopped(u32::try_from(stopped).unwrap_or(u32::MAX));
    }

    /// The certificates of all contexts of TLS.
    pub(crate) fn loaded_certificates(&self) -> Vec<Arc<LoadedContext>> {
        let serving = self.serving();
        let Some(snapshot) = serving.snapshot.as_deref() else { return Vec::new() };
        let listeners = serving.listeners.iter().map(|served| &served.listener);
        tls_contexts(listeners, snapshot).map(|context| context.loaded()).collect()
    }

    fn refresh_gauges(&self) {
        let live = self.state() == ServerState::Live;
        let certificates = self.loaded_certificates();
        let first_expiration = certificates.iter().filter_map(|loaded| loaded.first_expiration()).min();
        let facts =
            ProcessFacts { uptime: self.uptime(), live, state: self.state() as u64, first_expiration };
        self.process_stats.refresh(&facts);
    }

    fn order(&self, order: Order) {
        // Nobody takes orders once the control thread has ended, and then there is nothing left to do.
        let _ = self.orders.send(order);
    }
}

impl ProxyState for State {
    fn state(&self) -> ServerState {
        if !self.serving().is_live {
            return ServerState::Initializing;
        }
        // Draining listeners alone does not make health checks fail.
        let drain = &self.process.drain;
        if drain.health_check_failed() || drain.phase() == Phase::Ending {
            ServerState::Draining
        } else {
            ServerState::Live
        }
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn server_info(&self) -> Arc<str> {
        Arc::clone(&self.server_info)
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        self.serving().listeners.iter().map(|listener| listener.status.clone()).collect()
    }

    fn cluster_names(&self) -> Vec<Arc<str>> {
        let snapshot = self.snapshot();
        let clusters = snapshot.as_deref().map(Snapshot::clusters).unwrap_or_default();
        clusters.iter().map(|cluster| Arc::clone(&cluster.name)).collect()
    }

    fn cluster(&self, name: &str) -> Option<ClusterStatus> {
        Some(self.snapshot()?.cluster_by_name(name)?.status())
    }

    fn drain_listeners(&self, request: DrainRequest) {
        self.order(Order::DrainListeners(request));
    }

    fn set_healthcheck_failed(&self, failed: bool) {
        self.process.drain.set_health_check_failed(failed);
    }

    fn reopen_logs(&self) {
        application_log::reopen();
        self.logs.reopen();
    }

    fn shutdown(&self) {
        self.order(Order::End { drain: false });
    }

    fn refresh_stats(&self) {
        if self.flush_on_admin { self.flush_stats() } else { self.refresh_gauges() }
    }

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn python_pages(&self) -> &PythonPages {
        &self.python_pages
    }

    fn failed_streams(&self) -> &FailedStreams {
        &self.process.failed_streams
    }

    fn path_allowed(&self, path: &str) -> bool {
        self.allow_paths.is_empty() || self.allow_paths.iter().any(|matcher| matcher.matches(path.as_bytes()))
    }

    fn log_access(&self, access: &AdminAccess<'_>) {
        if self.access_log.is_empty() {
            return;
        }
        let occasion = AccessLogType::DownstreamEnd;
        let mut context =
            FormatContext::new(access.stream, access.connection, occasion, Instant::now(), thread_random);
        context.request_headers = Some(access.request);
        context.response_headers = Some(access.response);
        self.access_log.log_now(&self.logs, &context);
    }
}

/// All contexts of TLS.
pub(crate) fn tls_contexts<'a>(
    listeners: impl Iterator<Item = &'a Arc<Listener>> + 'a,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = Arc<dyn Reload>> + 'a {
    let downstream = listeners.flat_map(|listener| listener.tls_contexts());
    let upstream = snapshot.clusters().iter().filter_map(|cluster| cluster.tls.as_ref());
    let downstream =
        downstream.map(|context| -> Arc<dyn Reload> { Arc::<DownstreamContext>::clone(context) });
    downstream.chain(upstream.map(|context| -> Arc<dyn Reload> { Arc::<UpstreamContext>::clone(context) }))
}
