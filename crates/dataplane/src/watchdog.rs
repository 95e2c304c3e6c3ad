//! Notices threads that do not get on: stuck in a loop, a lock or a system call.
//!
//! Owns: the thread that looks, what it counts and when it ends the process. Does not own: the threads that are watched.
//! Follows Envoy's page "Watchdog" and `config.bootstrap.v3.Watchdog`.
//!
//! Each watched thread has a flag that a task of its event loop sets twice in the time after which somebody looks; looking
//! clears it. Envoy's "main thread" is the control thread here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::application_log::{self, Component, Level, log_at};
use crate::model::bootstrap::{Bootstrap, Watchdog as Timeouts};
use crate::random::thread_random;
use crate::stats::{Registry, Scope, WatchdogStat, WatchdogStats};

mod patience;

use patience::{Patience, Step};

/// A thread as it is seen by the one that looks.
#[derive(Debug)]
struct WatchedThread {
    name: String,
    touched: Arc<AtomicBool>,
    stats: Scope<WatchdogStats>,
    step: Step,
    last_touch: Instant,
}

/// Threads that are watched with the same patience.
#[derive(Debug)]
struct Group {
    patience: Patience,
    stats: Scope<WatchdogStats>,
    threads: Mutex<Vec<WatchedThread>>,
}

/// What is watched: the control thread, and the workers.
#[derive(Debug)]
pub struct Watchdog {
    main_thread: Group,
    workers: Group,
    registry: Arc<Registry>,
}

/// Which threads one is among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// The control thread.
    Main,
    /// A worker.
    Worker,
}

impl Group {
    fn new(model: &Timeouts, name: &str, registry: &Arc<Registry>) -> Self {
        let patience = Patience::new(model, thread_random());
        Group { patience, stats: registry.watchdog(name), threads: Mutex::default() }
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<WatchedThread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at each thread. Answers why the process must end, if it must.
    fn look(&self, now: Instant) -> Option<String> {
        let mut threads = self.threads();
        // Whoever touched it has gone.
        threads.retain(|thread| Arc::strong_count(&thread.touched) > 1);
        let (mut stuck_for_long, mut end) = (0, None);
        for thread in threads.iter_mut() {
            if thread.touched.swap(false, Ordering::Relaxed) {
                (thread.last_touch, thread.step) = (now, Step::Fine);
                continue;
            }
            let silence = now.saturating_duration_since(thread.last_touch);
            self.count(thread, silence);
            stuck_for_long += usize::from(self.patience.is_over_with_several(silence));
            if self.patience.ends_process(thread.step, silence) {
                end = Some(format!("{} is stuck", thread.name));
            }
        }
        if stuck_for_long >= self.patience.several(threads.len()) {
            end = Some(format!("{stuck_for_long} of {} threads are stuck", threads.len()));
        }
        end
    }

    fn count(&self, thread: &mut WatchedThread, silence: Duration) {
        let step = self.patience.step(silence);
        if step >= Step::Miss && thread.step < Step::Miss {
            self.stats.add(WatchdogStat::WatchdogMiss, 1);
            thread.stats.add(WatchdogStat::WatchdogMiss, 1);
            log_at!(Main, Debug, "{} has not got on for {} ms", thread.name, silence.as_millis());
        }
        if step >= Step::Megamiss && thread.step < Step::Megamiss {
            self.stats.add(WatchdogStat::WatchdogMegaMiss, 1);
            thread.stats.add(WatchdogStat::WatchdogMegaMiss, 1);
            let text = format!("{} is stuck: it has not got on for {} ms", thread.name, silence.as_millis());
            application_log::write(Component::Main, Level::Warning, text);
        }
        thread.step = step;
    }
}

impl Watchdog {
    /// Watches nothing yet.
    #[must_use]
    pub fn new(main_thread: &Timeouts, workers: &Timeouts, registry: &Arc<Registry>) -> Self {
        Watchdog {
            main_thread: Group::new(main_thread, "main_thread", registry),
            workers: Group::new(workers, "workers", registry),
            registry: Arc::clone(registry),
        }
    }

    /// With the timeouts of a process.
    #[must_use]
    pub fn of(bootstrap: &Bootstrap, registry: &Arc<Registry>) -> Arc<Self> {
        Arc::new(Self::new(&bootstrap.main_thread_watchdog, &bootstrap.worker_watchdog, registry))
    }

    fn group(&self, kind: Watched) -> &Group {
        match kind {
            Watched::Main => &self.main_thread,
            Watched::Worker => &self.workers,
        }
    }

