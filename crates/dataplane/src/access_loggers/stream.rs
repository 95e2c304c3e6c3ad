//! The sinks `envoy.access_loggers.stdout` and `envoy.access_loggers.stderr`.
//!
//! Owns: how the process's own output becomes a sink. Follows: Envoy's `StdoutAccessLog` and `StderrAccessLog`. Lines
//! are buffered as those of a file are.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::file::reason;

pub(super) fn stdout() -> Result<File, String> {
    duplicate(io::stdout().as_fd(), "stdout")
}

pub(super) fn stderr() -> Result<File, String> {
    duplicate(io::stderr().as_fd(), "stderr")
}

fn duplicate(stream: BorrowedFd<'_>, name: &str) -> Result<File, String> {
    stream
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| format!("unable to use {name} for access logs: {}", reason(&error)))
}
