//! One data plane: made, given a configuration, started, ended.
//!
//! Owns: the order of these steps, and that a configuration goes in whole or not at all. Does not own: threads' work
//! (`worker`, `control`), what Python does with it (`crates/native`).

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::access_loggers::{AccessLogSet, LogWriter};
use crate::admin::{self, ListenerStatus, PythonPage, PythonPages, PythonRequest};
use crate::application_log::log_at;
use crate::cluster::Cluster;
use crate::control::{Control, FormerHandlers, Order};
use crate::drain::Drain;
use crate::explain::FailedStreams;
use crate::format::file_content::FileContentWatch;
use crate::listener::{BoundSocket, CompileContext, Listener, bind};
use crate::matcher::StringMatcher;
use crate::model;
use crate::model::bootstrap::Bootstrap;
use crate::runtime::{self, Runtime};
use crate::snapshot::Snapshot;
use crate::stat_sinks::{StatSinks, StreamFeed};
use crate::state::{ServedListener, Serving, State, tls_contexts};
use crate::stats::{ProcessStats, Registry, Samples};
use crate::stream_info::Address;
use crate::token_bucket::SharedBuckets;
use crate::transport_sockets::tls::reload::CertificateWatch;
use crate::watchdog::{Watchdog, WatchdogThread};
use crate::worker::{Command, Process, WorkerThread};

/// What happens that Python has to know.
#[derive(Debug)]
pub enum Event {
    /// An admin page that Python answers.
    Admin(PythonRequest),
    /// All threads have ended, as they were asked to.
    Stopped,
    /// All threads have ended, because no worker was left or the control thread panicked.
    Failed,
}

/// What Python adds to the admin pages.
#[derive(Debug, Default)]
pub struct Presentation {
    /// The JSON of `/server_info`, with `%STATE%` and `%UPTIME%`.
    pub server_info: String,
    /// The pages that Python answers.
    pub python_pages: Vec<PythonPage>,
}

/// A configuration that is compiled and bound, but not served yet.
#[derive(Debug)]
struct Applied {
    snapshot: Arc<Snapshot>,
    listeners: Vec<(Arc<Listener>, Vec<Vec<BoundSocket>>)>,
    admin: Option<admin::Listener>,
}

/// One data plane.
#[derive(Debug)]
pub struct Proxy {
    bootstrap: Bootstrap,
    state: Arc<State>,
    log_writer: Option<LogWriter>,
    samples: Option<Samples>,
    sink_feeds: Vec<StreamFeed>,
    applied: Option<Applied>,
    admin_address: Option<Address>,
    orders: Option<UnboundedReceiver<Order>>,
    control: Option<JoinHandle<()>>,
    watchdog: Option<WatchdogThread>,
    former_handlers: Option<FormerHandlers>,
    event_sender: Sender<Event>,
    events: Arc<Mutex<Receiver<Event>>>,
}