    /// Watches this thread from now on, by a task of its event loop, until that loop ends.
    pub fn watch(&self, kind: Watched, name: &str) {
        let group = self.group(kind);
        let touched = Arc::new(AtomicBool::new(true));
        group.threads().push(WatchedThread {
            name: name.to_owned(),
            touched: Arc::clone(&touched),
            stats: self.registry.watchdog(&format!("server.{name}")),
            step: Step::Fine,
            last_touch: Instant::now(),
        });
        let interval = group.patience.interval() / 2;
        tokio::task::spawn_local(async move {
            loop {
                touched.store(true, Ordering::Relaxed);
                tokio::time::sleep(interval).await;
            }
        });
    }

    fn interval(&self) -> Duration {
        self.main_thread.patience.interval().min(self.workers.patience.interval())
    }

    fn look(&self, now: Instant) -> Option<String> {
        self.main_thread.look(now).or_else(|| self.workers.look(now))
    }
}

/// The thread that looks; it ends when this is dropped.
#[derive(Debug)]
pub struct WatchdogThread {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WatchdogThread {
    /// Looks from now on.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(watchdog: Arc<Watchdog>) -> std::io::Result<Self> {
        let (end, ended) = channel();
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            while ended.recv_timeout(watchdog.interval()) == Err(RecvTimeoutError::Timeout) {
                if let Some(why) = watchdog.look(Instant::now()) {
                    end_process(&why);
                }
            }
        })?;
        Ok(WatchdogThread { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for WatchdogThread {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has no more to say than what it logged.
            drop(thread.join());
        }
    }
}

/// As Envoy does: by SIGABRT, which leaves a core dump where the system makes them.
fn end_process(why: &str) {
    application_log::write(Component::Main, Level::Critical, format!("the watchdog ends the process: {why}"));
    application_log::flush();
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bootstrap::StatsConfig;

    fn group(model: &Timeouts) -> (Group, Vec<Arc<AtomicBool>>, Instant) {
        let registry = Registry::new(&StatsConfig::default(), 1);
        let group = Group::new(model, "workers", &registry);
        let begin = Instant::now();
        let flags: Vec<Arc<AtomicBool>> = (0..3).map(|_| Arc::default()).collect();
        for (index, touched) in flags.iter().enumerate() {
            group.threads().push(WatchedThread {
                name: format!("worker_{index}"),
                touched: Arc::clone(touched),
                stats: registry.watchdog(&format!("server.worker_{index}")),
                step: Step::Fine,
                last_touch: begin,
            });
        }
        (group, flags, begin)
    }

    #[test]
    fn each_silence_is_counted_once() {
        let (group, flags, begin) = group(&Timeouts::default());
        let look = |ms| assert_eq!(group.look(begin + Duration::from_millis(ms)), None);
        let counted = || {
            [WatchdogStat::WatchdogMiss, WatchdogStat::WatchdogMegaMiss].map(|stat| group.stats.value(stat))
        };
        look(200);
        assert_eq!(counted(), [0, 0]);
        flags.iter().skip(1).for_each(|flag| flag.store(true, Ordering::Relaxed));
        look(300);
        look(400);
        assert_eq!(counted(), [1, 0]);
        flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
        look(500);
        look(701);
        assert_eq!(counted(), [4, 0]);
        look(1501);
        look(2000);
        assert_eq!(counted(), [4, 3]);
    }

    #[test]
    fn a_thread_that_has_ended_is_not_missed() {
        let (group, flags, begin) = group(&Timeouts::default());
        drop(flags);
        assert_eq!(group.look(begin + Duration::from_secs(9)), None);
        assert_eq!(group.stats.value(WatchdogStat::WatchdogMiss), 0);
    }

    #[test]
    fn the_process_ends_for_one_thread_or_for_several() {
        let ends = |model: &Timeouts, stuck: usize| {
            let (group, flags, begin) = group(model);
            flags.iter().skip(stuck).for_each(|flag| flag.store(true, Ordering::Relaxed));
            group.look(begin + Duration::from_millis(1500))
        };
        assert_eq!(ends(&Timeouts::default(), 3), None);
        let kill = Timeouts { kill_timeout_ms: Some(1400), ..Timeouts::default() };
        assert_eq!(ends(&kill, 1).as_deref(), Some("worker_0 is stuck"));
        let patient = Timeouts { kill_timeout_ms: Some(1600), ..Timeouts::default() };
        assert_eq!(ends(&patient, 3), None);
        let several = Timeouts { multikill_timeout_ms: Some(1400), ..Timeouts::default() };
        assert_eq!(ends(&several, 1), None);
        assert_eq!(ends(&several, 2).as_deref(), Some("2 of 3 threads are stuck"));
        let all = Timeouts { multikill_threshold: 70.0, ..several };
        assert_eq!(ends(&all, 2), None);
        assert!(ends(&all, 3).is_some());
        assert!(ends(&Timeouts { aborts_on_megamiss: true, ..Timeouts::default() }, 1).is_some());
    }
}
