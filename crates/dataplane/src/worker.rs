//! A worker: one thread that serves its share of all connections, from accept to access log.
//!
//! Owns: what a worker's connections share, its thread, and the commands that it takes from the control thread. Does not
//! own: what is served (`listener`, `snapshot`), nor when the process ends (`control`).
//! Follows Envoy's page "Threading model".
//!
//! Nothing here is shared between workers but `Process`; nothing in `Process` is written per request.

mod cpu_affinity;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::access_loggers::{LogWriterHandle, WorkerLogs};
use crate::application_log::{self, Component, Level};
use crate::buffer::BlockPool;
use crate::clock::Clock;
use crate::datagrams::ReceiveBatch;
use crate::dispatcher::{self, event_loop};
use crate::drain::{Connections, Drain};
use crate::explain::FailedStreams;
use crate::http_stream::StreamState;
use crate::listener::{BoundSocket, Listener, WorkerListener};
use crate::model::bootstrap::Watchdog as WatchdogTimeouts;
use crate::random::{Random, thread_random};
use crate::runtime::{self, Published};
use crate::snapshot::{Snapshot, WorkerSnapshot};
use crate::stats::{Registry, Scope, ServerStat, ServerStats};
use crate::watchdog::{Watchdog, Watched};

/// How often pools look for connections that have been idle for too long.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// How many streams are kept for reuse.
const SPARE_STREAMS: usize = 1024;

/// What all workers and the control thread share.
#[derive(Debug)]
pub struct Process {
    /// The statistics.
    pub registry: Arc<Registry>,
    /// How it stops.
    pub drain: Drain,
    /// How many workers there are.
    pub workers: usize,
    /// `server.`
    pub server: Scope<ServerStats>,
    /// The requests that ended in an error.
    pub failed_streams: Arc<FailedStreams>,
    /// `node.cluster`, or what the command line says.
    pub node_cluster: Arc<str>,
    /// What the runtime says; each worker follows it.
    pub runtime: Arc<Published>,
    /// Whether each worker stays on a CPU of its own.
    pub cpu_affinity: bool,
    /// What looks whether threads get on.
    pub watchdog: Arc<Watchdog>,
    /// Whether event loops are measured.
    pub dispatcher_stats: bool,
}

impl Process {
    /// A process that serves.
    #[must_use]
    pub fn new(registry: Arc<Registry>, drain: Drain) -> Self {
        Process {
            watchdog: Arc::new(Watchdog::new(
                &WatchdogTimeouts::default(),
                &WatchdogTimeouts::default(),
                &registry,
            )),
            dispatcher_stats: false,
            server: registry.server(),
            workers: registry.workers(),
            failed_streams: Arc::new(FailedStreams::new(registry.workers())),
            runtime: Arc::default(),
            node_cluster: Arc::from(""),
            registry,
            drain,
            cpu_affinity: false,
        }
    }
}

/// What the control thread tells a worker.
#[derive(Debug)]
pub enum Command {
    /// Clusters to send to from now on.
    Use(Arc<Snapshot>),
    /// A listener to serve, with this worker's sockets.
    Listen(Arc<Listener>, Vec<BoundSocket>),
    /// Accept no more; connections go on.
    StopListening {
        /// Only where traffic comes in from outside the mesh.
        inbound_only: bool,
    },
    /// Stop once no connection is open, at the latest then.
    End(Instant),
}

/// What the connections of one worker share.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0: its place in all statistics.
    pub index: usize,
    /// What all workers share.
    pub process: Arc<Process>,
    /// Blocks for reading.
    pub blocks: BlockPool,
    /// Room for datagrams.
    pub datagrams: RefCell<ReceiveBatch>,
    /// Random numbers.
    pub random: Random,
    /// The wall clock.
    pub clock: Clock,
    /// Access logs.
    pub logs: WorkerLogs,
    /// The listeners that it serves.
    pub listeners: RefCell<Vec<Rc<WorkerListener>>>,
    /// Open downstream connections.
    pub connections: Rc<Connections>,
    snapshot: RefCell<Rc<WorkerSnapshot>>,
    #[allow(clippy::vec_box, reason = "each moves between a connection and this list at every request")]
    spare_streams: RefCell<Vec<Box<StreamState>>>,
}

impl Worker {
    /// A worker without connections. To be made on its own thread.
    #[must_use]
    pub fn new(index: usize, process: Arc<Process>, logs: WorkerLogs, snapshot: Arc<Snapshot>) -> Self {
        runtime::follow(&process.runtime);
        Worker {
            index,
            process,
            blocks: BlockPool::new(),
            datagrams: RefCell::default(),
            random: Random::new(thread_random()),
            clock: Clock::new(),
            logs,
            listeners: RefCell::default(),
            connections: Rc::default(),
            snapshot: RefCell::new(Rc::new(WorkerSnapshot::new(snapshot, index))),
            spare_streams: RefCell::default(),
        }
    }

    /// The clusters as they are now. Streams keep what they began with.
    #[must_use]
    pub fn snapshot(&self) -> Rc<WorkerSnapshot> {
        Rc::clone(&self.snapshot.borrow())
    }

    /// Room for a stream, used before or new.
    pub fn take_stream(&self, now: Instant) -> Box<StreamState> {
        match self.spare_streams.borrow_mut().pop() {
            Some(mut stream) => {
                stream.info.reset(now, self.clock.wall(now));
                stream
            }
            None => Box::new(StreamState::new(now, self.clock.wall(now))),
        }
    }

    /// Takes back what `take_stream` gave.
    pub fn give_stream(&self, mut stream: Box<StreamState>) {
        let mut spare = self.spare_streams.borrow_mut();
        if spare.len() < SPARE_STREAMS {
            stream.clear();
            spare.push(stream);
        }
    }