impl Proxy {
    /// Makes a data plane; nothing is bound.
    ///
    /// # Errors
    /// One line: what of the bootstrap cannot be, or what the system refuses.
    pub fn new(bootstrap: Bootstrap, presentation: Presentation) -> Result<Self, String> {
        let started = Instant::now();
        let registry = Registry::in_zone(&bootstrap.stats, bootstrap.concurrency, &bootstrap.node_zone);
        let (sinks, sink_feeds) = StatSinks::open(&bootstrap.stats_sinks)
            .map_err(|error| format!("cannot open the statistics sinks: {error}"))?;
        let samples = (!sinks.is_empty()).then(|| registry.sample());
        let drain = Drain::new(Duration::from_millis(bootstrap.drain_time_ms), bootstrap.drain_strategy);
        let flush_interval = Duration::from_millis(bootstrap.file_flush_interval_ms);
        let log_writer = LogWriter::start(flush_interval, bootstrap.file_flush_min_size_bytes, &registry)
            .map_err(|error| format!("cannot start the thread that writes access logs: {error}"))?;
        let runtime = Runtime::new(&bootstrap.layered_runtime, &registry)?;
        let (order_sender, orders) = unbounded_channel();
        let (event_sender, events) = channel();
        let to_python = Mutex::new(event_sender.clone());
        let python_pages = PythonPages::new(presentation.python_pages, move |request| {
            let sender = to_python.lock().unwrap_or_else(PoisonError::into_inner);
            // A request that Python is no longer there for is dropped, and that is its answer.
            drop(sender.send(Event::Admin(request)));
        });
        let (allow_paths, access_log) = match &bootstrap.admin {
            Some(admin) => admin_settings(admin, &log_writer)?,
            None => (Vec::new(), AccessLogSet::default()),
        };
        let state = State {
            process_stats: ProcessStats::of(&registry, &bootstrap),
            process: Arc::new(Process {
                runtime: Arc::clone(runtime.published()),
                node_cluster: bootstrap.node_cluster.as_str().into(),
                cpu_affinity: bootstrap.worker_cpu_affinity,
                watchdog: Watchdog::of(&bootstrap, &registry),
                dispatcher_stats: bootstrap.dispatcher_stats,
                ..Process::new(registry, drain)
            }),
            runtime,
            orders: order_sender,
            logs: log_writer.handle(),
            server_info: presentation.server_info.into(),
            python_pages,
            allow_paths,
            access_log,
            started,
            sinks: Mutex::new(sinks),
            flush_on_admin: bootstrap.stats_flush_on_admin,
            serving: Mutex::default(),
        };
        Ok(Proxy {
            bootstrap,
            state: Arc::new(state),
            log_writer: Some(log_writer),
            samples,
            sink_feeds,
            applied: None,
            admin_address: None,
            orders: Some(orders),
            control: None,
            watchdog: None,
            former_handlers: None,
            event_sender,
            events: Arc::new(Mutex::new(events)),
        })
    }

