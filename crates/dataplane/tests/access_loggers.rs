//! Access logs end to end: lines through a worker's buffers into files, and what happens when a file can't be had.

#![allow(clippy::expect_used, clippy::panic)] // a helper of tests may end the test

#[path = "streams/exchange.rs"]
#[allow(dead_code)] // other tests use the rest
mod exchange;
#[path = "streams/log_folder.rs"]
mod log_folder;

use std::fs::{self, File};
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use exchange::{Exchange, split};
use ferryman_dataplane::access_loggers::AccessLogSet;
use ferryman_dataplane::model::access_log::{AccessLog, LogFormat, Sink};
use ferryman_dataplane::model::format::JsonValue;
use ferryman_dataplane::stats::FilesystemStat;
use log_folder::{LogFolder, text_log};

const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn text_brings_its_newline_and_json_gets_one() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let mut json = folder.log("log", "");
    let field = ("code".to_owned(), JsonValue::Format { format: split("%RESPONSE_CODE%") });
    json.format =
        LogFormat::Json { root: JsonValue::Object { fields: vec![field] }, omit_empty_values: false };
    let mut sparse = folder.log("log", "");
    sparse.format = LogFormat::Text { format: split("[%REQ(none)%]\n"), omit_empty_values: true };
    let logs = [folder.log("log", "%PROTOCOL% %REQ(none)%\n"), json, sparse];
    let set = folder.open(&logs);
    assert!(!set.is_empty());
    let worker = folder.worker();
    set.log(&worker, &Exchange::via_upstream().context());
    assert_eq!(folder.read("log"), "", "lines wait for the flush");
    worker.flush();
    let folder = folder.finish();
    assert_eq!(folder.read("log"), "HTTP/1.1 -\n{\"code\":200}\n[]\n");
    assert_eq!(folder.stat(FilesystemStat::WriteBuffered), 3);
    assert_eq!(folder.stat(FilesystemStat::WriteCompleted), 1);
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 0);
}

#[test]
fn no_logs_are_an_empty_set() {
    let folder = LogFolder::new(NEVER, 1);
    assert!(folder.open(&[]).is_empty());
    assert!(AccessLogSet::default().is_empty());
}

#[test]
fn a_worker_that_ends_leaves_no_line_behind() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let set = folder.open(&[folder.log("log", "1234\n")]);
    let worker = folder.worker();
    set.log(&worker, &Exchange::via_upstream().context());
    drop(worker);
    assert_eq!(folder.finish().read("log"), "1234\n");
}

#[test]
fn a_full_buffer_goes_without_a_flush() {
    let folder = LogFolder::new(NEVER, 10);
    let set = folder.open(&[folder.log("log", "1234\n")]);
    let worker = folder.worker();
    for _ in 0..5 {
        set.log(&worker, &Exchange::via_upstream().context());
    }
    assert_eq!(folder.stat(FilesystemStat::WriteBuffered), 5);
    let folder = folder.finish();
    assert_eq!(folder.read("log"), "1234\n".repeat(3));
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 10);
    worker.flush();
    assert_eq!(folder.read("log"), "1234\n".repeat(3), "too late");
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 0);
    assert_eq!(folder.stat(FilesystemStat::WriteFailed), 1);
}

#[test]
fn workers_and_sets_share_a_file_line_by_line() {
    let folder = LogFolder::new(NEVER, 64);
    let sets = ["first worker\n", "second worker\n"].map(|line| folder.open(&[folder.log("log", line)]));
    assert_eq!(folder.times_open("log"), 1);
    let threads: Vec<_> = sets
        .into_iter()
        .map(|set| {
            let handle = folder.handle();
            std::thread::spawn(move || {
                let worker = handle.worker();
                (0..1000).for_each(|_| set.log(&worker, &Exchange::via_upstream().context()));
                worker.flush();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("worker"));
    let folder = folder.finish();
    let text = folder.read("log");
    assert_eq!(text.lines().filter(|line| *line == "first worker").count(), 1000);
    assert_eq!(text.lines().filter(|line| *line == "second worker").count(), 1000);
    assert_eq!(text.lines().count(), 2000);
    assert_eq!(folder.stat(FilesystemStat::WriteBuffered), 2000);
}

#[test]
fn the_control_thread_writes_at_once() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let set = folder.open(&[folder.log("log", "admin\n")]);
    set.log_now(&folder.handle(), &Exchange::via_upstream().context());
    let folder = folder.finish();
    assert_eq!(folder.read("log"), "admin\n");
    assert_eq!(folder.stat(FilesystemStat::WriteBuffered), 1);
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 0);
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let set = folder.open(&[folder.log("log", "line\n")]);
    let worker = folder.worker();
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    fs::rename(folder.path("log"), folder.path("moved")).expect("rename");
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    folder.handle().reopen();
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    let folder = folder.finish();
    assert_eq!(folder.read("moved"), "line\nline\n");
    assert_eq!(folder.read("log"), "line\n");
    assert_eq!(folder.stat(FilesystemStat::ReopenFailed), 0);
}

#[test]
fn what_cant_be_opened_anew_goes_on_to_the_former_file() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    fs::create_dir(folder.path("sub")).expect("folder");
    let set = folder.open(&[folder.log("sub/log", "line\n")]);
    let worker = folder.worker();
    fs::rename(folder.path("sub"), folder.path("moved")).expect("rename");
    folder.handle().reopen();
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    let folder = folder.finish();
    assert_eq!(folder.read("moved/log"), "line\n");
    assert_eq!(folder.stat(FilesystemStat::ReopenFailed), 1);
}

