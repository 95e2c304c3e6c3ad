//! Access logs: which streams leave a line, what it looks like and where it goes.
//!
//! Owns: the access logs of one listener, connection manager, TCP proxy or of admin, compiled. Does not own: what
//! operators print (`format`), when a line is due (the filters that have access logs), the process's own log
//! (`application_log`). Follows: Envoy's pages "Access logging" and "File system" (statistics), and
//! `config.accesslog.v3`.
//!
//! A line is made in the worker's own buffer. A buffer that is full, or that the worker flushes at each
//! `--file-flush-interval-msec`, goes to a thread that writes. On a worker a line takes no lock, allocates nothing and
//! waits for nothing: when a disk is stuck, lines are dropped and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::format::{FormatContext, Formatter, JsonFormatter, Unset};
use crate::model::access_log as model;

mod destination;
mod file;
mod filter;
mod registry;
mod stream;
mod worker_logs;
mod writer;

use destination::Destination;
pub(crate) use filter::LogFilter;
pub use worker_logs::WorkerLogs;
pub use writer::{LogWriter, LogWriterHandle};

/// The access logs of one place, ready to be written; shared by all workers.
#[derive(Default)]
pub struct AccessLogSet {
    logs: Box<[AccessLog]>,
    events: Events,
}

/// When lines are due beside the end; on none of these without logs.
#[derive(Default)]
struct Events {
    on_start: bool,
    on_connected: bool,
    interval: Option<Duration>,
}

struct AccessLog {
    filter: Option<LogFilter>,
    line: Line,
    destination: Arc<Destination>,
}

pub(crate) enum Line {
    /// Brings its own newline.
    Text(Formatter),
    Json(JsonFormatter),
}

impl AccessLogSet {
    /// Compiles the logs, then opens their files; a path that is already open is shared.
    ///
    /// # Errors
    /// One line: what a format or filter asks for that there is not, or the path and why it can't be opened. No file
    /// stays open then that was not before.
    pub fn open(logs: &[model::AccessLog], writer: &LogWriterHandle) -> Result<Self, String> {
        let compile = |log: &model::AccessLog| {
            Ok((log.filter.as_ref().map(LogFilter::compile).transpose()?, Line::compile(&log.format)?))
        };
        let compiled = logs.iter().map(compile).collect::<Result<Vec<_>, String>>()?;
        let open = |(log, (filter, line)): (&model::AccessLog, (Option<LogFilter>, Line))| {
            Ok(AccessLog { filter, line, destination: writer.open(&log.sink)? })
        };
        Ok(AccessLogSet {
            logs: logs.iter().zip(compiled).map(open).collect::<Result<_, String>>()?,
            events: Events::default(),
        })
    }

    /// Has lines also at these events.
    #[must_use]
    pub fn with_events(mut self, events: &model::AccessLogEvents) -> Self {
        if !self.is_empty() {
            self.events = Events {
                on_start: events.on_start,
                on_connected: events.on_connected,
                interval: events.flush_interval_ms.map(Duration::from_millis),
            };
        }
        self
    }

    /// Whether a line is due when a stream or session begins.
    #[inline]
    #[must_use]
    pub fn on_start(&self) -> bool {
        self.events.on_start
    }

    /// Whether a line is due when the upstream side stands: a TCP session's connection, a tunnel.
    #[inline]
    #[must_use]
    pub fn on_connected(&self) -> bool {
        self.events.on_connected
    }

    /// How often a line is due while a stream or session lasts.
    #[inline]
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.events.interval
    }

    /// When the line after that of `now` is due, while a stream lasts.
    #[inline]
    #[must_use]
    pub fn next_line(&self, now: Instant) -> Option<Instant> {
        now.checked_add(self.events.interval?)
    }

    /// Whether there is nothing to log to.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Writes the lines of a stream into the worker's buffers.
    #[inline]
    pub fn log(&self, logs: &WorkerLogs, context: &FormatContext<'_>) {
        for log in self.wanted(context) {
            logs.append(&log.destination, |out| log.line.write(context, out));
        }
    }

    /// Sends the lines of a stream to be written at once: for the control thread, which has no buffers.
    pub fn log_now(&self, writer: &LogWriterHandle, context: &FormatContext<'_>) {
        for log in self.wanted(context) {
            let mut line = Vec::new();
            log.line.write(context, &mut line);
            writer.write_line(&log.destination, line);
        }
    }

    fn wanted<'a>(&'a self, context: &'a FormatContext<'_>) -> impl Iterator<Item = &'a AccessLog> {
        self.logs.iter().filter(|log| log.filter.as_ref().is_none_or(|filter| filter.matches(context)))
    }
}

impl Line {
    pub(crate) fn compile(format: &model::LogFormat) -> Result<Self, String> {
        Ok(match format {
            model::LogFormat::Text { format, omit_empty_values } => {
                let unset = if *omit_empty_values { Unset::Empty } else { Unset::Dash };
                Line::Text(Formatter::compile(format, unset)?)
            }
            model::LogFormat::Json { root, omit_empty_values } => {
                Line::Json(JsonFormatter::compile(root, *omit_empty_values)?)
            }
        })
    }

    pub(crate) fn write(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        match self {
            Line::Text(formatter) => formatter.write(context, out),
            Line::Json(formatter) => {
                formatter.write(context, out);
                out.push(b'\n');
            }
        }
    }
}

impl std::fmt::Debug for AccessLogSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLogSet").finish_non_exhaustive()
    }
}