    /// Takes a whole configuration: compiles all of it, then binds every address, that of admin last.
    ///
    /// # Errors
    /// One line: the place, what cannot be, why. Then nothing is bound.
    pub fn apply(
        &mut self,
        clusters: Vec<model::cluster::Cluster>,
        listeners: Vec<model::listener::Listener>,
    ) -> Result<(), String> {
        if self.applied.is_some() || self.control.is_some() {
            return Err("a configuration was applied already".to_owned());
        }
        // What is compiled may ask for values.
        runtime::follow(self.state.runtime.published());
        let registry = &self.state.process.registry;
        let clusters = clusters
            .iter()
            .map(|cluster| Cluster::compile(cluster, registry, self.state.process.workers).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let snapshot = Arc::new(Snapshot::new(clusters)?);
        let logs = &self.state.logs;
        let shared_buckets = &SharedBuckets::default();
        let context = CompileContext { registry, snapshot: &snapshot, logs, shared_buckets };
        let compiled: Vec<_> = listeners
            .into_iter()
            .map(|listener| Listener::compile(listener, &context).map(Arc::new))
            .collect::<Result<_, _>>()?;
        for cluster in snapshot.clusters() {
            log_at!(Config, Debug, "cluster '{}' has {} endpoints", cluster.name, cluster.hosts.len());
        }
        // Now it is known which keys are asked for.
        self.state.runtime.load();
        let certificate_watch = CertificateWatch::new(tls_contexts(compiled.iter(), &snapshot))?;
        let file_watch = FileContentWatch::new()?;
        let mut bound = Vec::with_capacity(compiled.len());
        for listener in compiled {
            let sockets =
                bind::bind(&listener.model, self.state.process.workers).map_err(|e| e.to_string())?;
            bound.push((listener, sockets));
        }
        for (listener, sockets) in &bound {
            for socket in sockets.iter().flatten() {
                log_at!(Config, Debug, "listener '{}' is bound to {}", listener.name, socket.address);
            }
        }
        let admin = match &self.bootstrap.admin {
            Some(admin) => Some(
                bind::bind_admin(&admin.address, &admin.socket_options).map_err(|error| error.to_string())?,
            ),
            None => None,
        };
        self.admin_address = admin.as_ref().map(|socket| socket.address.clone());
        let mut serving = self.state.serving();
        serving.snapshot = Some(Arc::clone(&snapshot));
        serving.certificate_watch = certificate_watch;
        serving.file_watch = file_watch;
        serving.listeners = bound.iter().map(|(listener, sockets)| status(listener, sockets)).collect();
        drop(serving);
        self.applied =
            Some(Applied { snapshot, listeners: bound, admin: admin.and_then(BoundSocket::into_admin) });
        Ok(())
    }

    /// Starts all threads: from here on traffic flows. `signals`: SIGTERM, SIGINT, SIGUSR1 and SIGHUP are the proxy's.
    ///
    /// # Errors
    /// One line: nothing was applied, or the system gives no threads or event loops.
    pub fn start(&mut self, signals: bool) -> Result<(), String> {
        let refusal = || "a proxy starts once, after a configuration was applied".to_owned();
        let applied = self.applied.take().ok_or_else(refusal)?;
        let orders = self.orders.take().ok_or_else(refusal)?;
        let text = |error: io::Error| format!("cannot start: {error}");
        let clusters = u32::try_from(applied.snapshot.clusters().len()).unwrap_or(u32::MAX);
        self.state.process_stats.clusters_added(clusters);
        self.watchdog = Some(WatchdogThread::start(Arc::clone(&self.state.process.watchdog)).map_err(text)?);
        let (ended_sender, ended_workers) = unbounded_channel();
        let mut workers = Vec::with_capacity(self.state.process.workers);
        for index in 0..self.state.process.workers {
            let snapshot = Arc::clone(&applied.snapshot);
            let (process, logs) = (&self.state.process, self.state.logs.clone());
            let worker = WorkerThread::start(index, process, logs, snapshot, ended_sender.clone());
            workers.push(worker.map_err(text)?);
        }
        let listeners = u32::try_from(applied.listeners.len()).unwrap_or(u32::MAX);
        for (listener, sockets) in applied.listeners {
            for (worker, sockets) in workers.iter().zip(sockets) {
                worker.send(Command::Listen(Arc::clone(&listener), sockets));
            }
        }
        self.state.process_stats.listeners_added(listeners);
        self.state.process_stats.workers_started();
        if self.bootstrap.starts_draining {
            self.state.process.drain.set_health_check_failed(true);
        }
        self.state.serving().is_live = true;
        let control = Control {
            state: Arc::clone(&self.state),
            orders,
            workers,
            ended_workers,
            admin: applied.admin,
            events: self.event_sender.clone(),
            stats_flush_interval: Duration::from_millis(self.bootstrap.stats_flush_interval_ms),
            samples: self.samples.take(),
            sink_feeds: std::mem::take(&mut self.sink_feeds),
            signals,
        };
        self.former_handlers = signals.then(FormerHandlers::remember);
        let (started, answer) = channel();
        let thread = std::thread::Builder::new().name("control".to_owned());
        self.control = Some(thread.spawn(move || control.run(&started)).map_err(text)?);
        answer.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map_err(text)
    }

    /// What to wait on for the next event, apart from the proxy, so that it can be told to stop meanwhile.
    #[must_use]
    pub fn events(&self) -> EventQueue {
        EventQueue { events: Arc::clone(&self.events) }
    }

    /// Tells it to end; `Event::Stopped` follows when it has.
    pub fn shutdown(&self, drain: bool) {
        if self.control.is_some() {
            // It may have ended already.
            let _ = self.state.orders.send(Order::End { drain });
        } else {
            drop(self.event_sender.send(Event::Stopped));
        }
    }

    /// Ends and joins all threads, writes what is left of the logs, then gives the program its signals back. May be called
    /// more than once.
    pub fn close(&mut self) {
        self.applied = None;
        if let Some(control) = self.control.take() {
            let _ = self.state.orders.send(Order::End { drain: false });
            if control.join().is_err() {
                let text = "the control thread ended by a panic";
                crate::application_log::write(
                    crate::application_log::Component::Main,
                    crate::application_log::Level::Critical,
                    text,
                );
            }
        }
        self.watchdog = None;
        *self.state.serving() = Serving::default();
        if let Some(writer) = self.log_writer.take() {
            writer.finish();
        }
        crate::application_log::flush();
        self.former_handlers = None;
    }

    /// Name and address of each bound listener, in the order of the configuration.
    #[must_use]
    pub fn listener_addresses(&self) -> Vec<(Arc<str>, Address)> {
        let serving = self.state.serving();
        let addresses = serving.listeners.iter().flat_map(|listener| {
            let status = &listener.status;
            status.local_addresses.iter().map(|address| (Arc::clone(&status.name), address.clone()))
        });
        addresses.collect()
    }

    /// The certificates that are in use now, by context: each a [`LoadedContext`] in msgpack, the fields by name.
    #[must_use]
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        let encoded =
            self.state.loaded_certificates().into_iter().map(|loaded| rmp_serde::to_vec_named(&*loaded));
        encoded.filter_map(Result::ok).collect()
    }

