//! The sink `envoy.access_loggers.file`.
//!
//! Owns: how a log file is opened. Follows: Envoy's `FileAccessLog`: appended to, made with mode 644 where there is none.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// Opens the file for appending. Never waits: a pipe that nobody reads is an error.
pub(super) fn open(path: &str) -> Result<File, String> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| format!("unable to open file '{path}': {}", reason(&error)))
}

/// The system's own words, without the number that Rust adds.
pub(super) fn reason(error: &io::Error) -> String {
    if error.raw_os_error() == Some(libc::ENXIO) {
        return "nobody reads it".to_owned();
    }
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}
