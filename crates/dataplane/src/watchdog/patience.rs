//! How long a thread may be silent, and what follows.
//!
//! Owns: the timeouts of one kind of threads. Does not own: threads or clocks.
//! Follows Envoy's `config.bootstrap.v3.Watchdog`.

use std::time::Duration;

use crate::model::bootstrap::Watchdog as Timeouts;

/// At least so many threads must be stuck for "several".
const SEVERAL: usize = 2;

/// What is known of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// It gets on.
    Fine,
    /// Silent for longer than `miss_timeout`.
    Miss,
    /// Silent for longer than `megamiss_timeout`.
    Megamiss,
}

/// The timeouts of one kind of threads.
#[derive(Debug)]
pub(super) struct Patience {
    miss: Duration,
    megamiss: Duration,
    kill: Option<Duration>,
    multikill: Option<Duration>,
    /// Which part of the threads is several: 0 to 1.
    threshold: f64,
    /// The step at which an action ends the process.
    aborts_at: Option<Step>,
}

impl Patience {
    /// `random` chooses how much of the jitter is added.
    pub(super) fn new(model: &Timeouts, random: u64) -> Self {
        let jitter = random.checked_rem(model.max_kill_timeout_jitter_ms).unwrap_or(0);
        let aborts_at = match (model.aborts_on_miss, model.aborts_on_megamiss) {
            (true, _) => Some(Step::Miss),
            (false, true) => Some(Step::Megamiss),
            (false, false) => None,
        };
        Patience {
            miss: Duration::from_millis(model.miss_timeout_ms),
            megamiss: Duration::from_millis(model.megamiss_timeout_ms),
            kill: model.kill_timeout_ms.map(|ms| Duration::from_millis(ms.saturating_add(jitter))),
            multikill: model.multikill_timeout_ms.map(Duration::from_millis),
            threshold: model.multikill_threshold / 100.0,
            aborts_at,
        }
    }

    /// How often to look: as often as the shortest timeout asks for.
    pub(super) fn interval(&self) -> Duration {
        let timeouts = [Some(self.miss), Some(self.megamiss), self.kill, self.multikill];
        let shortest = timeouts.into_iter().flatten().min().unwrap_or(self.miss);
        shortest.max(Duration::from_millis(2))
    }

    /// What so long a silence is.
    pub(super) fn step(&self, silence: Duration) -> Step {
        if silence > self.megamiss {
            Step::Megamiss
        } else if silence > self.miss {
            Step::Miss
        } else {
            Step::Fine
        }
    }

    /// Whether one thread that is silent for so long ends the process.
    pub(super) fn ends_process(&self, step: Step, silence: Duration) -> bool {
        self.kill.is_some_and(|kill| silence > kill) || self.aborts_at.is_some_and(|at| step >= at)
    }

    /// Whether the thread counts among the several that end the process.
    pub(super) fn is_over_with_several(&self, silence: Duration) -> bool {
        self.multikill.is_some_and(|multikill| silence > multikill)
    }

    /// How many of so many threads are several.
    pub(super) fn several(&self, threads: usize) -> usize {
        (SEVERAL..=threads).find(|count| part(*count, threads) >= self.threshold).unwrap_or(SEVERAL)
    }
}

#[allow(clippy::cast_precision_loss, reason = "numbers of threads are small")]
fn part(of: usize, all: usize) -> f64 {
    of as f64 / all as f64
}
