//! The control thread: admin, signals, flushes, and the end of the process.
//!
//! Owns: when what begins and ends. Does not own: the workers' work, the pages of admin.
//! Follows Envoy's pages "Draining", "Hot restart" (its signals) and "Command line options".
//!
//! It never waits for Python: `/ready` and SIGTERM work while Python is stuck.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::admin::{self, DrainRequest, ProxyState};
use crate::application_log::{self, Component, Level, log_at};
use crate::dispatcher::{self, event_loop};
use crate::proxy::Event;
use crate::snapshot::WorkerSnapshot;
use crate::stat_sinks::StreamFeed;
use crate::state::State;
use crate::stats::{Samples, ServerStat};
use crate::watchdog::Watched;
use crate::worker::{Command, WorkerThread};

mod signals;

pub(crate) use signals::FormerHandlers;
use signals::Signals;

/// What the control thread is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `/drain_listeners`
    DrainListeners(DrainRequest),
    /// End the process.
    End {
        /// Let requests in flight finish first.
        drain: bool,
    },
}

/// What the control thread works with.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) state: Arc<State>,
    pub(crate) orders: UnboundedReceiver<Order>,
    pub(crate) workers: Vec<WorkerThread>,
    pub(crate) ended_workers: UnboundedReceiver<usize>,
    pub(crate) admin: Option<admin::Listener>,
    pub(crate) events: Sender<Event>,
    pub(crate) stats_flush_interval: Duration,
    pub(crate) samples: Option<Samples>,
    pub(crate) sink_feeds: Vec<StreamFeed>,
    pub(crate) signals: bool,
}

/// What happened.
enum Happened {
    Order(Order),
    /// A worker's thread has ended.
    WorkerEnded(usize),
    Reopen,
    Nothing,
}

impl Control {
    /// Runs until the process is to end and all workers have ended.
    ///
    /// # Errors
    /// The system gives no event loop or no signals; nothing has begun then.
    pub(crate) fn run(mut self, started: &Sender<io::Result<()>>) {
        let mut last_event = LastEvent { events: self.events.clone(), event: Some(Event::Failed) };
        let runtime = match event_loop(self.state.process.dispatcher_stats) {
            Ok(runtime) => runtime,
            Err(error) => return report(started, Err(error)),
        };
        let was_asked = runtime.block_on(async move {
            let signals = match self.signals.then(Signals::listen).transpose() {
                Ok(signals) => signals,
                Err(error) => {
                    report(started, Err(error));
                    return true;
                }
            };
            report(started, Ok(()));
            self.serve(signals).await
        });
        if was_asked {
            last_event.event = Some(Event::Stopped);
        }
    }

    /// Answers whether it was asked to end; else no worker is left.
    async fn serve(&mut self, mut signals: Option<Signals>) -> bool {
        if let Some(listener) = self.admin.take() {
            let state: Arc<dyn ProxyState> = Arc::clone(&self.state) as _;
            tokio::task::spawn_local(serve_admin(listener, state, Arc::clone(&self.state.process.registry)));
        }
        let process = &self.state.process;
        process.watchdog.watch(Watched::Main, "main_thread");
        if process.dispatcher_stats {
            dispatcher::measure(&process.registry.dispatcher("server"), process.workers);
        }
        crate::runtime::follow(self.state.runtime.published());
        let state = Arc::clone(&self.state);
        tokio::task::spawn_local(async move { state.runtime.watch().await });
        if let Some(watch) = self.state.serving().certificate_watch.take() {
            tokio::task::spawn_local(watch.run());
        }
        if let Some(watch) = self.state.serving().file_watch.take() {
            tokio::task::spawn_local(watch.run());
        }
        if !self.state.flush_on_admin {
            tokio::task::spawn_local(flush_stats(Arc::clone(&self.state), self.stats_flush_interval));
        }
        self.feed_sinks();
        self.state.process_stats.initialized(self.state.started.elapsed());
        loop {
            match self.next(signals.as_mut()).await {
                Happened::Order(Order::DrainListeners(request)) => self.drain_listeners(request),
                Happened::Order(Order::End { drain }) => {
                    self.end(drain, signals.as_mut()).await;
                    return true;
                }
                Happened::WorkerEnded(index) => {
                    self.lose_worker(index);
                    if self.workers.iter().all(WorkerThread::is_joined) {
                        self.end(false, signals.as_mut()).await;
                        return false;
                    }
                }
                Happened::Reopen => self.state.reopen_logs(),
                Happened::Nothing => {}
            }
        }
    }

    fn feed_sinks(&mut self) {
        if let Some(samples) = self.samples.take() {
            tokio::task::spawn_local(send_samples(Arc::clone(&self.state), samples));
        }
        let Some(snapshot) = self.state.snapshot().filter(|_| !self.sink_feeds.is_empty()) else { return };
        let snapshot = Rc::new(WorkerSnapshot::new(snapshot, self.state.process.workers));
        for feed in std::mem::take(&mut self.sink_feeds) {
            tokio::task::spawn_local(feed.run(Rc::clone(&snapshot)));
        }
    }

    fn join_worker(&mut self, index: usize) {
        if self.workers.get_mut(index).is_some_and(WorkerThread::join) {
            self.state.process.server.add(ServerStat::EnvoyBugFailures, 1);
            let text = format!("worker {index} was ended by a panic");
            application_log::write(Component::EnvoyBug, Level::Critical, text);
        }
    }

