//! The application log as a process has it: one, with levels, a file that can be moved away, and a reader that is stuck.

#![allow(clippy::expect_used)] // a helper of tests may end the test

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferryman_dataplane::application_log::{self as log, Component, Level, Settings};

/// The log is the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ferryman-log-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn to_file(path: &std::path::Path, format: &str, escaped: bool) {
    log::configure(&Settings { format: format.to_owned(), escaped, path: Some(path.to_owned()) })
        .expect("log file");
}

#[test]
fn levels_are_a_components_own() {
    let _alone = alone();
    let path = path("levels");
    to_file(&path, "%n %l %v", false);
    log::set_all_levels(Level::Info);
    log::set_level(Component::Router, Level::Trace);
    log::set_level(Component::Http, Level::Off);
    log::write(Component::Router, Level::Trace, "one");
    log::write(Component::Main, Level::Debug, "two");
    log::write(Component::Http, Level::Critical, "three");
    log::write(Component::Main, Level::Off, "four");
    log::write(Component::Main, Level::Warning, format_args!("fi{}", "ve"));
    log::flush();
    assert_eq!(fs::read_to_string(&path).expect("file"), "router trace one\nmain warning five\n");
    assert_eq!(log::level(Component::Http), Level::Off);
    assert!(!log::enabled(Component::Http, Level::Critical));
    log::set_all_levels(Level::Info);
    assert_eq!(log::level(Component::Http), Level::Info);
    fs::remove_file(&path).expect("remove");
}

#[test]
fn lines_name_their_place_and_can_be_escaped() {
    let _alone = alone();
    let path = path("escaped");
    to_file(&path, "%s:%# %v", true);
    let line = line!() + 1;
    log::write(Component::Main, Level::Error, "a\n\"b\"\t\u{e9}");
    log::write_from(Component::Config, Level::Error, "config/source.py", 7, &"from Python");
    log::flush();
    let expected = format!("application_log.rs:{line} a\\n\\\"b\\\"\\t\\303\\251\nsource.py:7 from Python\n");
    assert_eq!(fs::read_to_string(&path).expect("file"), expected);
    fs::remove_file(&path).expect("remove");
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let _alone = alone();
    let (path, moved) = (path("reopen"), path("moved"));
    to_file(&path, "%v", false);
    log::write(Component::Main, Level::Error, "before");
    log::flush();
    fs::rename(&path, &moved).expect("rename");
    log::reopen();
    log::write(Component::Main, Level::Error, "after");
    log::flush();
    assert_eq!(fs::read_to_string(&moved).expect("file"), "before\n");
    assert_eq!(fs::read_to_string(&path).expect("file"), "after\n");
    fs::remove_file(&path).expect("remove");
    fs::remove_file(&moved).expect("remove");
}

#[test]
fn a_file_that_cant_be_opened_is_one_clear_line() {
    let settings = Settings { path: Some("/nowhere/at/all.log".into()), ..Settings::default() };
    let error = log::configure(&settings).expect_err("no such folder");
    assert_eq!(
        error,
        "unable to open log file '/nowhere/at/all.log': No such file or directory (os error 2)"
    );
}

#[test]
fn a_stuck_reader_stops_nobody() {
    let _alone = alone();
    let path = path("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    // Held open and not read: what fits into the pipe goes in, then the writer waits.
    let mut reader = File::options().read(true).write(true).open(&path).expect("fifo");
    to_file(&path, "%v", false);
    let line = "x".repeat(1023);
    for _ in 0..2_000 {
        log::write(Component::Main, Level::Error, &line);
    }
    assert!(log::dropped_lines() > 0);
    let mut taken = vec![0; 64 * 1024];
    let mut text = String::new();
    while !text.contains("lines of the application log were dropped") {
        let length = reader.read(&mut taken).expect("read");
        text.push_str(&String::from_utf8_lossy(&taken[..length]));
    }
    drop(reader);
    log::configure(&Settings::default()).expect("stderr");
    fs::remove_file(&path).expect("remove");
}
