//! The application log's way out: a bounded queue and the thread that writes.
//!
//! Owns: stderr or the file, opening it anew, and what happens when nobody reads. Does not own: levels and patterns.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use super::{Component, DEFAULT_FORMAT, Level, Pattern, Record};

/// Lines that may wait to be written.
const QUEUE_LINES: usize = 1024;

/// Takes lines; its thread ends when it is dropped.
pub(super) struct Output {
    pattern: Arc<Pattern>,
    escaped: bool,
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    Reopen,
    Flush(SyncSender<()>),
}

impl Output {
    pub(super) fn start(pattern: Pattern, escaped: bool, path: Option<PathBuf>) -> Result<Self, String> {
        let file = match &path {
            Some(path) => open(path)?,
            None => {
                stderr().map_err(|error| format!("stderr can't be used for the application log: {error}"))?
            }
        };
        let (sender, receiver) = sync_channel(QUEUE_LINES);
        let (pattern, dropped) = (Arc::new(pattern), Arc::new(AtomicU64::new(0)));
        let writer =
            Writer { file, path, pattern: Arc::clone(&pattern), dropped: Arc::clone(&dropped), said: 0 };
        std::thread::Builder::new()
            .name("application_log".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| format!("no thread for the application log: {error}"))?;
        Ok(Output { pattern, escaped, sender, dropped })
    }

    /// Queues a line, or drops it when the queue is full.
    pub(super) fn write(&self, record: &Record<'_>) {
        let mut line = self.pattern.format(record);
        if self.escaped {
            line = c_escaped(&line);
        }
        line.push(b'\n');
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes at once, with the default pattern, to stderr.
    pub(super) fn write_early(record: &Record<'_>) {
        let mut line = Pattern::compile(DEFAULT_FORMAT).format(record);
        line.push(b'\n');
        // There is nowhere to say that stderr is gone.
        drop(io::stderr().lock().write_all(&line));
    }

    pub(super) fn reopen(&self) {
        self.send_within(Message::Reopen, Duration::from_millis(100));
    }

    pub(super) fn flush(&self, limit: Duration) {
        let (done, is_done) = sync_channel(1);
        let begin = Instant::now();
        if self.send_within(Message::Flush(done), limit) {
            // Past the limit nobody reads; then there is nothing to wait for.
            let _ = is_done.recv_timeout(limit.saturating_sub(begin.elapsed()));
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Queues what must not be lost; a full queue is tried again until the limit.
    fn send_within(&self, message: Message, limit: Duration) -> bool {
        let begin = Instant::now();
        let mut message = message;
        loop {
            match self.sender.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if begin.elapsed() < limit => message = back,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

struct Writer {
    file: File,
    path: Option<PathBuf>,
    pattern: Arc<Pattern>,
    dropped: Arc<AtomicU64>,
    /// How many of the dropped lines were already told of.
    said: u64,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Line(line) => self.write(&line),
                Message::Reopen => self.reopen(),
                // Who asked may have stopped waiting.
                Message::Flush(done) => drop(done.try_send(())),
            }
            self.tell_of_dropped_lines();
        }
    }

    fn write(&mut self, line: &[u8]) {
        // There is nowhere to say that the log is gone.
        drop(self.file.write_all(line));
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => self.file = file,
            Err(error) => self.say(&error),
        }
    }

    fn tell_of_dropped_lines(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped != self.said {
            self.say(&format!("{} lines of the application log were dropped", dropped - self.said));
            self.said = dropped;
        }
    }

    fn say(&mut self, message: &str) {
        let record = Record {
            time: SystemTime::now(),
            component: Component::Main,
            level: Level::Warning,
            file: file!(),
            line: line!(),
            message: message.to_owned(),
        };
        let mut line = self.pattern.format(&record);
        line.push(b'\n');
        self.write(&line);
    }
}

fn open(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| format!("unable to open log file '{}': {error}", path.display()))
}

fn stderr() -> io::Result<File> {
    io::stderr().as_fd().try_clone_to_owned().map(File::from)
}

/// As `absl::CEscape`: C's escapes, and octal ones for other control characters and what is not ASCII.
fn c_escaped(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 16);
    for byte in line {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' | b'\'' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20..0x7f => out.push(*byte),
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out
}