    /// Runs what belongs to one connection. A panic in it ends it alone; it is counted as `server.envoy_bug_failures` and
    /// logged by the panic hook. It is passed pinned because a future that an async function takes by value is in its
    /// memory twice.
    pub async fn contain_panic(&self, mut connection: Pin<&mut impl Future<Output = ()>>) {
        poll_fn(|cx| self.contain(|| connection.as_mut().poll(cx)).unwrap_or(Poll::Ready(()))).await;
    }

    /// Does at once what belongs to one connection; `None`: it panicked, which ends that connection alone.
    pub fn contain<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok();
        if done.is_none() {
            self.process.server.add(ServerStat::EnvoyBugFailures, 1);
            let text = "a panic was contained: what it belonged to, a connection as a rule, has ended";
            application_log::write(Component::EnvoyBug, Level::Critical, text);
        }
        done
    }
}

/// A running worker, as the control thread sees it.
#[derive(Debug)]
pub struct WorkerThread {
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// The system has no more threads or file descriptors.
    pub fn start(
        index: usize,
        process: &Arc<Process>,
        logs: LogWriterHandle,
        snapshot: Arc<Snapshot>,
        ended: EndedWorkers,
    ) -> io::Result<Self> {
        let process = Arc::clone(process);
        // The runtime is made here only to learn whether it can be: it must live on its own thread.
        drop(event_loop(false)?);
        Self::spawn(index, ended, move |inbox| match event_loop(process.dispatcher_stats) {
            Ok(runtime) => runtime.block_on(async move {
                if process.cpu_affinity {
                    cpu_affinity::pin(index, process.workers);
                }
                process.watchdog.watch(Watched::Worker, &format!("worker_{index}"));
                if process.dispatcher_stats {
                    let thread = format!("listener_manager.worker_{index}");
                    dispatcher::measure(&process.registry.dispatcher(&thread), index);
                }
                let worker = Rc::new(Worker::new(index, process, logs.worker(), snapshot));
                run(&worker, inbox, logs.flush_interval()).await;
            }),
            Err(error) => {
                let text = format!("worker {index} cannot start: {error}");
                application_log::write(Component::Main, Level::Critical, text);
            }
        })
    }

    /// Starts a thread that does `work` with the commands it is sent, and tells `ended` when it is over.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(crate) fn spawn(
        index: usize,
        ended: EndedWorkers,
        work: impl FnOnce(mpsc::UnboundedReceiver<Command>) + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name(format!("worker_{index}")).spawn(move || {
            let _last_word = LastWord { index, ended };
            work(inbox);
        })?;
        Ok(WorkerThread { commands, thread: Some(thread) })
    }

    /// Sends a command. A worker that has ended takes none.
    pub fn send(&self, command: Command) {
        // Its receiver is gone only when the worker has ended, and then there is nothing left to command.
        drop(self.commands.send(command));
    }

    /// Where to send commands to, for a task of its own.
    #[must_use]
    pub fn commands(&self) -> mpsc::UnboundedSender<Command> {
        self.commands.clone()
    }

    /// Whether the thread was joined.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.thread.is_none()
    }

    /// Joins the thread, which has said its last word. Answers whether a panic ended it.
    pub fn join(&mut self) -> bool {
        self.thread.take().is_some_and(|thread| thread.join().is_err())
    }
}

/// Where threads tell that they have ended, by their index.
pub type EndedWorkers = mpsc::UnboundedSender<usize>;

/// Tells that a worker's thread ends, also when a panic ends it.
struct LastWord {
    index: usize,
    ended: EndedWorkers,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        // The control thread may have gone: then nobody asks.
        let _ = self.ended.send(self.index);
    }
}

async fn run(worker: &Rc<Worker>, mut inbox: mpsc::UnboundedReceiver<Command>, flush_interval: Duration) {
    tokio::task::spawn_local(sweep_pools(Rc::clone(worker)));
    tokio::task::spawn_local(flush_logs(Rc::clone(worker), flush_interval));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Use(snapshot) => {
                // Clusters that stay the same keep their connections.
                let next = worker.snapshot().next(snapshot);
                worker.snapshot.replace(Rc::new(next));
            }
            Command::Listen(listener, sockets) => {
                let listener = WorkerListener::start(worker, &listener, sockets);
                worker.listeners.borrow_mut().push(listener);
            }
            Command::StopListening { inbound_only } => worker.listeners.borrow_mut().retain(|listener| {
                let stops = !inbound_only || listener.is_inbound();
                if stops {
                    listener.stop();
                }
                !stops
            }),
            Command::End(deadline) => {
                worker.listeners.take().iter().for_each(|listener| listener.stop());
                worker.connections.wake_all();
                wait_for_end(worker, inbox, deadline).await;
                worker.snapshot().close_idle();
                worker.logs.flush();
                return;
            }
        }
    }
}

/// Waits until no connection is open or the time is up, which a second command may bring forward. What is left then ends
/// with the runtime.
async fn wait_for_end(worker: &Worker, mut inbox: mpsc::UnboundedReceiver<Command>, mut deadline: Instant) {
    loop {
        let emptied = poll_fn(|cx: &mut Context<'_>| worker.connections.poll_empty(cx));
        tokio::select! {
            () = emptied => return,
            () = tokio::time::sleep_until(deadline.into()) => return,
            command = inbox.recv() => match command {
                Some(Command::End(sooner)) => deadline = deadline.min(sooner),
                Some(_) => {}
                None => return,
            },
        }
    }
}

async fn sweep_pools(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        // A panic here must not end the sweeping.
        worker.contain(|| worker.snapshot().sweep(now.into_std()));
    }
}

async fn flush_logs(worker: Rc<Worker>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.contain(|| worker.logs.flush());
    }
}
