//! One file, pipe or terminal that access logs go to.
//!
//! Owns: the open file, its way through the queue, and the limit on what may wait there. Does not own: threads
//! (`writer`), nor who has which destination (`registry`).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use super::writer::Message;
use super::{file, stream};
use crate::application_log::{self, Component, Level};
use crate::model::access_log::Sink;
use crate::stats::{FilesystemStat, FilesystemStats, Scope};

/// What the buffers of one destination that wait to be written may take.
const WAITING_LIMIT: usize = 16 << 20;

pub(super) struct Destination {
    pub(super) sink: Sink,
    /// Where workers have their buffer for it. Free again when nobody has the destination any more.
    pub(super) slot: usize,
    queue: Sender<Message>,
    /// Memory of the buffers in the queue.
    waiting: AtomicUsize,
    waiting_limit: usize,
    dropped_lines: AtomicU64,
    output: Mutex<Output>,
}

/// What the writing thread alone uses.
struct Output {
    file: File,
    failing: bool,
    /// How many of the dropped lines were already told of.
    told: u64,
}

impl Destination {
    pub(super) fn new(
        sink: Sink,
        slot: usize,
        file: File,
        queue: Sender<Message>,
        flush_min_size: usize,
    ) -> Self {
        Destination {
            sink,
            slot,
            queue,
            waiting: AtomicUsize::new(0),
            // Room for a few buffers, however large they are asked to be.
            waiting_limit: WAITING_LIMIT.max(flush_min_size.saturating_mul(8)),
            dropped_lines: AtomicU64::new(0),
            output: Mutex::new(Output { file, failing: false, told: 0 }),
        }
    }

    /// Queues lines to be written, or drops them, and counts that, when too much waits already.
    pub(super) fn send(self: &Arc<Self>, lines: u64, data: Vec<u8>, stats: &Scope<FilesystemStats>) {
        let (length, cost) = (data.len(), data.capacity());
        let waiting = self.waiting.fetch_add(cost, Ordering::Relaxed);
        let fits = waiting.saturating_add(cost) <= self.waiting_limit;
        let sent = fits && self.queue.send(Message::Write { to: Arc::clone(self), data }).is_ok();
        if !sent {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.dropped_lines.fetch_add(lines, Ordering::Relaxed);
            stats.add(FilesystemStat::WriteFailed, 1);
            stats.add(FilesystemStat::WriteTotalBuffered, negative(length));
        }
    }

    /// Queues the order to open the file anew.
    pub(super) fn send_reopen(self: &Arc<Self>) {
        // Only a writer that was told to end takes nothing, and then nothing is written either.
        let _ = self.queue.send(Message::Reopen(Arc::clone(self)));
    }

    /// Queues the order to end after all that was queued before.
    pub(super) fn send_end(&self, done: Sender<()>) {
        // A writer that has ended already has dropped `done`, which is as good as an answer.
        let _ = self.queue.send(Message::End(done));
    }

    /// Lines that were dropped because too much waited.
    pub(super) fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }

    /// Writes lines; on the writing thread.
    pub(super) fn write(&self, data: &[u8], cost: usize, stats: &Scope<FilesystemStats>) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let written = write_all(&mut output.file, data);
        self.waiting.fetch_sub(cost, Ordering::Relaxed);
        stats.add(FilesystemStat::WriteTotalBuffered, negative(data.len()));
        match written {
            Ok(()) => {
                stats.add(FilesystemStat::WriteCompleted, 1);
                output.failing = false;
            }
            Err(error) => {
                stats.add(FilesystemStat::WriteFailed, 1);
                // Once until it goes well again: a full disk fails at each write.
                if !std::mem::replace(&mut output.failing, true) {
                    let reason = file::reason(&error);
                    tell(Level::Error, format_args!("unable to write access log {}: {reason}", self.name()));
                }
            }
        }
        let dropped = self.dropped_lines();
        if dropped != output.told {
            let lines = dropped - std::mem::replace(&mut output.told, dropped);
            let name = self.name();
            tell(
                Level::Warning,
                format_args!("{lines} lines of access log {name} were dropped: it can't be written so fast"),
            );
        }
    }

    /// Opens the file anew, on the writing thread. Where that can't be, lines go on to the former one.
    pub(super) fn reopen(&self, stats: &Scope<FilesystemStats>) {
        let Sink::File { path } = &self.sink else { return };
        match file::open(path) {
            Ok(file) => self.output.lock().unwrap_or_else(PoisonError::into_inner).file = file,
            Err(error) => {
                stats.add(FilesystemStat::ReopenFailed, 1);
                tell(Level::Error, error);
            }
        }
    }

    fn name(&self) -> &str {
        match &self.sink {
            Sink::File { path } => path,
            Sink::Stdout {} => "stdout",
            Sink::Stderr {} => "stderr",
        }
    }
}

/// Opens what a sink names.
pub(super) fn open(sink: &Sink) -> Result<File, String> {
    match sink {
        Sink::File { path } => file::open(path),
        Sink::Stdout {} => stream::stdout(),
        Sink::Stderr {} => stream::stderr(),
    }
}

#[track_caller]
fn tell(level: Level, message: impl std::fmt::Display) {
    application_log::write(Component::File, level, message);
}

fn negative(length: usize) -> i64 {
    i64::try_from(length).map_or(i64::MIN, |length| -length)
}

fn write_all(file: &mut File, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match file.write(data) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => data = data.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_until_writable(file)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits as long as it takes: only this destination's thread stands still.
fn wait_until_writable(file: &File) -> io::Result<()> {
    let mut ready = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, which lives across the call; the file stays open across it, too.
    let result = unsafe { libc::poll(&raw mut ready, 1, -1) };
    match result {
        ..0 if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted => {
            Err(io::Error::last_os_error())
        }
        _ => Ok(()),
    }
}
