//! After a warm-up, a line is made and buffered without a single allocation. Alone in its program: all threads count.

#![allow(clippy::expect_used)] // a helper of tests may end the test

#[path = "streams/exchange.rs"]
#[allow(dead_code)] // other tests use the rest
mod exchange;
#[path = "streams/log_folder.rs"]
#[allow(dead_code)] // as above
mod log_folder;

use std::alloc::System;
use std::time::Duration;

use exchange::Exchange;
use log_folder::LogFolder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Envoy's default format.
const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

fn main() {
    let folder = LogFolder::new(Duration::from_secs(3600), 1 << 20);
    let set = folder.open(&[folder.log("log", DEFAULT)]);
    let worker = folder.worker();
    let exchange = Exchange::via_upstream();
    let context = exchange.context();
    // Grows the buffer to its size and hands it over, twice.
    for _ in 0..12_000 {
        set.log(&worker, &context);
    }
    worker.flush();
    for _ in 0..3_000 {
        set.log(&worker, &context);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..300 {
        set.log(&worker, &context);
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
