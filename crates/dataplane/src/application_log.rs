//! The process's own log: what it has to say about itself.
//!
//! Owns: components and their levels, the line's pattern, and the way to stderr or a file. Does not own: access logs
//! (`access_loggers`). Follows: Envoy's command line (`--log-level`, `--component-log-level`, `--log-format`,
//! `--log-path`) and its admin page `/logging`.
//!
//! ```
//! use ferryman_dataplane::application_log::{self, Component, Level};
//! if application_log::enabled(Component::Http, Level::Debug) {
//!     application_log::write(Component::Http, Level::Debug, format_args!("stream {} ended", 7));
//! }
//! ```
//! A line is made by the thread that has something to say and written by a thread of its own. The queue between them
//! is bounded: when nobody reads stderr, lines are dropped and counted, and no traffic waits.

use std::fmt::Display;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

mod component;
mod output;
mod pattern;

pub use component::Component;
use output::Output;
use pattern::Pattern;

/// Envoy's default `--log-format`.
pub const DEFAULT_FORMAT: &str = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // Envoy's own names
pub enum Level {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
    /// As a component's level: lets nothing through.
    Off,
}

impl Level {
    /// Every level, from the least.
    pub const ALL: [Level; 7] =
        [Level::Trace, Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical, Level::Off];

    /// As the command line and `/logging` name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Off => "off",
        }
    }

    /// The level of this name; `warn` is `warning`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Level> {
        let name = if name == "warn" { "warning" } else { name };
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

static LEVELS: [AtomicU8; Component::ALL.len()] =
    [const { AtomicU8::new(Level::Info as u8) }; Component::ALL.len()];

static OUTPUT: RwLock<Option<Output>> = RwLock::new(None);

/// Whether a line of this level gets through.
#[inline]
#[must_use]
pub fn enabled(component: Component, level: Level) -> bool {
    LEVELS.get(component as usize).is_some_and(|least| level as u8 >= least.load(Ordering::Relaxed))
}

/// A component's level.
#[must_use]
pub fn level(component: Component) -> Level {
    let level = LEVELS.get(component as usize).map_or(0, |level| level.load(Ordering::Relaxed));
    Level::ALL.get(usize::from(level)).copied().unwrap_or(Level::Off)
}

/// Sets a component's level; takes effect at once, in all threads.
pub fn set_level(component: Component, level: Level) {
    if let Some(slot) = LEVELS.get(component as usize) {
        slot.store(level as u8, Ordering::Relaxed);
    }
}

/// Sets the level of all components.
pub fn set_all_levels(level: Level) {
    Component::ALL.iter().for_each(|component| set_level(*component, level));
}

/// Writes a line if the component's level lets it through; only then are the arguments looked at. This is how traffic
/// tells of itself: switched off, it costs one load.
macro_rules! log_at {
    ($component:ident, $level:ident, $($argument:tt)+) => {
        if $crate::application_log::enabled(
            $crate::application_log::Component::$component,
            $crate::application_log::Level::$level,
        ) {
            $crate::application_log::write(
                $crate::application_log::Component::$component,
                $crate::application_log::Level::$level,
                format_args!($($argument)+),
            );
        }
    };
}
pub(crate) use log_at;

/// The connection that a line is about, as Envoy writes it before the line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfConnection(pub(crate) u64);

impl Display for OfConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[Tags: \"ConnectionId\":\"{}\"]", self.0)
    }
}

/// Writes a line if the component's level lets it through. `Level::Off` writes nothing.
#[cold]
#[track_caller]
pub fn write(component: Component, level: Level, message: impl Display) {
    if enabled(component, level) {
        let location = Location::caller();
        write_from(component, level, location.file(), location.line(), &message);
    }
}

/// As `write`, for a line that comes from somewhere else than the caller: `file` and `line` are what `%g` and `%#`
/// print.
pub fn write_from(component: Component, level: Level, file: &str, line: u32, message: &dyn Display) {
    if level == Level::Off || !enabled(component, level) {
        return;
    }
    let record =
        Record { time: SystemTime::now(), component, level, file, line, message: message.to_string() };
    let output = OUTPUT.read().unwrap_or_else(PoisonError::into_inner);
    match &*output {
        Some(output) => output.write(&record),
        // Nobody has said yet where to: the command line is still being read.
        None => Output::write_early(&record),
    }
}

/// One line, before it has a form.
struct Record<'a> {
    time: SystemTime,
    component: Component,
    level: Level,
    file: &'a str,
    line: u32,
    message: String,
}

/// Where the log goes and what its lines look like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// spdlog's pattern, with Envoy's `%_`, `%j`, `%+` and `%*`.
    pub format: String,
    /// Escape control characters, quotes and what is not ASCII, as C does.
    pub escaped: bool,
    /// A file to append to; `None`: stderr.
    pub path: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { format: DEFAULT_FORMAT.to_owned(), escaped: false, path: None }
    }
}

/// Sends the log where `settings` says. Levels stay.
///
/// # Errors
/// One line: the file can't be opened, or there is no thread for it.
pub fn configure(settings: &Settings) -> Result<(), String> {
    let output = Output::start(Pattern::compile(&settings.format), settings.escaped, settings.path.clone())?;
    let former = OUTPUT.write().unwrap_or_else(PoisonError::into_inner).replace(output);
    if let Some(former) = former {
        former.flush(FLUSH_LIMIT);
    }
    Ok(())
}

/// How long a flush may take when nobody reads.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Opens the file anew, after it was moved away (SIGUSR1). A file that can't be opened is said in the log, which goes on
/// to the former one.
pub fn reopen() {
    if let Some(output) = &*OUTPUT.read().unwrap_or_else(PoisonError::into_inner) {
        output.reopen();
    }
}

/// Waits until all lines are written, at most two seconds.
pub fn flush() {
    if let Some(output) = &*OUTPUT.read().unwrap_or_else(PoisonError::into_inner) {
        output.flush(FLUSH_LIMIT);
    }
}

/// Lines that were dropped because nobody took them.
#[must_use]
pub fn dropped_lines() -> u64 {
    OUTPUT.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Output::dropped)
}