    /// A worker has ended unasked. Its connections and listening sockets are closed with its thread, so that the system
    /// gives new connections to the workers that are left; without any, the process ends.
    fn lose_worker(&mut self, index: usize) {
        self.join_worker(index);
        let left = self.workers.iter().filter(|worker| !worker.is_joined()).count();
        let text = format!(
            "worker {index} has ended unasked: its connections are lost, its listening sockets are closed; \
             {left} workers go on"
        );
        application_log::write(Component::Main, Level::Critical, text);
    }

    async fn next(&mut self, signals: Option<&mut Signals>) -> Happened {
        let order = async {
            let order = self.orders.recv().await;
            order.map_or(Happened::Order(Order::End { drain: false }), Happened::Order)
        };
        let ended = async {
            match self.ended_workers.recv().await {
                Some(index) => Happened::WorkerEnded(index),
                // All have been told of.
                None => std::future::pending().await,
            }
        };
        let Some(signals) = signals else {
            return tokio::select! { order = order => order, ended = ended => ended };
        };
        tokio::select! {
            order = order => order,
            ended = ended => ended,
            _ = signals.terminate.recv() => Happened::Order(Order::End { drain: true }),
            _ = signals.interrupt.recv() => Happened::Order(Order::End { drain: true }),
            _ = signals.reopen.recv() => Happened::Reopen,
            _ = signals.hang_up.recv() => Happened::Nothing,
        }
    }

    /// `/drain_listeners`: connections are sent away over the drain time, and listeners close at its end, or now unless it
    /// is to be graceful.
    fn drain_listeners(&self, request: DrainRequest) {
        let stop = Command::StopListening { inbound_only: request.inbound_only };
        log_at!(Main, Debug, "draining listeners (inbound only: {})", request.inbound_only);
        let has_begun = self.state.process.drain.begin(Instant::now(), request.inbound_only);
        if !request.graceful {
            return self.stop_listening(&stop);
        }
        if !has_begun || request.skip_exit {
            return;
        }
        let (state, commands) = (Arc::clone(&self.state), self.command_senders());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(state.process.drain.time()).await;
            state.listeners_stopped(request.inbound_only);
            for commands in commands {
                // A worker that has ended listens no more.
                drop(commands.send(Command::StopListening { inbound_only: request.inbound_only }));
            }
        });
    }

    fn command_senders(&self) -> Vec<tokio::sync::mpsc::UnboundedSender<Command>> {
        self.workers.iter().map(WorkerThread::commands).collect()
    }

    fn stop_listening(&self, command: &Command) {
        if let Command::StopListening { inbound_only } = *command {
            self.state.listeners_stopped(inbound_only);
            for worker in &self.workers {
                worker.send(Command::StopListening { inbound_only });
            }
        }
    }

    /// Ends: accepts no more, lets requests in flight finish within the drain time if asked to, stops all threads. A second
    /// order or signal to end cuts that short.
    async fn end(&mut self, drain: bool, mut signals: Option<&mut Signals>) {
        let drain_time = if drain { self.state.process.drain.time() } else { Duration::ZERO };
        application_log::write(Component::Main, Level::Info, "shutting down");
        self.state.process.drain.end();
        self.stop_listening(&Command::StopListening { inbound_only: false });
        let deadline = Instant::now() + drain_time;
        self.workers.iter().for_each(|worker| worker.send(Command::End(deadline)));
        while !self.workers.iter().all(WorkerThread::is_joined) {
            match self.next(signals.as_deref_mut()).await {
                Happened::Order(Order::End { .. }) => {
                    let now = Instant::now();
                    self.workers.iter().for_each(|worker| worker.send(Command::End(now)));
                }
                Happened::WorkerEnded(index) => self.join_worker(index),
                // A drain may take long enough for logs to be rotated.
                Happened::Reopen => self.state.reopen_logs(),
                Happened::Order(Order::DrainListeners(_)) | Happened::Nothing => {}
            }
        }
    }
}

/// Tells Python that the control thread has ended, also when a panic ended it: nothing else would wake Python.
struct LastEvent {
    events: Sender<Event>,
    event: Option<Event>,
}

impl Drop for LastEvent {
    fn drop(&mut self) {
        // Python may have gone already; it asked for this then.
        let _ = self.event.take().map(|event| self.events.send(event));
    }
}

async fn serve_admin(
    listener: admin::Listener,
    state: Arc<dyn ProxyState>,
    registry: Arc<crate::stats::Registry>,
) {
    if let Err(error) = admin::serve(listener, state, registry).await {
        let text = format!("the admin listener ended: {error}");
        application_log::write(Component::Admin, Level::Critical, text);
    }
}

/// Histograms show what was merged last; gauges are brought up to date at the same pace.
async fn flush_stats(state: Arc<State>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        state.flush_stats();
    }
}

/// Sends each value of a histogram to the sinks.
async fn send_samples(state: Arc<State>, mut samples: Samples) {
    while let Some(sample) = samples.next().await {
        state.sinks().send_sample(&state.process.registry, &sample);
        let dropped = samples.take_dropped();
        if dropped > 0 {
            let text = format!(
                "{dropped} values of histograms were not sent to the statistics sinks: too many waited"
            );
            application_log::write(Component::Stats, Level::Warning, text);
        }
    }
}

fn report(started: &Sender<io::Result<()>>, result: io::Result<()>) {
    // Whoever started it waits for this.
    drop(started.send(result));
}
