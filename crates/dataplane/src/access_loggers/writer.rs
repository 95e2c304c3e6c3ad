//! The threads that write access logs.
//!
//! Owns: the queue, the threads, their clock tick and how they end. Does not own: files (`destination`) and the workers'
//! buffers (`worker_logs`).
//!
//! Regular files share one thread. What may block for as long as it likes (a pipe, a terminal, stdout) gets a thread of
//! its own, so that it holds up no file.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::destination::{self, Destination};
use super::registry::Registry;
use super::worker_logs::WorkerLogs;
use crate::model::access_log::Sink;
use crate::stats::{self, FilesystemStat, FilesystemStats, Scope};

/// How long the end of the process waits for what blocks.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Room for the line that makes a buffer full.
const LINE_ROOM: usize = 2048;
/// Written buffers that are kept for reuse.
const SPARE_BUFFERS: usize = 16;
/// A buffer that one huge line has made larger than this is not kept.
const SPARE_BUFFER_LIMIT: usize = 1 << 20;

pub(super) enum Message {
    Write { to: Arc<Destination>, data: Vec<u8> },
    Reopen(Arc<Destination>),
    End(Sender<()>),
}

/// The threads that write.
pub struct LogWriter {
    handle: LogWriterHandle,
    thread: JoinHandle<()>,
}

/// The way to them; for all threads.
#[derive(Clone)]
pub struct LogWriterHandle {
    shared: Arc<Shared>,
    files: Sender<Message>,
}

struct Shared {
    flush_interval: Duration,
    flush_min_size: usize,
    stats: Scope<FilesystemStats>,
    next_worker: AtomicUsize,
    registry: Registry,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl LogWriter {
    /// Starts the thread that writes files. Workers hand their lines over at each `flush_interval` and whenever they
    /// have more than `flush_min_size` bytes of them.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(
        flush_interval: Duration,
        flush_min_size: usize,
        registry: &Arc<stats::Registry>,
    ) -> io::Result<LogWriter> {
        let shared = Arc::new(Shared {
            flush_interval,
            flush_min_size,
            stats: registry.filesystem(),
            next_worker: AtomicUsize::new(0),
            registry: Registry::default(),
            spare: Mutex::default(),
        });
        let (files, messages) = channel();
        let ticking = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("access_log".to_owned())
            .spawn(move || ticking.run_with_timer(&messages))?;
        Ok(LogWriter { handle: LogWriterHandle { shared, files }, thread })
    }

    /// The way to the writer.
    #[must_use]
    pub fn handle(&self) -> LogWriterHandle {
        self.handle.clone()
    }

    /// Writes all that was handed over and ends the threads. What blocks is given two seconds. Workers flush before.
    pub fn finish(self) {
        let end = Instant::now() + END_LIMIT;
        let (done, is_done) = channel();
        for destination in self.handle.shared.registry.open_destinations() {
            destination.send_end(done.clone());
        }
        // The receiver is gone only when the thread is.
        let _ = self.handle.files.send(Message::End(done));
        // All have ended when all copies of `done` are dropped.
        let waited = loop {
            match is_done.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        if waited == RecvTimeoutError::Disconnected {
            // A thread that panicked has said so itself.
            let _ = self.thread.join();
        }
    }
}

impl LogWriterHandle {
    /// The buffers of the worker on this thread.
    #[must_use]
    pub fn worker(&self) -> WorkerLogs {
        let worker = self.shared.next_worker.fetch_add(1, Ordering::Relaxed);
        WorkerLogs::new(self.clone(), self.shared.stats.local(worker))
    }

    /// How often workers are to flush.
    #[must_use]
    pub fn flush_interval(&self) -> Duration {
        self.shared.flush_interval
    }

    /// Opens all files anew, after they were moved away (SIGUSR1). Lines that were handed over before still go to the
    /// former ones.
    pub fn reopen(&self) {
        for destination in self.shared.registry.open_destinations() {
            destination.send_reopen();
        }
    }

    /// Lines that were dropped because a destination was stuck, of those that are open.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        let open = self.shared.registry.open_destinations();
        open.iter().map(|destination| destination.dropped_lines()).sum()
    }

    /// The destination of this sink, opened unless it is.
    pub(super) fn open(&self, sink: &Sink) -> Result<Arc<Destination>, String> {
        self.shared.registry.get_or_open(sink, |slot| {
            let file = destination::open(sink)?;
            let queue = if may_block(&file) { self.own_thread(sink)? } else { self.files.clone() };
            Ok(Destination::new(sink.clone(), slot, file, queue, self.shared.flush_min_size))
        })
    }

    /// Starts a thread that ends when nobody has its destination any more.
    fn own_thread(&self, sink: &Sink) -> Result<Sender<Message>, String> {
        let (queue, messages) = channel();
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("access_log".to_owned())
            .spawn(move || shared.run(&messages))
            .map_err(|error| format!("no thread for access log {sink:?}: {error}"))?;
        Ok(queue)
    }

    pub(super) fn flush_min_size(&self) -> usize {
        self.shared.flush_min_size
    }

    /// Counts and queues one line.
    pub(super) fn write_line(&self, destination: &Arc<Destination>, line: Vec<u8>) {
        let stats = &self.shared.stats;
        stats.add(FilesystemStat::WriteBuffered, 1);
        stats.add(FilesystemStat::WriteTotalBuffered, i64::try_from(line.len()).unwrap_or(i64::MAX));
        self.send(destination, 1, line);
    }

    /// Queues lines that were counted already.
    pub(super) fn send(&self, destination: &Arc<Destination>, lines: u64, data: Vec<u8>) {
        destination.send(lines, data, &self.shared.stats);
    }

    /// An empty buffer that need not grow, perhaps one that was used before.
    pub(super) fn spare_buffer(&self) -> Vec<u8> {
        // Whoever would have to wait for the list rather has a new one.
        let spare = self.shared.spare.try_lock().ok().and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(self.flush_min_size().saturating_add(LINE_ROOM)))
    }
}

impl Shared {
    fn run(&self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            if !self.handle(message) {
                return;
            }
        }
    }

    /// As `run`, and counts what Envoy counts at each interval.
    fn run_with_timer(&self, messages: &Receiver<Message>) {
        let interval = self.flush_interval.max(Duration::from_millis(1));
        let mut next = Instant::now() + interval;
        loop {
            match messages.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(message) => {
                    if !self.handle(message) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now >= next {
                let open = self.registry.open_destinations().len();
                if open > 0 {
                    self.stats.add(FilesystemStat::FlushedByTimer, i64::try_from(open).unwrap_or_default());
                }
                next = now + interval;
            }
        }
    }

    /// `false`: it was the last one.
    fn handle(&self, message: Message) -> bool {
        match message {
            Message::Write { to, data } => {
                to.write(&data, data.capacity(), &self.stats);
                self.keep(data);
            }
            Message::Reopen(destination) => destination.reopen(&self.stats),
            Message::End(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                return false;
            }
        }
        true
    }

    fn keep(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // What is smaller than a quarter of a full buffer was a copy.
        let worth = self.flush_min_size / 4..=SPARE_BUFFER_LIMIT.max(self.flush_min_size.saturating_mul(2));
        if spare.len() < SPARE_BUFFERS && worth.contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// A regular file takes what it is given, or fails; anything else may wait for a reader.
fn may_block(file: &File) -> bool {
    !file.metadata().is_ok_and(|metadata| metadata.is_file())
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LogWriterHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriterHandle").finish_non_exhaustive()
    }
}
