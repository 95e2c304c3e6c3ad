//! The event loop of a thread: making it and, where the configuration asks for that, measuring it.
//!
//! Owns: how event loops are made, and the histograms `dispatcher.*`. Does not own: what runs in them (`worker`,
//! `control`), nor noticing that one is stuck (`watchdog`).
//! Follows Envoy's page "Performance" ("Event loop").
//!
//! `loop_duration_us`: how long the loop was busy between two waits. `poll_delay_us`: how much later than its time a timer
//! woke the loop, of one timer that is there for that. Without `enable_dispatcher_stats` the clock is not read for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::stats::{DispatcherHistogram, DispatcherStats, LocalScope, Scope};

/// How often a timer is set only to see when it comes.
const TIMER_INTERVAL: Duration = Duration::from_millis(200);

/// An event loop that is measured.
struct Measured {
    stats: LocalScope<DispatcherStats>,
    /// When the last wait was over.
    woken: Cell<Option<Instant>>,
}

thread_local! {
    static MEASURED: RefCell<Option<Measured>> = const { RefCell::new(None) };
}

/// Makes an event loop, which must live on the thread that asks for it.
///
/// # Errors
/// The system gives no file descriptors.
pub fn event_loop(is_measured: bool) -> io::Result<LocalRuntime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    if is_measured {
        builder.on_thread_park(before_wait).on_thread_unpark(after_wait);
    }
    builder.build_local(LocalOptions::default())
}

/// Measures this thread's loop from now on; `index` is the thread's place in all statistics. To be called in a task of a
/// loop that was made for it.
pub fn measure(stats: &Scope<DispatcherStats>, index: usize) {
    let stats = stats.local(index);
    MEASURED.set(Some(Measured { stats, woken: Cell::new(None) }));
    tokio::task::spawn_local(watch_timer());
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn before_wait() {
    MEASURED.with_borrow(|measured| {
        let Some(measured) = measured else { return };
        if let Some(woken) = measured.woken.take() {
            measured.stats.record(DispatcherHistogram::LoopDurationUs, microseconds(woken.elapsed()));
        }
    });
}

fn after_wait() {
    MEASURED.with_borrow(|measured| {
        if let Some(measured) = measured {
            measured.woken.set(Some(Instant::now()));
        }
    });
}

async fn watch_timer() {
    loop {
        let due = Instant::now() + TIMER_INTERVAL;
        tokio::time::sleep_until(due.into()).await;
        MEASURED.with_borrow(|measured| {
            let Some(measured) = measured else { return };
            // Not this task's own turn: others may have had theirs since the loop was woken.
            let delay = measured.woken.get().and_then(|woken| woken.checked_duration_since(due));
            if let Some(delay) = delay {
                measured.stats.record(DispatcherHistogram::PollDelayUs, microseconds(delay));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bootstrap::StatsConfig;
    use crate::stats::{Registry, Stat};

    #[test]
    fn a_busy_loop_and_a_late_timer_are_seen() {
        let registry = Registry::new(&StatsConfig::default(), 1);
        let stats = registry.dispatcher("server");
        let looping = event_loop(true).expect("a loop");
        looping.block_on(async {
            measure(&stats, 0);
            tokio::time::sleep(Duration::from_millis(1)).await;
            std::thread::sleep(Duration::from_millis(30));
            tokio::time::sleep(TIMER_INTERVAL * 2).await;
        });
        registry.merge_histograms();
        let recorded =
            |histogram: DispatcherHistogram| stats.data().read_histogram(histogram.index()).interval;
        let busy = recorded(DispatcherHistogram::LoopDurationUs);
        assert!(busy.count() > busy.count_below(25_000.0));
        assert!(!recorded(DispatcherHistogram::PollDelayUs).is_empty());
    }
}