    /// The requests that ended in an error, to be asked for also while the proxy is being closed.
    #[must_use]
    pub fn failed_streams(&self) -> Arc<FailedStreams> {
        Arc::clone(&self.state.process.failed_streams)
    }

    /// Where admin listens.
    #[must_use]
    pub fn admin_address(&self) -> Option<&Address> {
        self.admin_address.as_ref()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where events are waited for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventQueue {
    events: Arc<Mutex<Receiver<Event>>>,
}

impl EventQueue {
    /// The next event; none when the time is over. Without a time it waits for as long as it takes.
    #[must_use]
    pub fn next(&self, timeout: Option<Duration>) -> Option<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        match timeout {
            None => Some(events.recv().unwrap_or(Event::Stopped)),
            Some(timeout) => match events.recv_timeout(timeout) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Event::Stopped),
            },
        }
    }
}

fn admin_settings(
    admin: &model::bootstrap::Admin,
    log_writer: &LogWriter,
) -> Result<(Vec<StringMatcher>, AccessLogSet), String> {
    let at = |text: String| format!("admin: {text}");
    let allow_paths =
        admin.allow_paths.iter().map(StringMatcher::compile).collect::<Result<_, _>>().map_err(at)?;
    let access_log =
        AccessLogSet::open(&admin.access_log, &log_writer.handle()).map_err(|error| at(error.to_string()))?;
    Ok((allow_paths, access_log))
}

fn status(listener: &Arc<Listener>, sockets: &[Vec<BoundSocket>]) -> ServedListener {
    let of_first_worker = sockets.first().map(Vec::as_slice).unwrap_or_default();
    let is_internal = listener.model.internal_buffer_bytes.is_some();
    let local_addresses = if listener.model.bind_to_port && !is_internal {
        of_first_worker.iter().map(|socket| socket.address.clone()).collect()
    } else {
        listener.configured_addresses()
    };
    ServedListener {
        listener: Arc::clone(listener),
        status: ListenerStatus {
            name: Arc::clone(&listener.name),
            local_addresses,
            network_namespaces: {
                let addresses = listener.model.addresses.iter();
                addresses.map(|address| address.network_namespace().map(Arc::from)).collect()
            },
        },
        is_inbound: listener.model.traffic_direction == model::listener::TrafficDirection::Inbound,
        is_stopped: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One whose workers do `work`, and its control thread's last word.
    fn served_by(work: fn()) -> (Proxy, bool) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/minimal.msgpack");
        #[derive(serde::Deserialize)]
        struct Golden {
            bootstrap: Bootstrap,
        }
        let golden: Golden = rmp_serde::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let bootstrap = Bootstrap { admin: None, ..golden.bootstrap };
        let mut proxy = Proxy::new(bootstrap, Presentation::default()).unwrap();
        let (ended_sender, ended_workers) = unbounded_channel();
        let spawn = |index| {
            let ended = ended_sender.clone();
            WorkerThread::spawn(index, ended, move |_commands| work()).unwrap()
        };
        let control = Control {
            state: Arc::clone(&proxy.state),
            orders: proxy.orders.take().unwrap(),
            workers: (0..2).map(spawn).collect(),
            ended_workers,
            admin: None,
            events: proxy.event_sender.clone(),
            stats_flush_interval: Duration::from_secs(5),
            samples: None,
            sink_feeds: Vec::new(),
            signals: false,
        };
        let (started, _answer) = channel();
        proxy.control = Some(std::thread::spawn(move || control.run(&started)));
        let last = proxy.events().next(Some(Duration::from_secs(9)));
        (proxy, matches!(last, Some(Event::Failed)))
    }

    #[test]
    fn workers_that_end_unasked_are_counted_and_without_any_the_process_ends() {
        let count =
            |proxy: &Proxy| proxy.state.process.server.value(crate::stats::ServerStat::EnvoyBugFailures);
        let (mut proxy, has_ended) = served_by(|| panic!("on purpose"));
        assert!(has_ended && count(&proxy) == 2);
        proxy.close();
        let (_proxy, has_ended) = served_by(|| {});
        assert!(has_ended);
    }
}
