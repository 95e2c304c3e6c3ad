//! The buffers in which one worker makes its lines.
//!
//! Owns: a buffer for each destination that the worker has lines for, and when it is handed over. Does not own: writing
//! (`writer`). Follows: Envoy's `--file-flush-min-size-kb` and `--file-flush-interval-msec`, which hold for each worker
//! apart here.

use std::cell::RefCell;
use std::sync::Arc;

use super::destination::Destination;
use super::writer::LogWriterHandle;
use crate::stats::{FilesystemStat, FilesystemStats, LocalScope};

/// One worker's buffers; stays on the thread that made it.
pub struct WorkerLogs {
    writer: LogWriterHandle,
    stats: LocalScope<FilesystemStats>,
    /// By the slot of the destination.
    buffers: RefCell<Vec<Buffer>>,
}

#[derive(Default)]
struct Buffer {
    /// `None` while there are no lines, so that a file nobody logs to any more is closed.
    destination: Option<Arc<Destination>>,
    lines: u64,
    data: Vec<u8>,
}

impl WorkerLogs {
    pub(super) fn new(writer: LogWriterHandle, stats: LocalScope<FilesystemStats>) -> Self {
        WorkerLogs { writer, stats, buffers: RefCell::default() }
    }

    /// Adds what `write` appends, as one line.
    #[inline]
    pub(super) fn append(&self, destination: &Arc<Destination>, write: impl FnOnce(&mut Vec<u8>)) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() <= destination.slot {
            buffers.resize_with(destination.slot + 1, Buffer::default);
        }
        let Some(buffer) = buffers.get_mut(destination.slot) else { return };
        if buffer.destination.is_none() {
            buffer.destination = Some(Arc::clone(destination));
        }
        let before = buffer.data.len();
        write(&mut buffer.data);
        buffer.lines += 1;
        let length = u64::try_from(buffer.data.len() - before).unwrap_or_default();
        self.stats.inc(FilesystemStat::WriteBuffered);
        self.stats.add(FilesystemStat::WriteTotalBuffered, length);
        if buffer.data.len() > self.writer.flush_min_size() {
            let next = self.writer.spare_buffer();
            buffer.hand_over(next, &self.writer);
        }
    }

    /// Hands over all lines: to be called every `flush_interval`, and before the worker ends.
    pub fn flush(&self) {
        for buffer in &mut *self.buffers.borrow_mut() {
            if buffer.destination.is_none() {
                // No line since the last flush: no need to keep a buffer warm.
                buffer.data = Vec::new();
            } else if buffer.data.len() < buffer.data.capacity() / 4 {
                // A few lines travel as a copy, and the large buffer stays.
                let few = buffer.data.as_slice().to_vec();
                let mut kept = std::mem::replace(&mut buffer.data, few);
                kept.clear();
                buffer.hand_over(kept, &self.writer);
            } else {
                let next = self.writer.spare_buffer();
                buffer.hand_over(next, &self.writer);
            }
        }
    }
}

impl Drop for WorkerLogs {
    /// What is logged by connections that end with the worker goes out too.
    fn drop(&mut self) {
        self.flush();
    }
}

impl Buffer {
    fn hand_over(&mut self, next: Vec<u8>, writer: &LogWriterHandle) {
        let data = std::mem::replace(&mut self.data, next);
        let lines = std::mem::take(&mut self.lines);
        if let Some(destination) = self.destination.take() {
            writer.send(&destination, lines, data);
        }
    }
}

impl std::fmt::Debug for WorkerLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerLogs").finish_non_exhaustive()
    }
}