#[test]
fn a_set_that_cant_be_had_leaves_nothing_open() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let missing = folder.path("none/log");
    let error = folder.try_open(&[folder.log("good", "x"), folder.log("none/log", "x")]).err();
    assert_eq!(error, Some(format!("unable to open file '{missing}': No such file or directory")));
    assert_eq!(folder.times_open("good"), 0);
    let error = folder.try_open(&[folder.log("untouched", "x"), folder.log("log", "%NOPE%")]).err();
    assert!(error.as_ref().is_some_and(|error| error.contains("NOPE")), "{error:?}");
    assert!(!fs::exists(folder.path("untouched")).expect("folder"), "formats are looked at first");
    let (path, error) = (folder.path(""), folder.try_open(&[folder.log("", "x")]).err());
    assert_eq!(error, Some(format!("unable to open file '{path}': Is a directory")));
}

#[test]
fn a_file_is_closed_when_nobody_logs_to_it_any_more() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let (old, new) = (folder.log("old", "old\n"), folder.log("new", "new\n"));
    let worker = folder.worker();
    let set = folder.open(&[old]);
    set.log(&worker, &Exchange::via_upstream().context());
    drop(set);
    assert_eq!(folder.times_open("old"), 1, "a line waits in the worker's buffer");
    let set = folder.open(&[new]);
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    let folder = folder.finish();
    assert_eq!((folder.times_open("old"), folder.times_open("new")), (0, 1));
    assert_eq!((folder.read("old"), folder.read("new")), ("old\n".to_owned(), "new\n".to_owned()));
}

#[test]
fn a_write_that_fails_is_counted() {
    let folder = LogFolder::new(NEVER, 1 << 16);
    let full = Sink::File { path: "/dev/full".to_owned() };
    let set = folder.open(&[text_log(full, "line\n")]);
    let worker = folder.worker();
    set.log(&worker, &Exchange::via_upstream().context());
    worker.flush();
    let folder = folder.finish();
    assert_eq!(folder.stat(FilesystemStat::WriteFailed), 1);
    assert_eq!(folder.stat(FilesystemStat::WriteCompleted), 0);
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 0);
}

#[test]
fn a_stuck_reader_stops_nobody() {
    let folder = LogFolder::new(NEVER, 1 << 20);
    let path = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let error = folder.try_open(&[folder.log("pipe", "x")]).err();
    assert_eq!(error, Some(format!("unable to open file '{path}': nobody reads it")));

    // Held open and not read: what fits into the pipe goes in, then its writer waits.
    let mut reader = File::options().read(true).write(true).open(&path).expect("pipe");
    let line = format!("{}\n", "x".repeat(1023));
    let set = folder.open(&[folder.log("pipe", &line), folder.log("log", "line\n")]);
    let worker = folder.worker();
    let mut lines = 0;
    while folder.handle().dropped_lines() == 0 {
        set.log(&worker, &Exchange::via_upstream().context());
        lines += 1;
        assert!(lines < 64 << 10, "64 MiB wait and nothing was dropped");
    }
    assert!((14 << 10..20 << 10).contains(&lines), "what waits is limited to 16 MiB, not to {lines} KiB");
    worker.flush();
    let dropped = folder.handle().dropped_lines();
    assert!(folder.stat(FilesystemStat::WriteFailed) > 0);
    let drain = std::thread::spawn(move || {
        let wanted = (lines - dropped) * 1024;
        let read = reader.by_ref().take(wanted).read_to_end(&mut Vec::new()).expect("read");
        assert_eq!(u64::try_from(read), Ok(wanted));
    });
    drain.join().expect("all that was not dropped arrives");
    let folder = folder.finish();
    assert_eq!(u64::try_from(folder.read("log").lines().count()), Ok(lines), "the file is not held up");
    assert_eq!(folder.stat(FilesystemStat::WriteTotalBuffered), 0);
}

#[test]
fn the_timer_is_counted_as_envoy_does() {
    let folder = LogFolder::new(Duration::from_millis(1), 1 << 16);
    assert_eq!(folder.handle().flush_interval(), Duration::from_millis(1));
    let _set = folder.open(&[folder.log("log", "x"), folder.log("other", "x")]);
    while folder.stat(FilesystemStat::FlushedByTimer) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(folder.stat(FilesystemStat::FlushedByTimer) % 2, 0, "one a file and interval");
}

/// Set in the process whose output is looked at.
const PRINTS: &str = "FERRYMAN_TEST_PRINTS_ACCESS_LOGS";

#[test]
fn standard_output_and_error() {
    if std::env::var_os(PRINTS).is_some() {
        let folder = LogFolder::new(NEVER, 1 << 16);
        let logs: [AccessLog; 2] =
            [text_log(Sink::Stdout {}, "to stdout\n"), text_log(Sink::Stderr {}, "to stderr\n")];
        let set = folder.open(&logs);
        let worker = folder.worker();
        set.log(&worker, &Exchange::via_upstream().context());
        worker.flush();
        folder.handle().reopen();
        set.log(&worker, &Exchange::via_upstream().context());
        worker.flush();
        folder.finish();
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--exact", "standard_output_and_error"])
        .env(PRINTS, "yes")
        .output()
        .expect("output");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.matches("to stdout\n").count(), 2, "{stdout}");
    assert_eq!(stderr, "to stderr\nto stderr\n");
}
