//! Filters of access logs, against which lines Envoy 1.40.0 wrote.

#![allow(clippy::expect_used)] // a helper of tests may end the test

#[path = "streams/exchange.rs"]
#[allow(dead_code)] // other tests use the rest
mod exchange;
#[path = "streams/log_folder.rs"]
#[allow(dead_code)] // as above
mod log_folder;

use std::time::Duration;

use exchange::Exchange;
use ferryman_dataplane::model::access_log::{Comparison, ComparisonOp, LogFilter};
use ferryman_dataplane::model::matcher::{HeaderMatch, HeaderMatcher, StringMatcher};
use ferryman_dataplane::model::runtime::RuntimeUInt32;
use ferryman_dataplane::stats::FilesystemStat;
use log_folder::LogFolder;

/// Whether the filter lets a stream's line through.
fn lets_through(folder: &LogFolder, filter: LogFilter, exchange: &Exchange) -> bool {
    let mut log = folder.log("log", "line\n");
    log.filter = Some(filter);
    let set = folder.open(&[log]);
    let before = folder.stat(FilesystemStat::WriteBuffered);
    set.log(&folder.worker(), &exchange.context());
    folder.stat(FilesystemStat::WriteBuffered) > before
}

fn check(exchange: &Exchange, table: Vec<(LogFilter, bool)>) {
    let folder = LogFolder::new(Duration::from_secs(3600), 1 << 16);
    for (filter, expected) in table {
        assert_eq!(lets_through(&folder, filter.clone(), exchange), expected, "{filter:?}");
    }
}

fn comparison(op: ComparisonOp, value: u32) -> Comparison {
    Comparison { op, value: RuntimeUInt32 { default_value: value, runtime_key: String::new() } }
}

fn status(op: ComparisonOp, value: u32) -> LogFilter {
    LogFilter::StatusCode { comparison: comparison(op, value) }
}

fn duration(op: ComparisonOp, value: u32) -> LogFilter {
    LogFilter::Duration { comparison: comparison(op, value) }
}

fn flags(flags: &[&str]) -> LogFilter {
    LogFilter::ResponseFlag { flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
}

fn header(name: &str, matching: HeaderMatch, invert_match: bool, empty: bool) -> LogFilter {
    let header =
        HeaderMatcher { name: name.to_owned(), matching, invert_match, treat_missing_header_as_empty: empty };
    LogFilter::Header { header }
}

fn exact(value: &str) -> HeaderMatch {
    HeaderMatch::String { matcher: StringMatcher::Exact { value: value.to_owned(), ignore_case: false } }
}

#[test]
fn status_and_duration_are_compared() {
    use ComparisonOp::{Eq, Ge, Le, Ne};
    check(
        &Exchange::via_upstream(),
        vec![
            (status(Eq, 200), true),
            (status(Eq, 201), false),
            (status(Ge, 200), true),
            (status(Ge, 201), false),
            (status(Le, 200), true),
            (status(Le, 199), false),
            (status(Ne, 200), false),
            (status(Ne, 0), true),
            // It took 2.19 ms.
            (duration(Eq, 2), true),
            (duration(Ge, 3), false),
        ],
    );
    let mut lasting = Exchange::via_upstream();
    lasting.stream.reset(lasting.stream.start, lasting.stream.start_time);
    // No status yet, and 3.63 ms since the start.
    check(&lasting, vec![(status(Eq, 0), true), (duration(Eq, 3), true), (duration(Le, 2), false)]);
}

#[test]
fn response_flags() {
    let none = vec![(flags(&[]), false), (flags(&["UF"]), false)];
    check(&Exchange::via_upstream(), none);
    let two = vec![(flags(&[]), true), (flags(&["NR", "URX"]), true), (flags(&["NR", "DC"]), false)];
    check(&Exchange::tcp_refused(), two);
    let folder = LogFolder::new(Duration::from_secs(3600), 1 << 16);
    let mut log = folder.log("log", "line\n");
    log.filter = Some(flags(&["UF", "XX"]));
    assert_eq!(folder.try_open(&[log]).err(), Some("unknown response flag 'XX'".to_owned()));
}

#[test]
fn request_headers() {
    check(
        &Exchange::via_upstream(),
        vec![
            (header("x-a", HeaderMatch::Present { present: true }, false, false), true),
            (header("x-a", exact("1"), false, false), true),
            (header("x-a", exact("3"), false, false), false),
            (header("none", exact("3"), true, false), false),
        ],
    );
    // Without a request there are no headers.
    check(
        &Exchange::tcp_refused(),
        vec![
            (header("x", HeaderMatch::Present { present: false }, false, false), true),
            (header("x", HeaderMatch::Present { present: true }, false, false), false),
            (header("x", exact(""), false, true), true),
            (header("x", exact("a"), true, false), false),
        ],
    );
}

#[test]
fn and_or_and_health_checks() {
    let (yes, no) = (|| status(ComparisonOp::Eq, 200), || status(ComparisonOp::Eq, 500));
    let mut exchange = Exchange::via_upstream();
    check(
        &exchange,
        vec![
            (LogFilter::And { filters: vec![yes(), no()] }, false),
            (LogFilter::And { filters: vec![yes(), yes()] }, true),
            (LogFilter::Or { filters: vec![no(), yes()] }, true),
            (LogFilter::Or { filters: vec![no(), LogFilter::And { filters: vec![no(), yes()] }] }, false),
            (LogFilter::NotHealthCheck {}, true),
        ],
    );
    exchange.stream.health_check = true;
    check(&exchange, vec![(LogFilter::NotHealthCheck {}, false)]);
}
